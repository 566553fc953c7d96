//! The place where everybody looks for the engine's socket: recipes of the field mount `/var/run/docker.sock`, and dockerd makes
//! an empty directory of what is not there. So a link to the socket lies there before dockerd starts.

use std::fs::{self, FileType};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;

use bosh_job::Paths;
use tracing::{info, warn};

/// Puts the link there, unless that place is somebody else's. dockerd does not depend on it.
pub fn offer(paths: &Paths) {
    let (place, socket) = (paths.usual_socket(), paths.socket());
    match link(&place, &socket) {
        Ok(true) => info!(place = %place.display(), "a link to the engine's socket"),
        Ok(false) => {}
        Err(error) => warn!(
            "{}: no link to the engine's socket there: {error}",
            place.display()
        ),
    }
}

/// Whether the link was made now.
fn link(place: &Path, socket: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(place) {
        Ok(metadata) if metadata.is_symlink() && fs::read_link(place)? == socket => {
            return Ok(false);
        }
        Ok(metadata) => clear(place, metadata.file_type())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(parent) = place.parent() {
                fs::create_dir_all(parent)?;
            }
        }
        Err(error) => return Err(error),
    }
    symlink(socket, place)?;
    Ok(true)
}

/// Removes what is nobody's: a directory that dockerd made, a link that leads nowhere, the socket of one that has gone.
fn clear(place: &Path, kind: FileType) -> io::Result<()> {
    if kind.is_dir() {
        return fs::remove_dir(place);
    }
    let is_dead = kind.is_symlink() && !place.exists()
        || kind.is_socket()
            && UnixStream::connect(place)
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    if is_dead {
        return fs::remove_file(place);
    }
    Err(io::Error::new(
        ErrorKind::AlreadyExists,
        "something else lies there, and stays",
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_link_takes_the_place_of_what_is_nobodys_and_of_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("run/docker.sock");
        let socket = directory.path().join("docker.sock");
        let is_ours = || fs::read_link(&place).unwrap() == socket;
        assert!(link(&place, &socket).unwrap() && is_ours());
        assert!(!link(&place, &socket).unwrap());
        fs::remove_file(&place).unwrap();

        fs::create_dir(&place).unwrap();
        assert!(
            link(&place, &socket).unwrap() && is_ours(),
            "an empty directory"
        );
        fs::remove_file(&place).unwrap();

        symlink("/nowhere", &place).unwrap();
        assert!(
            link(&place, &socket).unwrap() && is_ours(),
            "a link that leads nowhere"
        );
        fs::remove_file(&place).unwrap();

        drop(UnixListener::bind(&place).unwrap());
        assert!(
            link(&place, &socket).unwrap() && is_ours(),
            "a socket without a listener"
        );
        fs::remove_file(&place).unwrap();

        let listener = UnixListener::bind(&place).unwrap();
        link(&place, &socket).unwrap_err();
        drop(listener);
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("file"), "x").unwrap();
        link(&place, &socket).unwrap_err();
        assert!(place.join("file").exists());
    }
}
