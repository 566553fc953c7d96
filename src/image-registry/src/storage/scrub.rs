//! Reading blobs again: one whose bytes have another digest is set aside, so that clients find it missing and push it again.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use super::files::entries;
use super::{Storage, by_digest, durable};
use crate::digest::{Algorithm, Digest, Hasher};

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

/// A part of the store's blobs, by the first byte of their digests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    algorithm: Algorithm,
    prefix: String,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.algorithm.as_str(), self.prefix)
    }
}

/// A blob that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reread {
    /// Its bytes.
    pub bytes: u64,
    /// The digest that they have, if it is another one: then the blob was set aside.
    pub damaged: Option<Digest>,
}

impl Storage {
    /// All parts of the blobs, in an order that stays.
    pub fn parts(&self) -> io::Result<Vec<Part>> {
        let mut parts = Vec::new();
        for algorithm in Algorithm::ALL {
            let prefixes = entries(&self.root.join("blobs").join(algorithm.as_str()))?;
            parts.extend(
                prefixes
                    .into_iter()
                    .map(|prefix| Part { algorithm, prefix }),
            );
        }
        parts.sort_unstable();
        Ok(parts)
    }

    /// The blobs of a part.
    pub fn blobs_of(&self, part: &Part) -> io::Result<Vec<Digest>> {
        let algorithm = part.algorithm.as_str();
        let directory = self.root.join("blobs").join(algorithm).join(&part.prefix);
        let names = entries(&directory)?;
        let digests = names
            .iter()
            .filter_map(|name| Digest::from_parts(algorithm, name));
        Ok(digests
            .filter(|it| it.hex().starts_with(&part.prefix))
            .collect())
    }

    /// Reads a blob again, and tells `pace` of every piece that was read. Nothing if it is not there any more.
    pub fn reread(
        &self,
        digest: &Digest,
        mut pace: impl FnMut(usize),
    ) -> io::Result<Option<Reread>> {
        let Some((mut file, bytes)) = self.open_content(digest)? else {
            return Ok(None);
        };
        let mut hasher = Hasher::new(digest.algorithm());
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = file
                .read(&mut buffer)
                .map_err(|error| durable::named(&error, "reading", &self.content(digest)))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            pace(count);
        }
        let found = hasher.finish();
        let is_aside = found != *digest && self.set_aside(digest, &file)?;
        Ok(Some(Reread {
            bytes,
            damaged: is_aside.then_some(found),
        }))
    }

    /// Moves a damaged blob away, unless it was pushed again meanwhile, or is being pushed. Whether it did.
    fn set_aside(&self, digest: &Digest, damaged: &File) -> io::Result<bool> {
        let (content, aside) = (self.content(digest), self.aside(digest));
        aside.parent().map_or(Ok(()), durable::make_dir)?;
        let damaged = damaged.metadata()?.ino();
        self.pushes.unless_linking(digest, || {
            match fs::metadata(&content) {
                Ok(there) if there.ino() == damaged => {}
                Ok(_) => return Ok(false),
                Err(error) if durable::is_missing(&error) => return Ok(false),
                Err(error) => return Err(durable::named(&error, "reading", &content)),
            }
            fs::rename(&content, &aside)
                .map_err(|error| durable::named(&error, "renaming to", &aside))?;
            content.parent().map_or(Ok(()), durable::sync_dir)?;
            aside.parent().map_or(Ok(()), durable::sync_dir)?;
            Ok(true)
        })
    }

    fn aside(&self, digest: &Digest) -> std::path::PathBuf {
        by_digest(&self.root.join("damaged"), digest)
    }
}
