//! Pidfiles, read with distrust: the number in one says nothing about whose process it is.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::{Process, ProcessInfo, atomic_write, remove_if_there};

/// A file that holds the number of a process.
#[derive(Clone, Debug)]
pub struct Pidfile {
    path: PathBuf,
}

impl Pidfile {
    /// The pidfile at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number in it; `None` if there is no file, or no number in it.
    #[must_use]
    pub fn read(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        Pid::from_raw(text.trim().parse().ok().filter(|number| *number > 0)?)
    }

    /// Writes a number, readable for everybody (monit and `bosh ssh` users look at it).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, pid: Pid) -> io::Result<()> {
        atomic_write(
            &self.path,
            format!("{}\n", pid.as_raw_nonzero()).as_bytes(),
            0o644,
        )
    }

    /// The process of that number, if it lives and `is_ours` recognises it.
    pub fn living(&self, is_ours: impl Fn(&ProcessInfo) -> bool) -> Option<Process> {
        Process::open(self.read()?).filter(|process| is_ours(process.info()))
    }

    /// Removes the file, if it is there.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        remove_if_there(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pidfile(content: &str) -> (tempfile::TempDir, Pidfile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        std::fs::write(&path, content).unwrap();
        (dir, Pidfile::new(path))
    }

    #[test]
    fn reads_what_dockerd_and_monit_write_and_nothing_else() {
        assert_eq!(pidfile("12").1.read(), Pid::from_raw(12));
        assert_eq!(pidfile("12\n").1.read(), Pid::from_raw(12));
        for content in ["", "0", "-1", "x", "12 13", "99999999999999"] {
            assert_eq!(pidfile(content).1.read(), None, "{content}");
        }
    }

    #[test]
    fn a_living_process_counts_only_when_it_is_recognised() {
        let (_dir, pidfile) = pidfile(&std::process::id().to_string());
        assert!(pidfile.living(|_| true).is_some());
        assert!(pidfile.living(|_| false).is_none());
    }

    #[test]
    fn a_process_that_has_ended_but_was_not_reaped_is_not_living() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (_dir, pidfile) = pidfile(&child.id().to_string());
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(pidfile.living(|_| true).is_none());
        child.wait().unwrap();
    }
}
