//! Writing so that what is acknowledged is there after a loss of power: a temporary file, its content on the disk, a rename,
//! the directory on the disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Makes a directory and those above it, each of them on the disk.
pub fn make_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let Some(parent) = path.parent() else {
        return Err(io::ErrorKind::NotFound.into());
    };
    make_dir(parent)?;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(named(&error, "making", path));
        }
        _ => {}
    }
    sync_dir(parent)
}

/// Puts the entries of a directory on the disk.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    let directory = File::open(path).map_err(|error| named(&error, "opening", path))?;
    directory
        .sync_all()
        .map_err(|error| named(&error, "syncing", path))
}

/// Writes a file as a whole, in place of one that is there. `temporary` is a directory of the same file system.
pub fn write(path: &Path, bytes: &[u8], temporary: &Path) -> io::Result<()> {
    let mut file = Temporary::new(temporary)?;
    file.file
        .write_all(bytes)
        .map_err(|error| named(&error, "writing", path))?;
    file.move_to(path)
}

/// Removes a file, if it is there, and says whether it was.
pub fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if is_missing(&error) => return Ok(false),
        Err(error) => return Err(named(&error, "removing", path)),
    }
    path.parent().map_or(Ok(()), sync_dir)?;
    Ok(true)
}

/// A file without its name yet; dropped, it is gone.
#[derive(Debug)]
pub struct Temporary {
    /// The file.
    pub file: File,
    path: Option<PathBuf>,
}

impl Temporary {
    /// Makes one in a directory.
    pub fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join(random_name()?);
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| named(&error, "making", &path))?;
        Ok(Self {
            file,
            path: Some(path),
        })
    }

    /// Gives it its place, when its content is on the disk.
    pub fn move_to(mut self, path: &Path) -> io::Result<()> {
        self.file
            .sync_all()
            .map_err(|error| named(&error, "syncing", path))?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        make_dir(directory)?;
        if let Some(temporary) = &self.path {
            fs::rename(temporary, path).map_err(|error| named(&error, "renaming to", path))?;
        }
        self.path = None;
        sync_dir(directory)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // what stays is removed at the next start
            let _ = fs::remove_file(path);
        }
    }
}

/// 128 bits that nobody guesses, as 32 hexadecimal digits.
pub fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

/// Whether an error says that there is no such file, also where a directory of its path is a file.
pub fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// An error with the path that it is about.
pub fn named(error: &io::Error, doing: &str, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{doing} {}: {error}", path.display()))
}
