//! The lists by which colocated jobs say which images they bring.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::Paths;

impl Paths {
    /// Every `docker-bosh-release-import/*.lst` of every colocated job, sorted by path.
    ///
    /// # Errors
    /// A directory that is there cannot be read.
    pub fn import_lists(&self) -> io::Result<Vec<PathBuf>> {
        let mut lists = Vec::new();
        for job in entries(&self.root().join("jobs"))? {
            for list in entries(&job.join("docker-bosh-release-import"))? {
                if list.extension() == Some(OsStr::new("lst")) {
                    lists.push(list);
                }
            }
        }
        lists.sort();
        Ok(lists)
    }
}

/// The entries of a directory; none if there is no such directory.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(found) => found.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", dir.display()),
        )),
    }
}
