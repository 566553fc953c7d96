//! The store: blobs by their digests, and which repository has which blob, manifest and tag. Files alone; what they say is
//! counted nowhere else.
//!
//! ```text
//! blobs/sha256/ab/abcd…                        content, of manifests as well
//! repositories/NAME/_blobs/sha256/abcd…        the repository has this blob
//! repositories/NAME/_manifests/sha256/abcd…    the repository has this manifest; the file says its media type
//! repositories/NAME/_tags/TAG                  the file says the digest
//! repositories/NAME/_referrers/sha256/SUBJECT/sha256/abcd…   this manifest names that subject
//! uploads/ID/                                  an upload on its way
//! tmp/                                         files without their name yet
//! ```
//!
//! No part of a repository's name begins with `_`, so that none of these is one.
//!
//! All of it blocks; the API calls it where that does no harm. This module is the seam: what another store (an object store)
//! would have to do is what is public here.

mod blobs;
mod collection;
pub mod durable;
mod manifests;
mod repositories;
mod uploads;
mod verify;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use manifests::{NewManifest, StoredManifest};
pub use uploads::Upload;

use collection::Pushes;

use crate::digest::Digest;
use crate::names::Repository;

/// The store in a directory.
#[derive(Clone, Debug)]
pub struct Storage {
    root: PathBuf,
    pushes: Pushes,
}

impl Storage {
    /// The store as it is, for those who only read.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            pushes: Pushes::default(),
        }
    }

    /// Opens it, and clears what a registry that was killed left half written.
    pub fn open(root: &Path) -> io::Result<Self> {
        let storage = Self::at(root);
        for directory in ["blobs", "repositories", "uploads"] {
            durable::make_dir(&root.join(directory))?;
        }
        let temporary = storage.temporary();
        match fs::remove_dir_all(&temporary) {
            Err(error) if !durable::is_missing(&error) => {
                return Err(durable::named(&error, "clearing", &temporary));
            }
            _ => {}
        }
        durable::make_dir(&temporary)?;
        Ok(storage)
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn repository(&self, repository: &Repository) -> PathBuf {
        self.root.join("repositories").join(repository.as_str())
    }

    fn link(&self, repository: &Repository, kind: &str, digest: &Digest) -> PathBuf {
        by_digest(&self.repository(repository).join(kind), digest)
    }
}

/// `sha256/abcd…` below a directory.
fn by_digest(directory: &Path, digest: &Digest) -> PathBuf {
    directory
        .join(digest.algorithm().as_str())
        .join(digest.hex())
}
