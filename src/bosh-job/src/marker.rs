//! Marker files: a word from one program to the next, which grows stale.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::atomic_write;

/// A file that says that something is about to happen, and since when.
#[derive(Clone, Debug)]
pub struct Marker {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Content {
    since: String,
}

impl Marker {
    /// How long a marker counts: a Director's stop follows its drain within minutes; one that is older belongs to
    /// a deploy that never went on.
    pub const LIFETIME: Duration = Duration::from_mins(15);

    /// The marker at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Sets it, with the present time.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self) -> io::Result<()> {
        let content = serde_json::to_vec(&Content {
            since: Timestamp::now().to_string(),
        })?;
        atomic_write(&self.path, &content, 0o600)
    }

    /// Whether it was set within the last `lifetime`. One that cannot be read, or comes from the future, does not count.
    #[must_use]
    pub fn is_set(&self, lifetime: Duration) -> bool {
        let Ok(bytes) = std::fs::read(&self.path) else {
            return false;
        };
        let Ok(content) = serde_json::from_slice::<Content>(&bytes) else {
            return false;
        };
        let Ok(since) = content.since.parse::<Timestamp>() else {
            return false;
        };
        let age = Timestamp::now().as_millisecond() - since.as_millisecond();
        u128::try_from(age).is_ok_and(|age| age <= lifetime.as_millis())
    }

    /// Removes it, if it is there.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
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
    fn counts_from_when_it_is_set_until_it_is_cleared() {
        let (_dir, marker) = marker("");
        marker.set().unwrap();
        assert!(marker.is_set(Marker::LIFETIME));
        marker.clear().unwrap();
        marker.clear().unwrap();
        assert!(!marker.is_set(Marker::LIFETIME));
    }

    #[test]
    fn an_old_a_future_and_a_broken_one_do_not_count() {
        for content in [
            r#"{"since":"2020-01-01T00:00:00Z"}"#,
            r#"{"since":"2990-01-01T00:00:00Z"}"#,
            "",
            "yes",
            r#"{"since":"soon"}"#,
        ] {
            let (_dir, marker) = marker(content);
            assert!(!marker.is_set(Marker::LIFETIME), "{content}");
        }
    }
}
