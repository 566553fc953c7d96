//! `POST /images/load`: sending an archive of images, and finding out whether it was taken.
//!
//! The status says nothing: failures come inside the stream of a reply with status 200 (moby#34416), and since engine 27
//! the containerd store tells that it could not unpack an image in a line that looks like any other (moby,
//! `daemon/containerd/image_exporter.go`, `LoadImage`).

use std::{
    io::{self, Read},
    time::Duration,
};

use hyper::body::{Buf as _, Bytes};
use serde::Deserialize;

use crate::{
    Engine, Error, Result,
    request::{Payload, Request, Timeouts},
    transport::ReplyBody,
};

/// How long the engine may be silent: it says nothing while it unpacks.
const SILENCE: Duration = Duration::from_mins(15);
/// Bound of the reply, most of which would be progress.
const LONGEST_REPLY: u64 = 16 << 20;
/// Lines that are kept.
const MOST_LINES: usize = 1000;

/// What the engine said when it had loaded an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Its words, line by line: `Loaded image: redis:7.2`.
    pub lines: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    error: String,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    message: String,
}

impl Engine {
    /// Sends a docker-archive or OCI archive and reads the answer to its end.
    ///
    /// Success means that the engine reported no failure. Whether the images are there and complete must still be
    /// checked: the containerd store takes an archive that lacks layers without a word.
    pub fn load(&self, archive: impl Read + Send + 'static) -> Result<LoadReport> {
        let request = Request::post("/images/load")
            .query("quiet", "1")
            .payload(Payload::Stream {
                content_type: "application/x-tar",
                reader: Box::new(archive),
            })
            .timeouts(Timeouts::silence(SILENCE));
        let mut reply = Parts {
            body: self.call(request)?.body,
            rest: Bytes::new(),
            left: LONGEST_REPLY,
            failure: None,
        };
        let (report, failure) = read(&mut reply);
        let target = reply.body.target().clone();
        match (reply.failure, failure) {
            (_, Some(Failure::Told(message))) => Err(Error::InStream { target, message }),
            (Some(error), _) => Err(error),
            (None, Some(Failure::Garbage(source))) => Err(Error::Garbage { target, source }),
            (None, None) => Ok(report),
        }
    }
}

pub(crate) enum Failure {
    Told(String),
    Garbage(serde_json::Error),
}

/// What a reply says, and the first failure that it tells of.
pub(crate) fn read(reply: impl Read) -> (LoadReport, Option<Failure>) {
    let mut report = LoadReport::default();
    let mut failure = None;
    for message in serde_json::Deserializer::from_reader(reply).into_iter::<Message>() {
        match message {
            Ok(message) => note(message, &mut report, &mut failure),
            Err(source) => {
                failure = failure.or(Some(Failure::Garbage(source)));
                break;
            }
        }
    }
    (report, failure)
}

fn note(message: Message, report: &mut LoadReport, failure: &mut Option<Failure>) {
    let told = match message.error_detail {
        Some(detail) if !detail.message.is_empty() => Some(detail.message),
        Some(_) if message.error.is_empty() => Some("an error without words".to_owned()),
        _ => Some(message.error).filter(|error| !error.is_empty()),
    };
    let lines = message
        .stream
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    for line in lines {
        if line.starts_with("Error ") && failure.is_none() {
            *failure = Some(Failure::Told(line.to_owned()));
        }
        if report.lines.len() < MOST_LINES {
            report.lines.push(line.to_owned());
        }
    }
    if let (Some(told), None) = (told, &failure) {
        *failure = Some(Failure::Told(told));
    }
}

/// The reply as a reader; why it ended early is kept beside it.
struct Parts {
    body: ReplyBody,
    rest: Bytes,
    left: u64,
    failure: Option<Error>,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.body.next_part() {
                Ok(Some(part)) => self.rest = part,
                Ok(None) => return Ok(0),
                Err(error) => {
                    self.failure = Some(error);
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        let count = buffer.len().min(self.rest.len());
        let Some(left) = self.left.checked_sub(count as u64) else {
            let limit = usize::try_from(LONGEST_REPLY).unwrap_or(usize::MAX);
            self.failure = Some(Error::TooLarge {
                target: self.body.target().clone(),
                limit,
            });
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.left = left;
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeEngine, FakeReply};

    fn load(reply: FakeReply) -> Result<LoadReport> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let _fake = FakeEngine::start(&socket, move |_| reply.clone());
        Engine::new(socket).load(&b"archive"[..])
    }

    #[test]
    fn keeps_what_the_engine_said() {
        let report = load(FakeReply::stream(&[
            "{\"stream\":\"Loaded image: a:1\\n\"}\r\n{\"str",
            "eam\":\"Loaded image: b:1\\n\"}\r\n",
        ]));
        assert_eq!(
            report.unwrap().lines,
            ["Loaded image: a:1", "Loaded image: b:1"]
        );
    }

    #[test]
    fn finds_an_error_inside_a_reply_of_status_200() {
        let error = load(FakeReply::stream(&[
            "{\"errorDetail\":{\"message\":\"no space left on device\"},\"error\":\"no space left on device\"}\r\n",
        ]));
        let error = error.unwrap_err();
        assert!(
            matches!(&error, Error::InStream { message, .. } if message == "no space left on device"),
            "{error}"
        );
    }

    #[test]
    fn finds_an_unpack_failure_that_looks_like_progress() {
        let error = load(FakeReply::stream(&[
            "{\"stream\":\"Loaded image: a:1\\n\"}\r\n",
            "{\"stream\":\"Error unpacking image a:1: no such layer\\n\"}\r\n",
        ]));
        let error = error.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("Error unpacking image a:1: no such layer"),
            "{error}"
        );
    }

    #[test]
    fn a_reply_that_is_cut_is_no_success() {
        let line = "{\"stream\":\"Loaded image: a:1\\n\"}\r\n";
        assert!(matches!(
            load(FakeReply::cut_stream(&[line])),
            Err(Error::Cut { .. })
        ));
        assert!(matches!(
            load(FakeReply::stream(&["{\"stream\":"])),
            Err(Error::Garbage { .. })
        ));
        assert!(matches!(
            load(FakeReply::stream(&["<html>"])),
            Err(Error::Garbage { .. })
        ));
    }

    #[test]
    fn an_endless_reply_is_bounded() {
        let error = load(FakeReply::huge("{\"stream\":\"x\"}\r\n", 64 << 20)).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }

    #[test]
    fn an_archive_that_cannot_be_read_is_told_as_such() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk broken"))
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let _fake = FakeEngine::start(&socket, |_| FakeReply::stream(&[]));
        let error = Engine::new(socket).load(Failing).unwrap_err();
        assert!(
            matches!(&error, Error::Upload { source, .. } if source.to_string() == "disk broken"),
            "{error}"
        );
    }
}
