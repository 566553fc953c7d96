//! Frozen images: those that releases bring to this VM, which their jobs list in `docker-bosh-release-import/*.lst`. They are
//! given out of their packages, without a copy.
//!
//! What a list names is opened at the start; manifests are read, layers are not. Blobs are named by digests, which clients verify,
//! as does `image-registry verify`. A tarball whose blobs cannot be given out as they lie is converted once, beside the serving.

mod contents;
mod conversion;
mod hosts;
mod index;
mod opening;
mod unconverted;
mod verify;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use image_archive::Place;
use import_lists::Entry;

use contents::Manifest;
use hosts::{DOCKER_HUB, repository_at};
use index::Index;

use crate::digest::Digest;
use crate::names::{ManifestReference, Repository, Tag};
use crate::storage::{ListedManifest, ListedTag, StoredManifest};

/// All frozen images.
#[derive(Clone, Debug, Default)]
pub struct Frozen {
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    index: Index,
    changes: u64,
    /// What is not served, and why.
    problems: Vec<String>,
}

impl Frozen {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, problem: String) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.problems.push(problem);
    }

    fn refuse(&self, entry: &Entry, why: &str) {
        let (path, list, line) = (entry.path.display(), entry.list.display(), entry.line);
        tracing::warn!(%path, %list, line, why, "a frozen image is not served");
        self.note(format!("{path}: {why}"));
    }

    /// The repository by which images are frozen that a client asks for by this name: itself, or that of Docker Hub, whose host
    /// those leave out who take the registry for its mirror.
    pub fn resolve(&self, asked: &Repository) -> Option<Repository> {
        let state = self.state();
        if state.index.get(asked).is_some() {
            return Some(asked.clone());
        }
        let on_hub = repository_at(DOCKER_HUB, asked.as_str())?;
        state.index.get(&on_hub).map(|_| on_hub)
    }

    /// The path of the package that brought images of a repository.
    pub fn source(&self, repository: &Repository) -> Option<PathBuf> {
        let state = self.state();
        state
            .index
            .get(repository)
            .map(|images| images.source.clone())
    }

    /// A repository of a registry, if any images of that registry are frozen.
    pub fn at(&self, host: &str, path: &Repository) -> Option<Repository> {
        let repository = repository_at(host, path.as_str())?;
        let prefix = repository.as_str().strip_suffix(path.as_str())?;
        let state = self.state();
        let mut repositories = state.index.repositories();
        repositories
            .any(|(known, _)| known.as_str().starts_with(prefix))
            .then_some(repository.clone())
    }

    /// All repositories, in the order of their names.
    pub fn repositories(&self) -> Vec<Repository> {
        let state = self.state();
        let repositories = state.index.repositories();
        repositories
            .map(|(repository, _)| repository.clone())
            .collect()
    }

    /// The tags of a repository, in their order; nothing if no image of it is frozen.
    pub fn tags(&self, repository: &Repository) -> Option<Vec<Tag>> {
        let state = self.state();
        let images = state.index.get(repository)?;
        Some(images.tags().cloned().collect())
    }

    /// How often images were added.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// The tags and manifests of a repository, with the times of the files in which they came; nothing if no image of it is
    /// frozen.
    pub fn listed(&self, repository: &Repository) -> Option<(Vec<ListedTag>, Vec<ListedManifest>)> {
        let state = self.state();
        let images = state.index.get(repository)?;
        let time = |manifest: &Manifest| {
            let file = std::fs::metadata(&manifest.place.path);
            let time = file.and_then(|file| file.modified());
            // one that has gone is told by those who read it
            time.unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let tags = images.tags().filter_map(|tag| {
            let manifest = images.manifest(&ManifestReference::Tag(tag.clone()))?;
            Some(ListedTag {
                tag: tag.clone(),
                digest: Some(manifest.digest.clone()),
                pushed: time(manifest),
            })
        });
        let manifests = images.manifests().map(|manifest| ListedManifest {
            digest: manifest.digest.clone(),
            media_type: manifest.media_type.clone(),
            pushed: time(manifest),
        });
        Some((tags.collect(), manifests.collect()))
    }

    /// The manifests of a repository that are about another one.
    pub fn referrers(&self, repository: &Repository, subject: &Digest) -> BTreeSet<Digest> {
        let state = self.state();
        let images = state.index.get(repository);
        images.map_or_else(BTreeSet::new, |images| images.referrers(subject))
    }

    /// Whether a manifest of a repository is frozen.
    pub fn has_manifest(&self, repository: &Repository, digest: &Digest) -> bool {
        let reference = ManifestReference::Digest(digest.clone());
        let state = self.state();
        let images = state.index.get(repository);
        images.is_some_and(|images| images.manifest(&reference).is_some())
    }

    /// A manifest of a repository, if it is frozen.
    pub fn manifest(
        &self,
        repository: &Repository,
        reference: &ManifestReference,
    ) -> io::Result<Option<StoredManifest>> {
        let found = {
            let state = self.state();
            let images = state.index.get(repository);
            images
                .and_then(|images| images.manifest(reference))
                .cloned()
        };
        let Some(manifest) = found else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let mut file = open_place(&manifest.place)?;
        file.seek(SeekFrom::Start(manifest.place.offset))?;
        file.take(manifest.place.size).read_to_end(&mut bytes)?;
        if Digest::of(manifest.digest.algorithm(), &bytes) != manifest.digest {
            let what = "the manifest in it is not the one that was there at the start";
            return Err(changed(&manifest.place, what));
        }
        Ok(Some(StoredManifest {
            digest: manifest.digest,
            bytes,
            media_type: manifest.media_type,
            warning: None,
        }))
    }

    /// A blob of a repository, if it is frozen: a file, where in it the blob begins, and its size.
    pub fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<Option<(File, u64, u64)>> {
        let found = {
            let state = self.state();
            let images = state.index.get(repository);
            images.and_then(|images| images.blob(digest)).cloned()
        };
        let Some(place) = found else {
            return Ok(None);
        };
        Ok(Some((open_place(&place)?, place.offset, place.size)))
    }
}

/// The file of a place, if it still has all of it.
fn open_place(place: &Place) -> io::Result<File> {
    let file = File::open(&place.path);
    let file = file.map_err(|error| changed(place, &error.to_string()))?;
    if file.metadata()?.len() >= place.offset + place.size {
        Ok(file)
    } else {
        Err(changed(place, "it has become shorter since the start"))
    }
}

fn changed(place: &Place, what: &str) -> io::Error {
    let path = place.path.display();
    io::Error::other(format!("reading a frozen image from {path}: {what}"))
}
