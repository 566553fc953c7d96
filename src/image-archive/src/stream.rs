//! A tarball that is written while it is read, so that none of it is kept.

use std::io::{self, PipeReader, Read};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::writer::DockerArchive;

/// Reads what a [`DockerArchive`] writes on a thread of its own.
///
/// If writing fails, reading fails too instead of ending early, so that nobody takes the beginning of a tarball for all
/// of it. Dropping the stream ends the thread at its next write.
pub struct ArchiveStream {
    pipe: PipeReader,
    writer: Option<JoinHandle<Result<()>>>,
    length: u64,
}

impl DockerArchive {
    /// Begins to write the tarball.
    pub fn into_stream(self) -> Result<ArchiveStream> {
        let length = self.length()?;
        let reference = self.image().image().name();
        let stream = || -> io::Result<ArchiveStream> {
            let (reader, pipe) = io::pipe()?;
            let writer = std::thread::Builder::new()
                .name("archive".into())
                .spawn(move || self.write(io::BufWriter::with_capacity(64 << 10, pipe)))?;
            Ok(ArchiveStream {
                pipe: reader,
                writer: Some(writer),
                length,
            })
        };
        stream().map_err(|source| Error::Stream { reference, source })
    }
}

impl ArchiveStream {
    /// Bytes that will be read in all.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Read for ArchiveStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pipe.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        match self.writer.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(0),
            Some(Ok(Err(error))) => Err(io::Error::other(error)),
            Some(Err(_)) => Err(io::Error::other(
                "the thread that writes the archive failed",
            )),
        }
    }
}
