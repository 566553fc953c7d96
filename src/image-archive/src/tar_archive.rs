//! A tarball as a set of files, plain or compressed, without unpacking it anywhere.
//!
//! A plain one is walked by seeking from header to header, so that finding `manifest.json` costs next to nothing. A
//! compressed one must be read whole; small JSON documents are kept on the way.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::archive_index::{ArchiveIndexes, Contents};
use crate::compression::{self, Compression, MAGIC_LENGTH};
use crate::digest::abridge;
use crate::error::{Error, Result};
use crate::files::{Files, Visitor, damaged, read_start};
use crate::limits::Limits;
use crate::place::Place;
use crate::tar_entries::{Entries, Entry, Kind, Skip, TarError};
use crate::tar_stream::Stream;

/// Links from link to link that are followed.
const LONGEST_CHAIN: usize = 8;
/// Documents kept while reading a compressed tarball: bytes of one, and of all.
const KEPT: (u64, usize) = (1 << 20, 8 << 20);

pub(crate) struct TarArchive {
    path: PathBuf,
    compression: Compression,
    length: u64,
    limits: Limits,
    contents: Contents,
}

impl TarArchive {
    /// Opens a tarball. What is in a compressed one is looked up in `indexes`, or kept there.
    pub(crate) fn open(
        path: &Path,
        limits: Limits,
        indexes: Option<ArchiveIndexes<'_>>,
    ) -> Result<Self> {
        let file = File::open(path).map_err(Error::read(path))?;
        let metadata = file.metadata().map_err(Error::read(path))?;
        let length = metadata.len();
        let (_, detected) = compression::peek(file).map_err(Error::read(path))?;
        let compression = detected.map_err(|what| Error::Unsupported {
            path: path.to_owned(),
            what: what.to_owned(),
        })?;
        let mut archive = Self {
            path: path.to_owned(),
            compression,
            length,
            limits,
            contents: Contents::default(),
        };
        let indexes = indexes.filter(|_| compression != Compression::None);
        if let Some(known) = indexes.and_then(|indexes| indexes.read(path, &metadata)) {
            archive.contents = known;
            return Ok(archive);
        }
        archive.walk()?;
        if let Some(indexes) = indexes {
            indexes.write(path, &metadata, &archive.contents);
        }
        Ok(archive)
    }

    fn walk(&mut self) -> Result<()> {
        let mut entries = Entries::new(self.stream()?);
        let (mut count, mut names, mut kept) = (0, 0, 0);
        loop {
            let entry = match entries.next_entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => return Err(self.broken(error, entries.position())),
            };
            let link = match &entry.kind {
                Kind::Symlink(target) | Kind::Hardlink(target) => target.len(),
                Kind::File | Kind::Directory => 0,
            };
            (count, names) = (count + 1, names + entry.name.len() + link);
            if count > self.limits.entries || names > self.limits.names {
                let limit = self.limits.entries as u64;
                return Err(Error::TooLarge {
                    path: self.path.clone(),
                    what: "the list of files".into(),
                    limit,
                });
            }
            if self.compression != Compression::None && entry.kind == Kind::File {
                kept += self.keep(&mut entries, &entry, kept)?;
            }
            // `./` and other names of the root itself.
            if let Some(name) = clean(&entry.name).map_err(|()| self.leads_out(&entry.name))? {
                self.contents.entries.insert(name, entry);
            }
        }
        if self.contents.entries.is_empty() {
            return Err(Error::NotAnImage {
                path: self.path.clone(),
                why: "it is empty or not a tarball",
            });
        }
        Ok(())
    }

    /// Keeps a document that passes by in a compressed tarball, and the beginning of everything else.
    fn keep(&mut self, entries: &mut Entries<Stream>, entry: &Entry, kept: usize) -> Result<usize> {
        let path = self.path.clone();
        let failed = |error| damaged(&path, &entry.name, entry.offset, error);
        let mut bytes = Vec::new();
        entries
            .read_data(entry.size, &mut bytes, MAGIC_LENGTH as u64)
            .map_err(failed)?;
        let fits = entry.size <= KEPT.0
            && usize::try_from(entry.size).is_ok_and(|size| kept + size <= KEPT.1);
        if fits && matches!(bytes.first(), Some(b'{' | b'[')) {
            let rest = entry.size - bytes.len() as u64;
            entries.read_data(rest, &mut bytes, rest).map_err(failed)?;
        }
        let length = bytes.len();
        self.contents.documents.insert(entry.offset, bytes);
        Ok(length)
    }

    fn broken(&self, error: TarError, offset: u64) -> Error {
        let path = self.path.clone();
        match error {
            TarError::Io(error) => damaged(&path, "the tarball", offset, error),
            TarError::Damaged(_) if offset <= 512 => Error::NotAnImage {
                path,
                why: "it is not a tarball",
            },
            TarError::Damaged(why) => Error::Damaged { path, offset, why },
            TarError::Refused(what) => Error::Unsupported {
                path,
                what: abridge(&what),
            },
        }
    }

    fn leads_out(&self, name: &str) -> Error {
        Error::LeadsOut {
            path: self.path.clone(),
            name: abridge(name),
        }
    }

    /// The file that `name` stands for, over links as `docker save` puts them in the place of equal layers.
    fn resolve(&self, name: &str) -> Result<Option<&Entry>> {
        let mut wanted = match clean(name) {
            Ok(Some(name)) => name,
            Ok(None) => return Ok(None),
            Err(()) => return Err(self.leads_out(name)),
        };
        for _ in 0..LONGEST_CHAIN {
            let Some(entry) = self.contents.entries.get(&wanted) else {
                return Ok(None);
            };
            let target = match &entry.kind {
                Kind::File => return Ok(Some(entry)),
                Kind::Directory => return Ok(None),
                Kind::Hardlink(target) => target.clone(),
                // Docker takes the root of the tarball for the root of such names.
                Kind::Symlink(target) if target.starts_with('/') => target.clone(),
                Kind::Symlink(target) => {
                    let directory = wanted.rfind('/').map_or("", |slash| &wanted[..slash]);
                    format!("{directory}/{target}")
                        .trim_start_matches('/')
                        .to_owned()
                }
            };
            wanted = match clean(&target) {
                Ok(Some(target)) => target,
                _ => return Err(self.leads_out(name)),
            };
        }
        Err(Error::Document {
            path: self.path.clone(),
            name: abridge(name),
            why: "links lead to links".into(),
        })
    }

    fn stream(&self) -> Result<Stream> {
        let limit = self.limits.unpacked_of(self.length);
        Stream::open(&self.path, self.compression, limit).map_err(Error::read(&self.path))
    }
}

impl Files for TarArchive {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.resolve(name)?.map(|entry| entry.size))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        let entry = self.resolve(name)?.ok_or_else(|| self.missing(name))?;
        if let Some(bytes) = self.contents.documents.get(&entry.offset)
            && bytes.len() as u64 == entry.size
        {
            return Ok(Box::new(bytes.as_slice()));
        }
        let mut stream = self.stream()?;
        stream
            .skip(entry.offset)
            .map_err(|error| damaged(&self.path, name, entry.offset, error))?;
        Ok(Box::new(stream.take(entry.size)))
    }

    fn start(&self, name: &str) -> Result<Vec<u8>> {
        let entry = self.resolve(name)?.ok_or_else(|| self.missing(name))?;
        if let Some(bytes) = self.contents.documents.get(&entry.offset) {
            return Ok(bytes[..bytes.len().min(MAGIC_LENGTH)].to_vec());
        }
        read_start(self, name)
    }

    fn place(&self, name: &str) -> Result<Option<Place>> {
        let is_plain = self.compression == Compression::None;
        let Some(entry) = self.resolve(name)?.filter(|_| is_plain) else {
            return Ok(None);
        };
        // a package is a link, which may lead to another version later
        let path = self.path.canonicalize().map_err(Error::read(&self.path))?;
        Ok(Some(Place {
            path,
            offset: entry.offset,
            size: entry.size,
        }))
    }

    fn is_one_stream(&self) -> bool {
        self.compression != Compression::None
    }

    fn visit(&self, names: &[String], visit: &mut Visitor<'_>) -> Result<()> {
        let mut wanted = Vec::new();
        for name in names {
            let entry = self.resolve(name)?.ok_or_else(|| self.missing(name))?;
            wanted.push((entry.offset, entry.size, name));
        }
        wanted.sort();
        let mut stream = self.stream()?;
        let mut position = 0;
        for (offset, size, name) in wanted {
            if offset < position {
                // Two names of one file: only a new stream can go back to it.
                (stream, position) = (self.stream()?, 0);
            }
            stream
                .skip(offset - position)
                .map_err(|error| damaged(&self.path, name, offset, error))?;
            let mut data = (&mut stream).take(size);
            visit(name, &mut data)?;
            position = offset + size - data.limit();
        }
        Ok(())
    }
}

/// A name within the tarball without `.` and `..`; nothing for the root itself, an error for what leads out. The root of
/// an absolute name is that of the tarball.
fn clean(name: &str) -> std::result::Result<Option<String>, ()> {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(())?;
            }
            part => parts.push(part),
        }
    }
    Ok(if parts.is_empty() {
        None
    } else {
        Some(parts.join("/"))
    })
}
