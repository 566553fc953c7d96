//! Directories for files that are made in steps: inside the release, so that they are on its file system and can be
//! moved or linked, and never in a temporary directory that may be small.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::{Error, Result};
use super::journal;

const DIRECTORY: &str = "scratch";
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A directory that is gone with this value.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        journal::make_directory(root)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = root
            .join(journal::DIRECTORY)
            .join(DIRECTORY)
            .join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&path).map_err(Error::write(&path))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next writer sweeps up what this leaves.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Takes away what processes left that are no more.
pub(crate) fn sweep(root: &Path) {
    let directory = root.join(journal::DIRECTORY).join(DIRECTORY);
    for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let process = name.split(['-', '.']).next();
        let lives = process.is_some_and(|process| Path::new("/proc").join(process).exists());
        if !lives && fs::remove_dir_all(entry.path()).is_err() {
            let _ = fs::remove_file(entry.path());
        }
    }
}
