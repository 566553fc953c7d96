//! Reading what was verified before, and noticing if it changed since.

use std::io::{self, Read};

/// Reads exactly as many bytes as there were.
pub(crate) struct Exactly<'a, R> {
    data: &'a mut R,
    left: u64,
}

impl<'a, R: Read> Exactly<'a, R> {
    pub(crate) fn new(data: &'a mut R, size: u64) -> Self {
        Self { data, left: size }
    }

    /// Fails unless the data ended where it should.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.left == 0 && self.data.read(&mut [0])? == 0 {
            Ok(())
        } else {
            Err(changed())
        }
    }
}

impl<R: Read> Read for Exactly<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.data.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(changed());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the image changed after it was verified",
    )
}
