//! One at a time: an exclusive lock on a file, held until it is dropped (also by a process that dies).

use std::fs::{File, OpenOptions};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// Waits for the lock on `path`, which is made if it is not there.
pub(crate) fn exclusive(path: &Path) -> Result<File> {
    let mut options = File::options();
    hold(options.write(true).create(true).truncate(false), path)
}

/// Waits for the lock that all state directories of this machine share; it leaves no file of its own.
pub(crate) fn of_this_machine() -> Result<File> {
    hold(File::options().read(true), Path::new("/etc/os-release"))
}

fn hold(options: &OpenOptions, path: &Path) -> Result<File> {
    let file = options
        .open(path)
        .map_err(Error::io("opening lock", path))?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map(|()| file).map_err(Error::sys("locking", path)),
        }
    }
}
