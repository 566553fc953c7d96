//! The store: blobs by their digests, and which repository has which blob, manifest and tag. Files alone; what they say is
//! counted nowhere else.
//!
//! ```text
//! blobs/sha256/ab/abcd…                        content, of manifests as well
//! repositories/NAME/_blobs/sha256/abcd…        the repository has this blob
//! repositories/NAME/_manifests/sha256/abcd…    the repository has this manifest; the file says its media type
//! repositories/NAME/_tags/TAG                  the file says the digest
//! repositories/NAME/_pulled/sha256/abcd…       the file's time is that of the last pull
//! repositories/NAME/_referrers/sha256/SUBJECT/sha256/abcd…   this manifest names that subject
//! uploads/ID/                                  an upload on its way
//! damaged/sha256/abcd…                        a blob that was found damaged and set aside
//! runs/                                        how far work came that comes back
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
pub mod files;
mod health;
mod listing;
mod manifests;
mod open_by_login;
mod pulls;
mod removal;
mod repositories;
mod runs;
mod scrub;
mod taking;
mod uploads;
mod verify;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use collection::Collected;
pub use health::Space;
pub use listing::{ListedManifest, ListedTag, Stamp};
pub use manifests::{NewManifest, StoredManifest};
pub use open_by_login::MOST as MOST_UPLOADS;
pub use runs::{LastRun, Work};
pub use scrub::Reread;
pub use taking::Taking;
pub use uploads::Upload;

use open_by_login::OpenByLogin;
use taking::Pushes;

use crate::digest::Digest;
use crate::names::Repository;

/// The store in a directory.
#[derive(Clone, Debug)]
pub struct Storage {
    root: PathBuf,
    pushes: Pushes,
    open_uploads: OpenByLogin,
}

impl Storage {
    /// The store as it is, for those who only read.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            pushes: Pushes::default(),
            open_uploads: OpenByLogin::default(),
        }
    }

    /// Opens it, and clears what a registry that was killed left half written.
    pub fn open(root: &Path) -> io::Result<Self> {
        let storage = Self::at(root);
        for directory in ["blobs", "repositories", "uploads"] {
            durable::make_dir(&root.join(directory))?;
        }
        let temporary = storage.temporary();
        // the directory itself stays: a full disk may not give it back
        durable::make_dir(&temporary)?;
        for name in files::entries(&temporary)? {
            let path = temporary.join(name);
            if path.is_dir() {
                fs::remove_dir_all(&path)
                    .map_err(|error| durable::named(&error, "clearing", &path))?;
            } else {
                durable::remove(&path)?;
            }
        }
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
