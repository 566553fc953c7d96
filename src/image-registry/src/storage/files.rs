//! Files and directories that may not be there, or go while they are looked at.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::durable;

/// The names of a directory's entries; none if there is no directory.
pub fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let read = match fs::read_dir(directory) {
        Ok(read) => read,
        Err(error) if durable::is_missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(durable::named(&error, "listing", directory)),
    };
    let mut names = Vec::new();
    for entry in read {
        let entry = entry.map_err(|error| durable::named(&error, "listing", directory))?;
        // names of the store are ASCII
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// When a file was last changed; nothing if it is not there.
pub fn changed(path: &Path) -> io::Result<Option<SystemTime>> {
    match fs::metadata(path).and_then(|file| file.modified()) {
        Ok(time) => Ok(Some(time)),
        Err(error) if durable::is_missing(&error) => Ok(None),
        Err(error) => Err(durable::named(&error, "reading", path)),
    }
}

/// A file and its size; nothing if it is not there.
pub fn open(path: &Path) -> io::Result<Option<(File, u64)>> {
    match File::open(path) {
        Ok(file) => {
            let metadata = file.metadata();
            let size = metadata.map_err(|error| durable::named(&error, "reading", path))?;
            Ok(Some((file, size.len())))
        }
        Err(error) if durable::is_missing(&error) => Ok(None),
        Err(error) => Err(durable::named(&error, "opening", path)),
    }
}
