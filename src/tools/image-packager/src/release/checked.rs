//! Remembers which layers were found whole, so that they are not hashed again as long as nobody touches them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image_archive::Digest;
use serde::{Deserialize, Serialize};

use super::files;
use super::journal;

const FILE: &str = "checked.json";

/// Layers whose digests were computed, with what the file system said of the files then.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    stamps: Mutex<BTreeMap<Digest, Stamp>>,
}

/// What changes when a file is written: git goes by the same. The time of change cannot be set back by a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path
            .symlink_metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)?;
        Some(Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Checked {
    /// What the last run knew; nothing, if that cannot be read.
    pub(crate) fn read(root: &Path) -> Self {
        let path = root.join(journal::DIRECTORY).join(FILE);
        let known = files::read(&path).ok().flatten();
        Self {
            stamps: known
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .map(Mutex::new)
                .unwrap_or_default(),
        }
    }

    pub(crate) fn write(&self, root: &Path) {
        let stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        let path = root.join(journal::DIRECTORY).join(FILE);
        // Without it the next run hashes more, and that is all.
        let _ = serde_json::to_vec(&*stamps)
            .map(|bytes| journal::make_directory(root).and_then(|()| files::write(&path, &bytes)));
    }

    /// Whether the file is the one that was looked at.
    pub(crate) fn knows(&self, digest: &Digest, path: &Path) -> bool {
        let stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.get(digest).is_some() && stamps.get(digest).copied() == Stamp::of(path)
    }

    pub(crate) fn note(&self, digest: &Digest, path: &Path) {
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        match Stamp::of(path) {
            Some(stamp) => stamps.insert(*digest, stamp),
            None => stamps.remove(digest),
        };
    }
}
