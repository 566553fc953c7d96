//! The recipe's directory, written into as if its content were hostile, which it may be: containers mount parts of it,
//! and what is root in a container can put a symlink anywhere there. So every step goes from an open directory to the
//! next, never through a link, and files are made elsewhere and renamed into place.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::fchown;
use std::path::Path;

use bosh_job::Owner;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::files::FilePath;

/// Name under which a file is made before it is renamed; one process writes at a time.
const STAGED: &str = "file.new";

/// Owner and mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Attributes {
    pub(crate) fn new(owner: Owner, mode: u32) -> Self {
        Self {
            mode,
            uid: owner.uid,
            gid: owner.gid,
        }
    }
}

/// The recipe's directory, and one of the release's own on the same file system to make files in.
pub(crate) struct Tree {
    root: OwnedFd,
    staging: OwnedFd,
}

impl Tree {
    pub(crate) fn open(root: &Path, staging: &Path) -> io::Result<Self> {
        let open = |path: &Path| {
            rustix::fs::openat(
                CWD,
                path,
                OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|errno| named(path, errno))
        };
        Ok(Self {
            root: open(root)?,
            staging: open(staging)?,
        })
    }

    /// Content and attributes of a file; `None` if there is none. A link or anything else in its place is an error.
    pub(crate) fn read(&self, path: &FilePath) -> io::Result<Option<(Vec<u8>, Attributes)>> {
        let (directory, name) = path.split();
        let Some(parent) = self.directory(directory)? else {
            return Ok(None);
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(is_a_link()),
            Err(errno) => return Err(errno.into()),
        };
        let stat = rustix::fs::fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return remove_if_empty(&parent, name).map(|()| None),
            _ => {
                return Err(io::Error::other(
                    "is there, and is neither a file nor a directory",
                ));
            }
        }
        let mut content = Vec::new();
        (&file).read_to_end(&mut content)?;
        let attributes = Attributes {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
        };
        Ok(Some((content, attributes)))
    }

    /// Puts a file in its place, whole and with its attributes. Directories that had to be made are added to `made`.
    pub(crate) fn replace(
        &self,
        path: &FilePath,
        content: &[u8],
        attributes: Attributes,
        made: &mut Vec<String>,
    ) -> io::Result<()> {
        for directory in path.directories() {
            if self.make_directory(directory)? {
                made.push(directory.to_owned());
            }
        }
        let (directory, name) = path.split();
        let parent = self
            .directory(directory)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        match rustix::fs::unlinkat(&self.staging, STAGED, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(
            &self.staging,
            STAGED,
            flags,
            Mode::from_raw_mode(0o600),
        )?);
        file.write_all(content)?;
        fchown(&file, Some(attributes.uid), Some(attributes.gid)).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!(
                    "giving it to {}:{}: {error}",
                    attributes.uid, attributes.gid
                ),
            )
        })?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode))?;
        file.sync_all()?;
        Ok(rustix::fs::renameat(&self.staging, STAGED, &parent, name)?)
    }

    /// Removes a file or a link; that there is none is no error, nor that something else is there by now.
    pub(crate) fn remove_file(&self, path: &FilePath) -> io::Result<()> {
        let (directory, name) = path.split();
        let Some(parent) = self.directory(directory)? else {
            return Ok(());
        };
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a directory if nothing is in it. Whether it is gone.
    pub(crate) fn remove_empty_directory(&self, path: &FilePath) -> bool {
        let (directory, name) = path.split();
        match self.directory(directory) {
            Ok(Some(parent)) => rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR).is_ok(),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Makes a directory if it is not there. Whether it was made.
    fn make_directory(&self, path: &str) -> io::Result<bool> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self
            .directory(directory)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => return Ok(false),
            other => other?,
        }
        // regardless of the umask
        if let Some(made) = enter(parent.as_fd(), name)? {
            rustix::fs::fchmod(made, Mode::from_raw_mode(0o755))?;
        }
        Ok(true)
    }

    /// Opens a directory below the root, `""` for the root itself; `None` if there is none.
    fn directory(&self, path: &str) -> io::Result<Option<OwnedFd>> {
        let mut current = self.root.try_clone()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match enter(current.as_fd(), name)? {
                Some(next) => current = next,
                None => return Ok(None),
            }
        }
        Ok(Some(current))
    }
}

/// dockerd makes a directory where a mounted file is missing: an empty one may go.
fn remove_if_empty(parent: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(io::Error::other(
            "is there, and is a directory with something in it",
        )),
        other => Ok(other?),
    }
}

fn enter(parent: BorrowedFd<'_>, name: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR) => {
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                Err(is_a_link())
            } else {
                Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!("{name} on the way to it is there, and is not a directory"),
                ))
            }
        }
        Err(errno) => Err(errno.into()),
    }
}

fn is_a_link() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it or a directory on the way to it is a symlink, which could lead anywhere on the VM",
    )
}

fn named(path: &Path, errno: Errno) -> io::Error {
    let error = io::Error::from(errno);
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
