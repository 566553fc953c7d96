//! Files to be written and deleted together; [`super::journal`] makes it happen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files;

/// Files of a release to be written and deleted.
#[derive(Debug, Default)]
pub(crate) struct ChangeSet {
    pub(super) operations: BTreeMap<PathBuf, Operation>,
}

/// What is to become of a file.
#[derive(Debug)]
pub(super) enum Operation {
    /// A file with these bytes.
    Write(Vec<u8>),
    /// A file that lies elsewhere on the same file system.
    Place(PathBuf),
    /// No file any more.
    Delete,
}

impl ChangeSet {
    /// Writes a file, unless it has these bytes already.
    pub(crate) fn write(&mut self, root: &Path, relative: impl AsRef<Path>, bytes: Vec<u8>) {
        let path = root.join(relative.as_ref());
        let same =
            path.is_file() && files::read(&path).is_ok_and(|found| found.as_ref() == Some(&bytes));
        if !same {
            let operation = Operation::Write(bytes);
            self.operations
                .insert(relative.as_ref().to_owned(), operation);
        }
    }

    /// Moves a file that lies elsewhere on the same file system to its place.
    pub(crate) fn place(&mut self, relative: impl AsRef<Path>, from: PathBuf) {
        let operation = Operation::Place(from);
        self.operations
            .insert(relative.as_ref().to_owned(), operation);
    }

    /// Deletes a file, if it is there.
    pub(crate) fn delete(&mut self, root: &Path, relative: impl AsRef<Path>) {
        if root.join(relative.as_ref()).symlink_metadata().is_ok() {
            self.operations
                .insert(relative.as_ref().to_owned(), Operation::Delete);
        }
    }

    /// The files that are written, and those that are deleted.
    pub(crate) fn paths(&self) -> (Vec<String>, Vec<String>) {
        let shown = |(path, _): (&PathBuf, _)| path.display().to_string();
        let (deleted, written): (Vec<_>, Vec<_>) = self
            .operations
            .iter()
            .partition(|(_, operation)| matches!(operation, Operation::Delete));
        (
            written.into_iter().map(shown).collect(),
            deleted.into_iter().map(shown).collect(),
        )
    }
}
