//! The last lines of a container's output.

use crate::{
    Engine, Result,
    request::{Request, segment},
};

/// More than this of a container's last lines is not read.
const LIMIT: usize = 1 << 20;

/// The streams' names in a header of the multiplexed form: 0 stdin, 1 stdout, 2 stderr, 3 system errors.
const STREAMS: u8 = 3;
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
}

/// The text in multiplexed output, or nothing if it is a terminal's plain output. The last frame may be cut short.
fn demultiplexed(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len());
    while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
        let &[stream, 0, 0, 0, a, b, c, d] = header else {
            return None;
        };
        if stream > STREAMS {
            return None;
        }
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d]))
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let (frame, after) = rest.split_at(length);
        text.extend_from_slice(frame);
        bytes = after;
    }
    (!text.is_empty() || bytes.is_empty()).then_some(text)
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
