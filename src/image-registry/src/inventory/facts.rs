//! What a manifest says, remembered by its digest: content never changes, so neither does this.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::digest::Digest;
use crate::document::{Document, Platform};
use crate::names::{ManifestReference, Repository};
use crate::storage::{ListedManifest, Storage};

/// Bytes of a config that are read: those of images have a few thousand.
const LONGEST_CONFIG: u64 = 4 << 20;
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container image for one platform.
    Image,
    /// A list of manifests.
    Index,
    /// Anything else: a signature, a bill of materials, a chart.
    Artifact,
    /// Its content is missing or damaged.
    Broken,
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// What an artifact is.
    pub artifact_type: Option<String>,
    /// Its own bytes.
    pub bytes: u64,
    /// Of an image: what it runs on. Of an index: what its manifests are for.
    pub platforms: Vec<String>,
    /// Config and layers in their order, each with the bytes that the manifest says.
    pub blobs: Vec<(Digest, u64)>,
    /// The manifests of an index.
    pub children: Vec<Digest>,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
}

impl Facts {
    pub(super) fn broken() -> Self {
        Self {
            kind: Kind::Broken,
            artifact_type: None,
            bytes: 0,
            platforms: Vec::new(),
            blobs: Vec::new(),
            children: Vec::new(),
            subject: None,
        }
    }

    fn of(document: &Document, media_type: &str, bytes: usize) -> Self {
        let config = document.config();
        let is_image = document.own_artifact_type().is_none()
            && config.is_some_and(|(_, media_type)| CONFIGS.contains(&media_type));
        let kind = if INDEXES.contains(&media_type) {
            Kind::Index
        } else if is_image {
            Kind::Image
        } else {
            Kind::Artifact
        };
        let artifact_type = document.artifact_type();
        let artifact_type = artifact_type.filter(|_| kind != Kind::Image);
        let mut platforms: Vec<String> = Vec::new();
        for platform in document.children().filter_map(|(_, platform)| platform) {
            let text = platform.to_string();
            if platform.is_known() && !platforms.contains(&text) {
                platforms.push(text);
            }
        }
        Self {
            kind,
            artifact_type: artifact_type.map(str::to_owned),
            bytes: bytes as u64,
            platforms,
            blobs: document.sizes().collect(),
            children: document.children().map(|(digest, _)| digest).collect(),
            subject: document.subject().ok().flatten(),
        }
    }
}

/// The facts of all manifests that were looked at.
#[derive(Debug, Default)]
pub struct FactCache(Mutex<HashMap<Digest, Arc<Facts>>>);

impl FactCache {
    /// What a manifest of a repository says. It is read at most once, unless something of it is missing.
    pub fn get(
        &self,
        storage: &Storage,
        repository: &Repository,
        listed: &ListedManifest,
    ) -> io::Result<Arc<Facts>> {
        if let Some(facts) = self.facts().get(&listed.digest) {
            return Ok(facts.clone());
        }
        let (facts, is_final) = read(storage, repository, listed)?;
        let facts = Arc::new(facts);
        if is_final {
            self.facts().insert(listed.digest.clone(), facts.clone());
        }
        Ok(facts)
    }

    /// Forgets all others than these.
    pub fn retain(&self, wanted: &HashSet<&Digest>) {
        self.facts().retain(|digest, _| wanted.contains(digest));
    }

    fn facts(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Facts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a manifest says, and whether that is all that it will ever say.
fn read(
    storage: &Storage,
    repository: &Repository,
    listed: &ListedManifest,
) -> io::Result<(Facts, bool)> {
    let reference = ManifestReference::Digest(listed.digest.clone());
    let manifest = storage.manifest(repository, &reference)?;
    let bytes = manifest.map(|manifest| manifest.bytes);
    facts_of(listed, bytes, |config| {
        let found = storage.blob(repository, config)?;
        Ok(found.map(|(file, _)| Box::new(file) as Box<dyn io::Read>))
    })
}

/// What a manifest of these bytes says, and whether that is all that it will ever say. Its config may be asked for.
pub(super) fn facts_of(
    listed: &ListedManifest,
    bytes: Option<Vec<u8>>,
    config_of: impl FnOnce(&Digest) -> io::Result<Option<Box<dyn io::Read>>>,
) -> io::Result<(Facts, bool)> {
    let Some(manifest) = bytes else {
        return Ok((Facts::broken(), false));
    };
    let is_whole = Digest::of(listed.digest.algorithm(), &manifest) == listed.digest;
    let document = serde_json::from_slice::<Document>(&manifest).ok();
    let Some(document) = document.filter(|_| is_whole) else {
        return Ok((Facts::broken(), false));
    };
    let mut facts = Facts::of(&document, &listed.media_type, manifest.len());
    let config = document.config().filter(|_| facts.kind == Kind::Image);
    let Some((config, _)) = config else {
        return Ok((facts, true));
    };
    let Some(file) = config_of(&config)? else {
        return Ok((facts, false));
    };
    let mut bytes = Vec::new();
    file.take(LONGEST_CONFIG).read_to_end(&mut bytes)?;
    let platform = serde_json::from_slice::<Platform>(&bytes).ok();
    let platform = platform.filter(Platform::is_known);
    facts
        .platforms
        .extend(platform.map(|platform| platform.to_string()));
    Ok((facts, true))
}
