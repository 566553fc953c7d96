//! What is in the cache, for those who look: read from its files. Nothing is fetched for it, and nothing counts as used.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::SystemTime;

use super::Cache;
use crate::digest::{Algorithm, Digest};
use crate::names::Repository;
use crate::storage::{ListedManifest, ListedTag, StoredManifest, durable, files};

/// Bytes of a media type that are read.
const LONGEST_TYPE: u64 = 1 << 10;

impl Cache {
    /// The repositories of which manifests are here, in the order of their names. It blocks.
    pub fn repositories(&self) -> io::Result<Vec<Repository>> {
        let top = self.0.manifests.directory();
        let mut found = Vec::new();
        let mut ahead = vec![String::new()];
        while let Some(name) = ahead.pop() {
            for entry in files::entries(&top.join(&name))? {
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
        for name in files::entries(&directory.join("_tags"))? {
            let path = directory.join("_tags").join(&name);
            let (Ok(tag), Some(pushed)) = (name.parse(), files::changed(&path)?) else {
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
            for name in files::entries(&below)? {
                let path = below.join(&name);
                let digest = Digest::from_parts(algorithm.as_str(), &name);
                let (Some(digest), Some(pushed)) = (digest, files::changed(&path)?) else {
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
        files::open(&self.0.room.place(digest))
    }

    /// When a blob was last used, to a minute, if it is here. It blocks.
    pub fn last_used(&self, digest: &Digest) -> io::Result<Option<SystemTime>> {
        files::changed(&self.0.room.place(digest))
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
