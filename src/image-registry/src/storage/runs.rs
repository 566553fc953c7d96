//! When work that comes back every so often was last done, and how far it came: over restarts.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::files::changed;
use super::manifests::read;
use super::{Storage, durable};

/// Work that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The reading of all blobs.
    Scrub,
    /// The freeing of the disk.
    Collection,
}

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// When that was noted.
    pub noted: SystemTime,
    /// The place that was reached; nothing if it came to its end.
    pub reached: Option<String>,
}

impl Storage {
    /// How far it came last; nothing if it never ran.
    pub fn last_run(&self, work: Work) -> io::Result<Option<LastRun>> {
        let file = self.run_file(work);
        let (Some(noted), Some(text)) = (changed(&file)?, read(&file)?) else {
            return Ok(None);
        };
        let reached = (!text.is_empty()).then_some(text);
        Ok(Some(LastRun { noted, reached }))
    }

    /// Notes how far it came.
    pub fn note_run(&self, work: Work, reached: Option<&str>) -> io::Result<()> {
        let text = reached.unwrap_or_default().as_bytes();
        durable::write(&self.run_file(work), text, &self.temporary())
    }

    fn run_file(&self, work: Work) -> PathBuf {
        let name = match work {
            Work::Scrub => "scrub",
            Work::Collection => "collection",
        };
        self.root.join("runs").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_work_came_is_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::open(directory.path()).unwrap();
        assert_eq!(storage.last_run(Work::Scrub).unwrap(), None);
        for reached in [Some("sha256/7f"), None] {
            storage.note_run(Work::Scrub, reached).unwrap();
            let again = Storage::open(directory.path()).unwrap();
            let last = again.last_run(Work::Scrub).unwrap().unwrap();
            assert_eq!(last.reached.as_deref(), reached);
            assert!(last.noted.elapsed().unwrap().as_secs() < 60);
        }
        assert_eq!(storage.last_run(Work::Collection).unwrap(), None);
    }
}
