//! Marker files: a word from one program to the next, which counts until it is cleared, and no longer than the boot.
//!
//! No clock limits it: a stop may follow its drain hours later, since the agent waits for the drains of all jobs.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use bosh_job::{atomic_write, remove_if_there};

/// A file that says that something is about to happen.
#[derive(Clone, Debug)]
pub struct Marker {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Content {
    boot: String,
}

impl Marker {
    /// The marker at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Sets it, for this boot.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self) -> io::Result<()> {
        let content = serde_json::to_vec(&Content { boot: this_boot()? })?;
        atomic_write(&self.path, &content, 0o600)
    }

    /// Whether it was set since the VM booted. One that cannot be read does not count.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let Ok(bytes) = std::fs::read(&self.path) else {
            return false;
        };
        let content = serde_json::from_slice::<Content>(&bytes);
        content.is_ok_and(|content| this_boot().is_ok_and(|boot| boot == content.boot))
    }

    /// Removes it, if it is there.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        remove_if_there(&self.path)
    }
}

/// The kernel's name for this boot.
fn this_boot() -> io::Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(content: &str) -> (tempfile::TempDir, Marker) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        std::fs::write(&path, content).unwrap();
        (dir, Marker::new(path))
    }

    #[test]
    fn counts_until_it_is_cleared_however_long_that_takes() {
        let (_dir, marker) = marker("");
        marker.set().unwrap();
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_hours(1);
        let file = std::fs::File::options()
            .write(true)
            .open(&marker.path)
            .unwrap();
        file.set_modified(long_ago).unwrap();
        assert!(marker.is_set());
        marker.clear().unwrap();
        marker.clear().unwrap();
        assert!(!marker.is_set());
    }

    #[test]
    fn that_of_another_boot_and_a_broken_one_do_not_count() {
        for content in [
            r#"{"boot":"00000000-0000-0000-0000-000000000000"}"#,
            r#"{"since":"2020-01-01T00:00:00Z"}"#,
            "",
            "yes",
        ] {
            let (_dir, marker) = marker(content);
            assert!(!marker.is_set(), "{content}");
        }
    }
}
