//! Blobs: content by digest, and which repository has it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::files::open;
use super::repositories::digests;
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
        let link = self.blob_link(repository, digest);
        link.try_exists()
            .map_err(|error| durable::named(&error, "looking for", &link))
    }

    /// Where it is said that a repository has a blob.
    pub(super) fn blob_link(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.link(repository, LINKS, digest)
    }

    /// Notes that somebody asked whether a repository has a blob, and may refer to it soon. On a disk that takes nothing this is
    /// logged, and the answer stays the same.
    pub fn note_asked(&self, repository: &Repository, digest: &Digest) {
        if let Err(error) = self.touch_link(repository, digest) {
            tracing::warn!(%repository, %digest, why = %error, "not noted that this was asked for");
        }
    }

    fn touch_link(&self, repository: &Repository, digest: &Digest) -> io::Result<()> {
        let link = self.blob_link(repository, digest);
        let opened = File::options().write(true).open(&link);
        match opened.and_then(|file| file.set_modified(SystemTime::now())) {
            Err(error) if !durable::is_missing(&error) => {
                Err(durable::named(&error, "touching", &link))
            }
            _ => Ok(()),
        }
    }

    /// The digests of a repository's blobs.
    pub fn blobs(&self, repository: &Repository) -> io::Result<Vec<Digest>> {
        digests(&self.repository(repository).join(LINKS))
    }

    pub(super) fn open_content(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        open(&self.content(digest))
    }

    /// Gives a repository a blob whose content is there. Whether it is.
    pub fn link_blob(&self, repository: &Repository, digest: &Digest) -> io::Result<bool> {
        let _linking = self.pushes.linking([digest]);
        let is_there = self.open_content(digest)?.is_some();
        if is_there {
            self.link_content(repository, digest)?;
        }
        Ok(is_there)
    }

    /// The same with content that is known to be there, and kept there meanwhile.
    pub(super) fn link_content(&self, repository: &Repository, digest: &Digest) -> io::Result<()> {
        if self.has_blob(repository, digest)? {
            return self.touch_link(repository, digest);
        }
        durable::write(&self.blob_link(repository, digest), b"", &self.temporary())
    }

    /// Takes a blob from a repository; the content stays until it is collected. Whether the repository had it.
    pub fn unlink_blob(&self, repository: &Repository, digest: &Digest) -> io::Result<bool> {
        durable::remove(&self.blob_link(repository, digest))
    }

    /// Puts content in place that lies in a temporary file and has been verified. What lies there already may be damaged.
    pub(super) fn keep_content(&self, digest: &Digest, file: durable::Temporary) -> io::Result<()> {
        file.move_to(&self.content(digest))
    }
}
