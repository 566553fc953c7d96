//! The manifests and tags of other registries that are here.
//!
//! ```text
//! images/NAME/_manifests/sha256/abcd…   the media type, a line end, and the manifest
//! images/NAME/_tags/TAG                 the digest that it stood for when it was asked last: the file's time
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::room::{Room, allocated};
use crate::digest::{Algorithm, Digest};
use crate::names::{Repository, Tag};
use crate::storage::{StoredManifest, durable, files};

/// Repositories whose blobs are remembered.
const REMEMBERED: usize = 64;

type Sizes = Arc<HashMap<Digest, u64>>;

/// All of them.
pub struct Manifests {
    directory: PathBuf,
    temporary: PathBuf,
    room: Arc<Room>,
    named: Mutex<HashMap<Repository, Sizes>>,
}

#[derive(Deserialize)]
struct Named {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
}

impl Manifests {
    /// Those in the cache's directory.
    pub fn new(directory: &Path, temporary: PathBuf, room: Arc<Room>) -> Self {
        Self {
            directory: directory.join("images"),
            temporary,
            room,
            named: Mutex::default(),
        }
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn manifest_file(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        let manifests = self.directory.join(repository.as_str()).join("_manifests");
        manifests
            .join(digest.algorithm().as_str())
            .join(digest.hex())
    }

    fn tag_file(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        let tags = self.directory.join(repository.as_str()).join("_tags");
        tags.join(tag.as_str())
    }

    /// A manifest, if it is here and not damaged.
    pub fn get(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<Option<StoredManifest>> {
        let Some(content) = read(&self.manifest_file(repository, digest))? else {
            return Ok(None);
        };
        let Some(end) = content.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let bytes = &content[end + 1..];
        let is_whole = Digest::of(digest.algorithm(), bytes) == *digest;
        Ok(is_whole.then(|| StoredManifest {
            digest: digest.clone(),
            bytes: bytes.to_vec(),
            media_type: String::from_utf8_lossy(&content[..end]).into_owned(),
            warning: None,
        }))
    }

    /// Keeps a manifest, and what a tag stands for. Not if there is no room.
    pub fn put(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        manifest: &StoredManifest,
    ) -> io::Result<()> {
        let mut content = manifest.media_type.clone().into_bytes();
        content.push(b'\n');
        content.extend(&manifest.bytes);
        self.write(&self.manifest_file(repository, &manifest.digest), &content)?;
        self.lock().remove(repository);
        match tag {
            Some(tag) => self.write(
                &self.tag_file(repository, tag),
                manifest.digest.to_string().as_bytes(),
            ),
            None => Ok(()),
        }
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let Some(reserved) = self.room.reserve(content.len() as u64)? else {
            return Err(io::Error::other("all of the cache is in use"));
        };
        let before = fs::metadata(path).map_or(0, |file| file.blocks() * 512);
        durable::write(path, content, &self.temporary)?;
        reserved.settle(allocated(&File::open(path)?)?);
        self.room.free(before);
        Ok(())
    }

    /// What a tag stood for, and how long ago; nothing if the clock was set back since.
    pub fn tag(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> io::Result<Option<(Digest, Option<Duration>)>> {
        let path = self.tag_file(repository, tag);
        let Some(content) = read(&path)? else {
            return Ok(None);
        };
        let age = SystemTime::now()
            .duration_since(fs::metadata(&path)?.modified()?)
            .ok();
        let digest = String::from_utf8(content)
            .ok()
            .and_then(|text| text.parse().ok());
        Ok(digest.map(|digest| (digest, age)))
    }

    /// A tag still stands for what it did.
    pub fn confirm(&self, repository: &Repository, tag: &Tag) -> io::Result<()> {
        let file = File::options()
            .write(true)
            .open(self.tag_file(repository, tag))?;
        file.set_modified(SystemTime::now())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Repository, Sizes>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes a blob has that a manifest of the repository names; none if no manifest here does.
    pub fn named(&self, repository: &Repository, digest: &Digest) -> io::Result<Option<u64>> {
        let known = self.lock().get(repository).cloned();
        let sizes = match known {
            Some(sizes) => sizes,
            None => self.remember(repository)?,
        };
        Ok(sizes.get(digest).copied())
    }

    fn remember(&self, repository: &Repository) -> io::Result<Sizes> {
        let mut sizes = HashMap::new();
        for algorithm in Algorithm::ALL {
            let manifests = self.directory.join(repository.as_str()).join("_manifests");
            for name in files::entries(&manifests.join(algorithm.as_str()))? {
                let digest = Digest::from_parts(algorithm.as_str(), &name);
                let manifest = digest
                    .map(|digest| self.get(repository, &digest))
                    .transpose()?;
                let manifest = manifest.flatten();
                let named = manifest
                    .and_then(|manifest| serde_json::from_slice::<Named>(&manifest.bytes).ok());
                for blob in named.into_iter().flat_map(|named| {
                    named
                        .config
                        .into_iter()
                        .chain(named.layers.into_iter().flatten())
                }) {
                    sizes.extend(
                        blob.digest
                            .parse::<Digest>()
                            .ok()
                            .map(|digest| (digest, blob.size)),
                    );
                }
            }
        }
        let sizes = Arc::new(sizes);
        let mut named = self.lock();
        if named.len() >= REMEMBERED {
            named.clear();
        }
        named.insert(repository.clone(), sizes.clone());
        Ok(sizes)
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if durable::is_missing(&error) => Ok(None),
        Err(error) => Err(durable::named(&error, "reading", path)),
    }
}
