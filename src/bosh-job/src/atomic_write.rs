//! Files that are there whole, or not at all.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Numeric owner of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Writes a file so that readers see the old or the new content, never a part: a temporary file beside it, made
/// with `mode`, synced, then renamed over it.
///
/// # Errors
/// The error names the path.
pub fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    atomic_write_owned(path, bytes, mode, None)
}

/// As [`atomic_write`], with an owner that the file has before it appears.
///
/// # Errors
/// The error names the path.
pub fn atomic_write_owned(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<Owner>,
) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("writing {}: {error}", path.display()))
    };
    let temporary = temporary_beside(path).map_err(named)?;
    let written = write_temporary(&temporary, bytes, mode, owner)
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // the error that matters is the one above
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(named)
}

/// Makes a directory and its parents, and gives the directory itself exactly `mode`.
///
/// # Errors
/// The error names the path.
pub fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("making {}: {error}", path.display()))
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(named)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(named)
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(temporary))
}

/// Removes a file, if it is there.
///
/// # Errors
/// It is there and cannot be removed.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_temporary(
    temporary: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<Owner>,
) -> io::Result<()> {
    // left by a process of the same id that was killed
    remove_if_there(temporary)?;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(bytes)?;
    if let Some(owner) = owner {
        fchown(&file, Some(owner.uid), Some(owner.gid))?;
    }
    // after the owner: chown clears set-id bits; and regardless of the umask
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_content_with_the_mode_asked_for_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        atomic_write(&path, b"one", 0o600).unwrap();
        atomic_write(&path, b"two", 0o644).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o644
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_path() {
        let error = atomic_write(Path::new("/nonexistent/x"), b"", 0o600).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x"), "{error}");
    }
}
