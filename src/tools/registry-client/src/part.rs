//! A blob that is still coming, in its file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use image_archive::{Descriptor, Digest};
use sha2::{Digest as _, Sha256};

use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Bytes that are read, hashed and written at a time.
pub(crate) const CHUNK: usize = 128 << 10;

/// The beginning of a blob, hashed as far as it is there.
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
    size: u64,
}

impl Part {
    /// Takes up what an earlier run has left, which is hashed first.
    pub(crate) fn open(path: &Path, blob: &Descriptor, cancel: &Cancel) -> Result<Self> {
        let failed = |doing| {
            move |source| Error::File {
                doing,
                path: path.to_owned(),
                source,
            }
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("opening"))?;
        let mut hasher = Sha256::new();
        let mut length = 0;
        let mut buffer = vec![0; CHUNK];
        loop {
            cancel.check()?;
            let count = file.read(&mut buffer).map_err(failed("reading"))?;
            hasher.update(&buffer[..count]);
            length += count as u64;
            if count == 0 || length > blob.size {
                break;
            }
        }
        let mut part = Self {
            path: path.to_owned(),
            file,
            hasher,
            length,
            size: blob.size,
        };
        if length > blob.size {
            part.restart()?;
        }
        Ok(part)
    }

    /// Bytes that are there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that are still to come.
    pub(crate) fn missing(&self) -> u64 {
        self.size - self.length
    }

    /// Adds bytes, which must not be more than are missing.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|source| self.failed("writing", source))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Throws everything away.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(|source| self.failed("truncating", source))?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// The digest of what is there.
    pub(crate) fn digest(&self) -> Digest {
        let digest: [u8; 32] = self.hasher.clone().finalize().into();
        digest.into()
    }

    fn failed(&self, doing: &'static str, source: std::io::Error) -> Error {
        Error::File {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}
