//! What is in the cache, for those who look: read from its files. Nothing is fetched for it, and nothing counts as used.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::SystemTime;

use super::Cache;
use crate::digest::{Algorithm, Digest};
use crate::names::Repository;
use crate::storage::{ListedManifest, ListedTag, StoredManifest, durable};

/// Bytes of a media type that are read.
const LONGEST_TYPE: u64 = 1 << 10;

impl Cache {
    /// The repositories of which manifests are here, in the order of their names. It blocks.
    pub fn repositories(&self) -> io::Result<Vec<Repository>> {
        let top = self.0.manifests.directory();
        let mut found = Vec::new();
        let mut ahead = vec![String::new()];
        while let Some(name) = ahead.pop() {
            for entry in names(&top.join(&name))? {
                let below = if name.is_empty() {
                    entry
                } else {
                    format!("{name}/{entry}")
                };
                let Ok(repository) = below.parse::<Repository>() else {
                    continue;
                };
                if top.join(&below).join("_manifests").is_dir() {
                    found.push(repository);
                }
                ahead.push(below);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The tags and manifests of a repository that are here, with the times at which they came or were confirmed. It blocks.
    pub fn listed(
        &self,
        repository: &Repository,
    ) -> io::Result<(Vec<ListedTag>, Vec<ListedManifest>)> {
        let directory = self.0.manifests.directory().join(repository.as_str());
        let mut tags = Vec::new();
        for name in names(&directory.join("_tags"))? {
            let path = directory.join("_tags").join(&name);
            let (Ok(tag), Some(pushed)) = (name.parse(), changed(&path)?) else {
                continue;
            };
            let digest = fs::read_to_string(&path)
                .ok()
                .and_then(|text| text.parse().ok());
            tags.push(ListedTag {
                tag,
                digest,
                pushed,
            });
        }
        tags.sort_unstable_by(|a, b| a.tag.cmp(&b.tag));
        let mut manifests = Vec::new();
        for algorithm in Algorithm::ALL {
            let below = directory.join("_manifests").join(algorithm.as_str());
            for name in names(&below)? {
                let path = below.join(&name);
                let digest = Digest::from_parts(algorithm.as_str(), &name);
                let (Some(digest), Some(pushed)) = (digest, changed(&path)?) else {
                    continue;
                };
                // it may go while it is looked at
                let Some(media_type) = media_type(&path)? else {
                    continue;
                };
                manifests.push(ListedManifest {
                    digest,
                    media_type,
                    pushed,
                });
            }
        }
        Ok((tags, manifests))
    }

    /// A manifest, if it is here. It blocks.
    pub fn held_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<Option<StoredManifest>> {
        self.0.manifests.get(repository, digest)
    }

    /// A blob and its size, if all of it is here. It blocks.
    pub fn held_blob(&self, digest: &Digest) -> io::Result<Option<(File, u64)>> {
        let path = self.0.room.place(digest);
        match File::open(&path) {
            Ok(file) => {
                let size = file.metadata()?.len();
                Ok(Some((file, size)))
            }
            Err(error) if durable::is_missing(&error) => Ok(None),
            Err(error) => Err(durable::named(&error, "reading", &path)),
        }
    }

    /// When a blob was last used, to a minute, if it is here. It blocks.
    pub fn last_used(&self, digest: &Digest) -> io::Result<Option<SystemTime>> {
        changed(&self.0.room.place(digest))
    }
}

/// The names of a directory's entries; none if there is no directory.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if durable::is_missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(durable::named(&error, "listing", directory)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| durable::named(&error, "listing", directory))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// When a file was last changed; nothing if it is not there.
fn changed(path: &Path) -> io::Result<Option<SystemTime>> {
    match fs::metadata(path).and_then(|file| file.modified()) {
        Ok(time) => Ok(Some(time)),
        Err(error) if durable::is_missing(&error) => Ok(None),
        Err(error) => Err(durable::named(&error, "reading", path)),
    }
}

/// The first line of a manifest's file.
fn media_type(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if durable::is_missing(&error) => return Ok(None),
        Err(error) => return Err(durable::named(&error, "reading", path)),
    };
    let mut line = Vec::new();
    BufReader::new(file.take(LONGEST_TYPE))
        .read_until(b'\n', &mut line)
        .map_err(|error| durable::named(&error, "reading", path))?;
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}
