//! The bytes of a tarball, unpacked on the way if need be.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::compression::Compression;
use crate::tar_entries::Skip;

/// The unpacked bytes of a tarball.
pub(crate) enum Stream {
    Plain {
        file: File,
        position: u64,
        length: u64,
    },
    Packed {
        reader: Box<dyn Read + Send>,
        left: u64,
    },
}

impl Stream {
    /// `limit` bounds what a compressed tarball may unpack to, in bytes.
    pub(crate) fn open(path: &Path, compression: Compression, limit: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(match compression {
            Compression::None => Self::Plain {
                length: file.metadata()?.len(),
                file,
                position: 0,
            },
            packed => Self::Packed {
                reader: packed.reader(BufReader::with_capacity(64 << 10, file))?,
                left: limit,
            },
        })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain { file, position, .. } => {
                let count = file.read(buffer)?;
                *position += count as u64;
                Ok(count)
            }
            Self::Packed { reader, left } => {
                let count = reader.read(buffer)?;
                *left = left.checked_sub(count as u64).ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        "it unpacks to more than any image",
                    )
                })?;
                Ok(count)
            }
        }
    }
}

impl Skip for Stream {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        match self {
            Self::Plain {
                file,
                position,
                length,
            } => {
                let target = position
                    .checked_add(count)
                    .filter(|target| target <= length);
                *position = target.ok_or(io::ErrorKind::UnexpectedEof)?;
                file.seek(SeekFrom::Start(*position)).map(drop)
            }
            Self::Packed { .. } => {
                let skipped = io::copy(&mut self.take(count), &mut io::sink())?;
                if skipped == count {
                    Ok(())
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
            }
        }
    }
}
