//! One writer a release: an advisory lock on the release's directory itself, which leaves no file behind.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::error::{Error, Result};

/// A writer that has just ended may have children that hold its lock between their fork and their exec.
const PATIENCE: Duration = Duration::from_millis(500);

/// The right to change a release, as long as it lives. The kernel takes it back when the process ends, however it does.
#[derive(Debug)]
pub(crate) struct Guard {
    _directory: File,
}

impl Guard {
    /// Takes the right, or says that another process has it.
    pub(crate) fn take(root: &Path) -> Result<Self> {
        let began = Instant::now();
        let directory = File::open(root).map_err(Error::read(root))?;
        loop {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    return Ok(Self {
                        _directory: directory,
                    });
                }
                Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(PATIENCE / 20);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::Busy {
                        root: root.to_owned(),
                    });
                }
                Err(error) => return Err(Error::write(root)(io::Error::from(error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_writer_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = Guard::take(directory.path()).unwrap();
        assert!(matches!(
            Guard::take(directory.path()),
            Err(Error::Busy { .. })
        ));
        drop(first);
        assert!(Guard::take(directory.path()).is_ok());
    }
}
