//! Images out of the engine, as `docker save` has them.

use std::io::{self, Read};
use std::time::Duration;

use hyper::body::{Buf as _, Bytes};

use crate::{
    Engine, Result,
    request::{Request, Timeouts, segment},
    transport::ReplyBody,
};

/// The graph drivers' store writes the whole image to its disk before the first byte of the answer comes.
const SILENCE: Duration = Duration::from_mins(10);

/// A tarball as it comes from the engine. If the engine breaks off, reading fails instead of ending early.
#[derive(Debug)]
pub struct SavedImage {
    body: ReplyBody,
    part: Bytes,
}

impl Engine {
    /// `GET /images/{name}/get`: an image as a docker-archive tarball.
    pub fn save_image(&self, name: &str) -> Result<SavedImage> {
        let request = Request::get(format!("/images/{}/get", segment(name)));
        let reply = self.call(request.timeouts(Timeouts::silence(SILENCE)))?;
        Ok(SavedImage {
            body: reply.body,
            part: Bytes::new(),
        })
    }
}

impl Read for SavedImage {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.body.next_part() {
                Ok(Some(part)) => self.part = part,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let count = self.part.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.part[..count]);
        self.part.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeEngine, FakeReply};

    fn read(reply: FakeReply) -> io::Result<Vec<u8>> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("docker.sock");
        let fake = FakeEngine::start(&socket, move |_| reply.clone());
        let engine = Engine::new(&socket);
        let mut bytes = Vec::new();
        engine
            .save_image("a/b:1")
            .map_err(io::Error::other)?
            .read_to_end(&mut bytes)?;
        assert_eq!(fake.seen().pop().unwrap().path, "/images/a/b:1/get");
        Ok(bytes)
    }

    #[test]
    fn reads_the_tarball_to_its_end() {
        assert_eq!(read(FakeReply::stream(&["ab", "c"])).unwrap(), b"abc");
    }

    #[test]
    fn a_tarball_that_breaks_off_is_an_error() {
        assert!(read(FakeReply::cut_stream(&["ab"])).is_err());
        assert!(read(FakeReply::error(404, "no such image")).is_err());
    }
}
