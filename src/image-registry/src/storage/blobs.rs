//! Blobs: content by digest, and which repository has it.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::{Storage, durable};
use crate::digest::Digest;
use crate::names::Repository;

const LINKS: &str = "_blobs";

impl Storage {
    /// Where a blob's content lies.
    pub(super) fn content(&self, digest: &Digest) -> PathBuf {
        self.root
            .join("blobs")
            .join(digest.algorithm().as_str())
            .join(&digest.hex()[..2])
            .join(digest.hex())
    }

    /// A blob of a repository and its size, if the repository has it.
    pub fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<Option<(File, u64)>> {
        if !self.has_blob(repository, digest)? {
            return Ok(None);
        }
        self.open_content(digest)
    }

    /// Whether a repository has a blob.
    pub fn has_blob(&self, repository: &Repository, digest: &Digest) -> io::Result<bool> {
        let link = self.link(repository, LINKS, digest);
        link.try_exists()
            .map_err(|error| durable::named(&error, "looking for", &link))
    }

    pub(super) fn open_content(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        let path = self.content(digest);
        match File::open(&path) {
            Ok(file) => {
                let size = file
                    .metadata()
                    .map_err(|error| durable::named(&error, "reading", &path))?
                    .len();
                Ok(Some((file, size)))
            }
            Err(error) if durable::is_missing(&error) => Ok(None),
            Err(error) => Err(durable::named(&error, "opening", &path)),
        }
    }

    /// Gives a repository a blob whose content is there. Whether it is.
    pub fn link_blob(&self, repository: &Repository, digest: &Digest) -> io::Result<bool> {
        if self.open_content(digest)?.is_none() {
            return Ok(false);
        }
        if !self.has_blob(repository, digest)? {
            durable::write(
                &self.link(repository, LINKS, digest),
                b"",
                &self.temporary(),
            )?;
        }
        Ok(true)
    }

    /// Takes a blob from a repository; the content stays until it is collected. Whether the repository had it.
    pub fn unlink_blob(&self, repository: &Repository, digest: &Digest) -> io::Result<bool> {
        durable::remove(&self.link(repository, LINKS, digest))
    }

    /// Puts content in place that lies in a temporary file and has been verified.
    pub(super) fn keep_content(&self, digest: &Digest, file: durable::Temporary) -> io::Result<()> {
        if self.open_content(digest)?.is_some() {
            return Ok(());
        }
        file.move_to(&self.content(digest))
    }
}
