//! Reading and writing files of a release: bounded, durable, never through links.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path};

use image_archive::{Digest, HashingReader};

use super::error::{Error, Result};

/// Far above any real file that is read whole; images.lock has 100 bytes a layer.
const LARGEST_TEXT: u64 = 16 << 20;

/// The bytes of a file, if there is one.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::read(path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_TEXT + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::read(path))?;
    if bytes.len() as u64 > LARGEST_TEXT {
        return Err(Error::invalid(
            path,
            format!("it is larger than {LARGEST_TEXT} bytes"),
        ));
    }
    Ok(Some(bytes))
}

/// The text of a file, if there is one.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| Error::invalid(path, "it is not UTF-8"))
}

/// What a file's text means; nothing if there is no file.
pub(crate) fn read_parsed<T: Default>(
    path: &Path,
    parse: impl FnOnce(&str) -> std::result::Result<T, String>,
) -> Result<T> {
    match read_text(path)? {
        Some(text) => parse(&text).map_err(|why| Error::invalid(path, why)),
        None => Ok(T::default()),
    }
}

/// Writes a file that is on the disk when this returns.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(Error::write(path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(Error::write(path))
}

/// Makes a file's content durable.
pub(crate) fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Error::write(path))
}

/// Makes names in the directory of `path` durable.
pub(crate) fn sync_directory_of(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync)
}

/// The digest and size of a file.
pub(crate) fn digest(path: &Path) -> Result<(Digest, u64)> {
    let mut reader = HashingReader::new(File::open(path).map_err(Error::read(path))?);
    // Larger pieces than io::copy's: hashing is what the time goes into.
    let mut buffer = vec![0; 256 << 10];
    while reader.read(&mut buffer).map_err(Error::read(path))? > 0 {}
    Ok(reader.finish())
}

/// Makes the directories above `relative` in `root`, and refuses links among them.
pub(crate) fn make_directory_of(root: &Path, relative: &Path) -> Result<()> {
    let mut path = root.to_owned();
    for component in relative.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(name) = component else {
            return Err(Error::Link {
                path: relative.to_owned(),
            });
        };
        path.push(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => return Err(Error::Link { path }),
            Ok(_) => {}
            Err(_) => match fs::create_dir(&path) {
                // Another thread was faster, with a layer of its own.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                made => {
                    made.map_err(Error::write(&path))?;
                    sync_directory_of(&path)?;
                }
            },
        }
    }
    Ok(())
}

/// Whether a link is on the way from `root` to `relative`, or at its end.
pub(crate) fn refuse_links(root: &Path, relative: &Path) -> Result<()> {
    let mut path = root.to_owned();
    for component in relative.components() {
        path.push(component);
        if path.is_symlink() {
            return Err(Error::Link { path });
        }
    }
    Ok(())
}

/// Takes a file away, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(path)(error)),
        _ => Ok(()),
    }
}
