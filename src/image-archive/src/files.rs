//! What a tarball and a layout have in common: files by name.

use std::io::{self, Read};
use std::path::Path;

use crate::compression::{self, Compression, MAGIC_LENGTH};
use crate::digest::{Digest, abridge};
use crate::error::{Error, Result};
use crate::place::Place;

/// Calls back with a file's name and bytes.
pub(crate) type Visitor<'a> = dyn FnMut(&str, &mut (dyn Read + Send)) -> Result<()> + 'a;

/// A set of files, in a tarball or a directory. Names are relative, with `/`.
pub(crate) trait Files: Send + Sync {
    /// Where the files lie, for messages.
    fn path(&self) -> &Path;

    /// The size in bytes of the file `name`, or nothing if there is none.
    fn size(&self, name: &str) -> Result<Option<u64>>;

    /// The bytes of the file `name`.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>>;

    /// The first bytes of the file `name`: enough to tell its compression.
    fn start(&self, name: &str) -> Result<Vec<u8>> {
        read_start(self, name)
    }

    /// How the file `name` is compressed.
    fn compression(&self, name: &str) -> Result<Compression> {
        Compression::detect(&self.start(name)?).map_err(|what| Error::Unsupported {
            path: self.path().to_owned(),
            what: format!("{what}, `{}`", abridge(name)),
        })
    }

    /// Whether reading two files at once would mean to unpack what lies before them twice.
    fn is_one_stream(&self) -> bool {
        false
    }

    /// Calls `visit` once for each of `names`, in the order in which the source is cheapest to read. A visitor need not
    /// read to the end.
    fn visit(&self, names: &[String], visit: &mut Visitor<'_>) -> Result<()>;

    /// Where the bytes of the file `name` lie in the file system, if it is there and they lie there as they are.
    fn place(&self, name: &str) -> Result<Option<Place>>;

    /// The error to give for a blob that [`Files::size`] does not find.
    fn missing(&self, name: &str) -> Error {
        Error::MissingFile {
            path: self.path().to_owned(),
            name: abridge(name),
        }
    }
}

/// Reads the first bytes of a file by opening it.
pub(crate) fn read_start<F: Files + ?Sized>(files: &F, name: &str) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    files
        .open(name)?
        .take(MAGIC_LENGTH as u64)
        .read_to_end(&mut start)
        .map_err(|error| damaged(files.path(), name, 0, error))?;
    Ok(start)
}

/// Reads JSON documents, within limits for each and for all together.
pub(crate) struct Documents<'a> {
    files: &'a dyn Files,
    each: u64,
    left: u64,
}

impl<'a> Documents<'a> {
    pub(crate) fn new(files: &'a dyn Files, each: u64, all: u64) -> Self {
        Self {
            files,
            each,
            left: all,
        }
    }

    /// The bytes of `name`, or nothing if there is no such file.
    pub(crate) fn find(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(size) = self.files.size(name)? else {
            return Ok(None);
        };
        let limit = self.each.min(self.left);
        if size > limit {
            return Err(Error::TooLarge {
                path: self.files.path().to_owned(),
                what: format!("`{}`", abridge(name)),
                limit,
            });
        }
        self.left -= size;
        let mut bytes = Vec::new();
        self.files
            .open(name)?
            .take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| damaged(self.files.path(), name, 0, source))?;
        let actual = bytes.len() as u64;
        if actual != size {
            return Err(Error::WrongSize {
                path: self.files.path().to_owned(),
                name: abridge(name),
                expected: size,
                actual,
            });
        }
        Ok(Some(bytes))
    }

    /// The bytes of `name`, which has to be there.
    pub(crate) fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        self.find(name)?.ok_or_else(|| self.files.missing(name))
    }

    /// The bytes of a blob whose digest and size are known.
    pub(crate) fn blob(&mut self, digest: Digest, size: u64) -> Result<Vec<u8>> {
        let name = digest.blob_path();
        let bytes = self.read(&name)?;
        check_blob(
            self.files.path(),
            &name,
            (digest, size),
            (Digest::of(&bytes), bytes.len() as u64),
        )?;
        Ok(bytes)
    }

    /// Parses a document.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        bytes: &[u8],
    ) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: self.files.path().to_owned(),
            name: abridge(name),
            source,
        })
    }
}

/// Compares digest and size that a blob should have with those that it has.
pub(crate) fn check_blob(
    path: &Path,
    name: &str,
    expected: (Digest, u64),
    actual: (Digest, u64),
) -> Result<()> {
    let (path, name) = (path.to_owned(), abridge(name));
    if expected.1 != actual.1 {
        return Err(Error::WrongSize {
            path,
            name,
            expected: expected.1,
            actual: actual.1,
        });
    }
    if expected.0 != actual.0 {
        return Err(Error::WrongDigest {
            path,
            name,
            expected: expected.0,
            actual: actual.0,
        });
    }
    Ok(())
}

/// Tells damaged data from a file system that refuses, and from what no engine would take either.
pub(crate) fn damaged(path: &Path, name: &str, offset: u64, error: io::Error) -> Error {
    if let Some(why) = compression::window_too_large(&error) {
        return Error::Unsupported {
            path: path.to_owned(),
            what: format!("`{}`: {why}", abridge(name)),
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Damaged {
            path: path.to_owned(),
            offset,
            why: format!("`{}` ends early", abridge(name)),
        },
        // What flate2 and zstd give for bytes that are not theirs.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            Error::Damaged {
                path: path.to_owned(),
                offset,
                why: format!("`{}`: {error}", abridge(name)),
            }
        }
        _ => Error::Read {
            path: path.to_owned(),
            source: error,
        },
    }
}
