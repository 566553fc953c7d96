//! One start or stop at a time, and one smoke test.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::{Advise, Paths};
use rustix::fs::{FlockOperation, OFlags, flock};

/// Holds the lock until it is dropped; dockerd does not inherit it.
pub struct Lock {
    _file: File,
}

/// Takes the lock of starts and stops, waiting for another docker-ctl up to `patience`.
pub fn take(paths: &Paths, patience: Duration) -> anyhow::Result<Lock> {
    let why = "it starts or stops dockerd";
    take_file(&paths.docker_lock(), patience, why)
}

/// Takes the lock `path`, waiting for another docker-ctl up to `patience`; `why` says what that one does.
pub fn take_file(path: &Path, patience: Duration, why: &str) -> anyhow::Result<Lock> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits())?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))?;
    let deadline = Instant::now() + patience;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(anyhow::anyhow!(
                    "another docker-ctl has held {} for {} s: {why} just now",
                    path.display(),
                    patience.as_secs()
                ))
                .hint("see what it waits for in docker-ctl.log, then try again");
            }
            Err(errno) => return Err(errno).with_context(|| format!("locking {}", path.display())),
        }
    }
}
