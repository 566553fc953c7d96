//! Locks between the release's programs: `flock` on a file, which the kernel gives back when its holder dies.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::{Pid, Process};

/// Between two tries to take a lock that another process holds.
const RETRY: Duration = Duration::from_millis(20);

/// A lock that this process holds until it is dropped. Programs that are executed do not inherit it.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock at `path`; `None` if another process holds it.
    ///
    /// # Errors
    /// The file cannot be opened or made, or the file system knows no locks.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let mut file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // Only a hint for others: on a full disk the lock counts without it.
                let _ = note_holder(&mut file);
                Ok(Some(Self { _file: file }))
            }
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(named(path, &errno.into())),
        }
    }

    /// Takes the lock at `path`, waiting for up to `patience`; `None` if another process holds it for longer.
    ///
    /// # Errors
    /// As [`Self::try_take`].
    pub fn take(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(Some(lock));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Whether a process holds the lock at `path`. One that cannot be looked at is held by nobody.
    #[must_use]
    pub fn is_held(path: &Path) -> bool {
        // A shared lock is refused by an exclusive one alone, so that two who look do not see each other.
        OpenOptions::new().read(true).open(path).is_ok_and(|file| {
            flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
        })
    }

    /// The process that took the lock at `path` last, if it lives.
    #[must_use]
    pub fn holder(path: &Path) -> Option<Process> {
        let mut text = String::new();
        File::open(path).ok()?.read_to_string(&mut text).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok().filter(|number| *number > 0)?)?;
        Process::open(pid)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| named(path, &error))
}

fn note_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    let path = PathBuf::from(path);
    io::Error::new(error.kind(), format!("locking {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_at_a_time_and_those_who_look_do_not_take_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        assert!(!FileLock::is_held(&path));
        let held = FileLock::try_take(&path).unwrap().unwrap();
        assert!(FileLock::is_held(&path) && FileLock::is_held(&path));
        assert!(FileLock::try_take(&path).unwrap().is_none());
        let own = Pid::from_raw(std::process::id().try_into().unwrap());
        assert_eq!(FileLock::holder(&path).map(|holder| holder.pid()), own);
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || FileLock::take(&path, Duration::from_secs(10)).unwrap()
        });
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
        assert!(waiting.join().unwrap().is_some());
        // A program that another test is starting just now has the file open until it runs.
        let is_free = || !FileLock::is_held(&path);
        let soon = Instant::now() + Duration::from_secs(10);
        while !is_free() && Instant::now() < soon {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(is_free());
    }

    #[test]
    fn the_file_is_named_when_it_cannot_be_opened() {
        let error = FileLock::try_take(Path::new("/nonexistent/x.lock")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x.lock"), "{error}");
    }
}
