//! What is in a compressed tarball, remembered beside it.
//!
//! To find `manifest.json` in a compressed tarball, all of it must be unpacked. That is done once; the list of its files
//! and its small documents are kept in a file of their own, under the tarball's path, size, time and inode. It is a
//! cache and no more: nothing is taken for verified because of it, and a file that does not fit is not used.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::tar_entries::Entry;

/// Of the form of this file; another one is not read.
const VERSION: u32 = 1;
/// Bytes of an index; what it holds is limited too.
const LONGEST: u64 = 64 << 20;

/// Where the indexes of compressed tarballs are kept.
#[derive(Clone, Copy)]
pub(crate) struct ArchiveIndexes<'a> {
    pub(crate) directory: &'a Path,
}

/// The files of a tarball, and the small documents among them by where they begin.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Of other files the first bytes, to tell their compression without opening them again.
    pub(crate) documents: BTreeMap<u64, Vec<u8>>,
}

#[derive(Serialize)]
struct Written<'a> {
    stamp: Stamp,
    entries: &'a BTreeMap<String, Entry>,
    texts: BTreeMap<u64, &'a str>,
    /// What is not text: the few bytes that tell a compression.
    bytes: BTreeMap<u64, &'a [u8]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    stamp: Stamp,
    entries: BTreeMap<String, Entry>,
    texts: BTreeMap<u64, String>,
    bytes: BTreeMap<u64, Vec<u8>>,
}

/// Which tarball this is about: any change to it changes one of these.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    version: u32,
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    fn of(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            version: VERSION,
            path: path.canonicalize()?,
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        })
    }
}

impl ArchiveIndexes<'_> {
    /// What is remembered of a tarball.
    pub(crate) fn read(self, path: &Path, metadata: &Metadata) -> Option<Contents> {
        let stamp = Stamp::of(path, metadata).ok()?;
        let file = File::open(self.file(&stamp)).ok()?;
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).ok()?;
        let stored: Stored = serde_json::from_slice(&bytes).ok()?;
        let texts = stored.texts.into_iter();
        let mut documents = stored.bytes;
        documents.extend(texts.map(|(offset, text)| (offset, text.into_bytes())));
        (stored.stamp == stamp).then_some(Contents {
            entries: stored.entries,
            documents,
        })
    }

    /// Remembers what is in a tarball. If that fails, it is unpacked again the next time.
    pub(crate) fn write(self, path: &Path, metadata: &Metadata, contents: &Contents) {
        let _ = self.try_write(path, metadata, contents);
    }

    fn try_write(self, path: &Path, metadata: &Metadata, contents: &Contents) -> io::Result<()> {
        let stamp = Stamp::of(path, metadata)?;
        let file = self.file(&stamp);
        let (mut texts, mut bytes) = (BTreeMap::new(), BTreeMap::new());
        for (offset, document) in &contents.documents {
            match std::str::from_utf8(document) {
                Ok(text) => drop(texts.insert(*offset, text)),
                Err(_) => drop(bytes.insert(*offset, document.as_slice())),
            }
        }
        let written = Written {
            stamp,
            entries: &contents.entries,
            texts,
            bytes,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.directory)?;
        let temporary = file.with_extension(format!("{}.part", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let done = options.open(&temporary).and_then(|mut part| {
            part.write_all(&serde_json::to_vec(&written)?)?;
            fs::rename(&temporary, &file)
        });
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    /// One file a path, so that a new version of a tarball takes the place of the old one's.
    fn file(self, stamp: &Stamp) -> PathBuf {
        let name = Digest::of(stamp.path.as_os_str().as_encoded_bytes()).hex();
        self.directory.join(format!("{name}.json"))
    }
}
