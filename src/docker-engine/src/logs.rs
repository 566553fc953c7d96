//! A container's output: its last lines, or all that it writes from now on.

use std::time::Duration;

use crate::{
    Engine, Result, Timeouts,
    request::{Request, segment},
    transport::{Part, ReplyBody},
};

/// More than this of a container's last lines is not read.
const LIMIT: usize = 1 << 20;

/// The last of the streams' numbers in a header of the multiplexed form: 0 stdin, 1 stdout, 2 stderr. This one has what the
/// engine itself says when it cannot read the log any more (moby, `WriteLogStream`), and nothing of the container's.
const SYSTEM_ERRORS: u8 = 3;
/// Stream, three zeros, four bytes of length (moby, `api/types/container/attach` in the API's description).
const HEADER: usize = 8;

impl Engine {
    /// The last `lines` lines of what a container wrote to stdout and stderr, oldest first.
    ///
    /// Fails with status 501 or 500 when the container's log driver cannot be read.
    pub fn logs_tail(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        let request = Request::get(format!("/containers/{}/logs", segment(id)))
            .query("stdout", "1")
            .query("stderr", "1")
            .query("tail", lines.to_string());
        let mut reply = self.call(request)?;
        let mut bytes = Vec::new();
        while bytes.len() < LIMIT
            && let Some(part) = reply.body.next_part()?
        {
            bytes.extend_from_slice(&part);
        }
        // API 1.41 does not say in its Content-Type which form it is; the form itself does.
        let text = demultiplexed(&bytes).unwrap_or(bytes);
        let text = String::from_utf8_lossy(&text);
        let mut tail: Vec<String> = text
            .lines()
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect();
        tail.drain(..tail.len().saturating_sub(lines));
        Ok(tail)
    }

    /// What a container without a terminal writes to stdout and stderr from now on. It need not be started yet.
    pub fn attach(&self, id: &str) -> Result<Output> {
        let path = format!("/containers/{}/attach", segment(id));
        self.output(Request::post(path).query("stream", "1"))
    }

    /// What a container without a terminal has written since its start, and what it writes until it ends. Of one that is not started
    /// there is nothing.
    pub fn follow_logs(&self, id: &str) -> Result<Output> {
        let path = format!("/containers/{}/logs", segment(id));
        self.output(Request::get(path).query("follow", "1"))
    }

    fn output(&self, request: Request) -> Result<Output> {
        // The head comes at once, without waiting for output (moby, `postContainersAttach`, `WriteLogStream`), save while the
        // container is being started.
        let head = Timeouts::silence(Duration::from_mins(2));
        let request = request.query("stdout", "1").query("stderr", "1");
        let mut reply = self.call(request.timeouts(head))?;
        reply.body.allow_silence();
        Ok(Output {
            body: reply.body,
            frames: Frames::default(),
        })
    }
}

/// The stream of a container's output. Dropping it ends the call, and not the container.
#[derive(Debug)]
pub struct Output {
    body: ReplyBody,
    frames: Frames,
}

impl Output {
    /// Has `hear` hear what comes within `patience`; `false` at the end.
    pub fn next_within(&mut self, patience: Duration, mut hear: impl FnMut(&[u8])) -> Result<bool> {
        match self.body.next_part_within(Some(patience))? {
            Part::Bytes(bytes) => self.frames.take(&bytes, &mut hear),
            Part::NotYet => {}
            Part::End => return Ok(false),
        }
        Ok(true)
    }
}

/// The multiplexed form, as it arrives.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: Vec<u8>,
    /// The frame's stream.
    stream: u8,
    /// What is still to come of the frame.
    left: usize,
}

impl Frames {
    pub(crate) fn take(&mut self, mut bytes: &[u8], hear: &mut impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let (taken, rest) = bytes.split_at((HEADER - self.header.len()).min(bytes.len()));
                self.header.extend_from_slice(taken);
                bytes = rest;
                if let [stream, _, _, _, a, b, c, d] = self.header[..] {
                    self.stream = stream;
                    let length = u32::from_be_bytes([a, b, c, d]);
                    self.left = usize::try_from(length).unwrap_or(usize::MAX);
                    self.header.clear();
                }
                continue;
            }
            let (text, rest) = bytes.split_at(self.left.min(bytes.len()));
            if self.stream != SYSTEM_ERRORS {
                hear(text);
            }
            self.left -= text.len();
            bytes = rest;
        }
    }
}

/// The text in multiplexed output, or nothing if it is a terminal's plain output. The last frame may be cut short.
pub(crate) fn demultiplexed(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut has_frames = false;
    while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
        let &[stream, 0, 0, 0, a, b, c, d] = header else {
            return None;
        };
        if stream > SYSTEM_ERRORS {
            return None;
        }
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d]))
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let (frame, after) = rest.split_at(length);
        if stream != SYSTEM_ERRORS {
            text.extend_from_slice(frame);
        }
        has_frames = true;
        bytes = after;
    }
    (has_frames || bytes.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text.as_bytes());
        frame
    }

    #[test]
    fn joins_both_streams() {
        let bytes = [frame(1, "one\n"), frame(2, "two\n")].concat();
        assert_eq!(demultiplexed(&bytes).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn what_the_engine_says_of_a_log_that_it_cannot_read_is_not_the_containers() {
        let error = "Error grabbing logs: open /x-json.log: no such file or directory\n";
        let bytes = [frame(1, "one\n"), frame(3, error), frame(2, "two\n")].concat();
        assert_eq!(demultiplexed(&bytes).unwrap(), b"one\ntwo\n");
        assert_eq!(demultiplexed(&frame(3, error)).unwrap(), b"");
        for size in 1..=bytes.len() {
            let (mut text, mut frames) = (Vec::new(), Frames::default());
            for part in bytes.chunks(size) {
                frames.take(part, &mut |heard| text.extend_from_slice(heard));
            }
            assert_eq!(text, b"one\ntwo\n", "{size}");
        }
    }

    #[test]
    fn frames_are_put_together_wherever_they_are_cut() {
        let bytes = [frame(1, "one\n"), frame(2, ""), frame(2, "two\n")].concat();
        for size in 1..=bytes.len() {
            let mut text = Vec::new();
            let mut frames = Frames::default();
            for part in bytes.chunks(size) {
                frames.take(part, &mut |heard| text.extend_from_slice(heard));
            }
            assert_eq!(text, b"one\ntwo\n", "{size}");
        }
    }

    #[test]
    fn keeps_what_there_is_of_a_frame_cut_short() {
        let bytes = [frame(1, "one\n"), frame(2, "two\n")].concat();
        assert_eq!(
            demultiplexed(&bytes[..bytes.len() - 2]).unwrap(),
            b"one\ntw"
        );
        assert_eq!(demultiplexed(&bytes[..15]).unwrap(), b"one\n");
    }

    #[test]
    fn leaves_a_terminals_output_as_it_is() {
        assert_eq!(demultiplexed(b"plain text of a terminal\r\n"), None);
        assert_eq!(demultiplexed(b"short"), None);
    }
}
