//! Whether the store answers, and how full it is.

use std::fs;
use std::io;

use super::files::entries;
use super::{Storage, durable};

/// The disk that the store lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub size: u64,
    /// Bytes that are free to the registry.
    pub free: u64,
}

impl Storage {
    /// How full its disk is.
    pub fn space(&self) -> io::Result<Space> {
        let disk = rustix::fs::statvfs(&self.root)
            .map_err(|error| durable::named(&error.into(), "asking for the disk of", &self.root))?;
        Ok(Space {
            size: disk.f_blocks.saturating_mul(disk.f_frsize),
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }

    /// How many uploads were begun and not ended.
    pub fn open_uploads(&self) -> io::Result<u64> {
        Ok(entries(&self.root.join("uploads"))?.len() as u64)
    }

    /// Reads of each of its directories, as every answer does.
    ///
    /// # Errors
    /// One is not there, or the disk does not give it out.
    pub fn answers(&self) -> io::Result<()> {
        for directory in ["blobs", "repositories", "uploads", "tmp"] {
            let path = self.root.join(directory);
            let first = fs::read_dir(&path).and_then(|mut entries| entries.next().transpose());
            first.map_err(|error| durable::named(&error, "reading", &path))?;
        }
        Ok(())
    }
}
