//! What was written beside the recipe, so that it can be removed when the recipe no longer has it, and nothing else:
//! containers and prep write there too.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use bosh_job::atomic_write;
use serde::{Deserialize, Serialize};

use crate::files::FilePath;
use crate::tree::Attributes;

/// Name of the file in the release's own directory.
pub(crate) const FILE_NAME: &str = "files.json";

/// Paths relative to the recipe's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Files, with the owner and mode that they were given.
    pub files: BTreeMap<String, Attributes>,
    /// Directories that were made for them.
    pub directories: BTreeSet<String>,
}

impl Ledger {
    /// Reads it. A broken one counts as empty: then nothing is removed.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let mut ledger: Self = serde_json::from_slice(&bytes).unwrap_or_default();
        ledger.files.retain(|path, _| self::path(path).is_some());
        ledger
            .directories
            .retain(|path| FilePath::new(path).is_ok());
        Ok(ledger)
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        atomic_write(path, &serde_json::to_vec(self)?, 0o600)
    }
}

/// A path out of the ledger, which has the recipe's own file beside those that `files` may name.
pub(crate) fn path(path: &str) -> Option<FilePath> {
    let own = FilePath::of_the_recipe();
    if path == own.as_str() {
        Some(own)
    } else {
        FilePath::new(path).ok()
    }
}
