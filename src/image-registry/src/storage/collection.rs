//! Collection: content that no repository has any more leaves the disk, while the registry serves.
//!
//! What a push may be about to refer to stays: nothing that was linked, asked for or written within the grace period is taken,
//! and what is linked while a collection runs is noted and left alone.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use super::repositories::digests_below;
use super::{Storage, durable};
use crate::digest::Digest;
use crate::document::Document;
use crate::names::{ManifestReference, Repository};

/// What pushes and the collection tell each other.
#[derive(Debug, Default)]
struct Inner {
    /// Held by anyone who links, and by the collection while it takes content away.
    linking: RwLock<()>,
    /// What was linked since the running collection began; nothing if none runs.
    linked: Mutex<Option<HashSet<Digest>>>,
}

/// The same, shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Pushes(Arc<Inner>);

impl Pushes {
    /// To be held from before content is looked for until it is linked.
    pub(super) fn linking<'a>(
        &self,
        digests: impl IntoIterator<Item = &'a Digest>,
    ) -> RwLockReadGuard<'_, ()> {
        let guard = self
            .0
            .linking
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(linked) = self.linked().as_mut() {
            linked.extend(digests.into_iter().cloned());
        }
        guard
    }

    fn linked(&self) -> MutexGuard<'_, Option<HashSet<Digest>>> {
        self.0.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Repositories' links to blobs that none of their manifests names.
    pub links: u64,
    /// Blobs that no repository has.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Storage {
    /// Takes away what nobody needs: links to blobs that no manifest of their repository names, and content that no repository
    /// has, both older than `grace`. With `is_trial` it only counts them.
    ///
    /// # Errors
    /// The disk refuses; or another collection runs.
    pub fn collect(&self, grace: Duration, is_trial: bool) -> io::Result<Collected> {
        {
            // anyone who is linking now has linked when this is got; anyone who comes later is noted
            let linking = &self.pushes.0.linking;
            let _alone = linking.write().unwrap_or_else(PoisonError::into_inner);
            let mut linked = self.pushes.linked();
            if linked.is_some() {
                let what = "another collection runs";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
            }
            *linked = Some(HashSet::new());
        }
        let collected = self.collect_alone(grace, is_trial);
        *self.pushes.linked() = None;
        collected
    }

    fn collect_alone(&self, grace: Duration, is_trial: bool) -> io::Result<Collected> {
        let mut collected = Collected::default();
        let mut needed = BTreeSet::new();
        for repository in self.repositories()? {
            self.collect_links(&repository, grace, is_trial, &mut needed, &mut collected)?;
        }
        for digest in digests_below(&self.root.join("blobs"))? {
            let path = self.content(&digest);
            if needed.contains(&digest) || !is_older(&path, grace)? {
                continue;
            }
            let size = fs::metadata(&path).map_or(0, |file| file.len());
            if is_trial || self.take(&digest, &path, grace)? {
                collected.blobs += 1;
                collected.bytes += size;
            }
        }
        Ok(collected)
    }

    /// Takes the links of a repository that nobody needs, and notes the content that its others need.
    fn collect_links(
        &self,
        repository: &Repository,
        grace: Duration,
        is_trial: bool,
        needed: &mut BTreeSet<Digest>,
        collected: &mut Collected,
    ) -> io::Result<()> {
        let mut named = BTreeSet::new();
        let mut is_readable = true;
        for digest in self.manifests(repository)? {
            let reference = ManifestReference::Digest(digest.clone());
            let manifest = self.manifest(repository, &reference)?;
            let document = manifest
                .and_then(|manifest| serde_json::from_slice::<Document>(&manifest.bytes).ok());
            is_readable &= document.is_some();
            named.extend(document.iter().flat_map(Document::blobs));
            needed.insert(digest);
        }
        for digest in self.blobs(repository)? {
            let link = self.blob_link(repository, &digest);
            // what a broken manifest names is not known: then all blobs of the repository stay
            let stays = named.contains(&digest) || !is_readable || !is_older(&link, grace)?;
            if stays || !(is_trial || self.take(&digest, &link, grace)?) {
                needed.insert(digest);
            } else {
                collected.links += 1;
            }
        }
        Ok(())
    }

    /// Takes a file away, unless it was linked since the collection began, or asked for just now.
    fn take(&self, digest: &Digest, path: &Path, grace: Duration) -> io::Result<bool> {
        let linking = &self.pushes.0.linking;
        let alone = linking.write().unwrap_or_else(PoisonError::into_inner);
        let linked = self.pushes.linked();
        if linked
            .as_ref()
            .is_some_and(|linked| linked.contains(digest))
        {
            return Ok(false);
        }
        drop(linked);
        let removed = is_older(path, grace)? && durable::remove(path)?;
        drop(alone);
        Ok(removed)
    }
}

/// Whether a file was not touched within this time. One that is not there any more needs no taking.
fn is_older(path: &Path, grace: Duration) -> io::Result<bool> {
    match fs::metadata(path).and_then(|file| file.modified()) {
        Ok(modified) => Ok(SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age >= grace)),
        Err(error) if durable::is_missing(&error) => Ok(false),
        Err(error) => Err(durable::named(&error, "reading", path)),
    }
}
