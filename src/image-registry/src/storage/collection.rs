//! Collection: content that no repository has any more leaves the disk, while the registry serves.
//!
//! What a push may be about to refer to stays: nothing that was linked, asked for or written within the grace period is taken,
//! and what is linked while a collection runs is noted and left alone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::repositories::digests_below;
use super::{Storage, durable};
use crate::digest::Digest;
use crate::document::Document;
use crate::names::{ManifestReference, Repository};

/// What pushes and the collection tell each other.
#[derive(Debug, Default)]
struct State {
    /// What is being linked, and by how many.
    linking: HashMap<Digest, usize>,
    /// What was linked since the running collection began; nothing if none runs.
    linked: Option<HashSet<Digest>>,
}

/// The same, shared. It is locked for moments, and never while the disk is waited for.
#[derive(Clone, Debug, Default)]
pub(super) struct Pushes(Arc<Mutex<State>>);

impl Pushes {
    /// To be held from before content is looked for until it is linked.
    pub(super) fn linking<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Linking {
        let digests: Vec<Digest> = digests.into_iter().cloned().collect();
        let mut state = self.state();
        for digest in &digests {
            *state.linking.entry(digest.clone()).or_default() += 1;
        }
        if let Some(linked) = &mut state.linked {
            linked.extend(digests.iter().cloned());
        }
        drop(state);
        Linking {
            pushes: self.clone(),
            digests,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a collection: what is being linked is noted. Whether none runs.
    fn begin_collection(&self) -> bool {
        let mut state = self.state();
        let is_first = state.linked.is_none();
        if is_first {
            state.linked = Some(state.linking.keys().cloned().collect());
        }
        is_first
    }
}

/// Content that is being linked until this is dropped.
pub(super) struct Linking {
    pushes: Pushes,
    digests: Vec<Digest>,
}

impl Drop for Linking {
    fn drop(&mut self) {
        let mut state = self.pushes.state();
        for digest in &self.digests {
            if let Some(count) = state.linking.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    state.linking.remove(digest);
                }
            }
        }
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
        if !self.pushes.begin_collection() {
            let what = "another collection runs";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        let collected = self.collect_alone(grace, is_trial);
        self.pushes.state().linked = None;
        collected
    }

    fn collect_alone(&self, grace: Duration, is_trial: bool) -> io::Result<Collected> {
        let mut collected = Collected::default();
        let mut needed = BTreeSet::new();
        for repository in self.repositories()? {
            self.collect_links(&repository, grace, is_trial, &mut needed, &mut collected)?;
        }
        let mut taken_from = BTreeSet::new();
        for digest in digests_below(&self.root.join("blobs"))? {
            let path = self.content(&digest);
            if needed.contains(&digest) || !is_older(&path, grace)? {
                continue;
            }
            let size = fs::metadata(&path).map_or(0, |file| file.len());
            if is_trial || self.take(&digest, &path, grace)? {
                collected.blobs += 1;
                collected.bytes += size;
                taken_from.extend(path.parent().map(Path::to_owned));
            }
        }
        sync_all(&taken_from, is_trial)?;
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
        let mut taken_from = BTreeSet::new();
        for digest in self.blobs(repository)? {
            let link = self.blob_link(repository, &digest);
            // what a broken manifest names is not known: then all blobs of the repository stay
            let stays = named.contains(&digest) || !is_readable || !is_older(&link, grace)?;
            if stays || !(is_trial || self.take(&digest, &link, grace)?) {
                needed.insert(digest);
            } else {
                collected.links += 1;
                taken_from.extend(link.parent().map(Path::to_owned));
            }
        }
        // a link that came back after a loss of power would be one to content that is gone
        sync_all(&taken_from, is_trial)
    }

    /// Takes a file away, unless it was linked since the collection began, or asked for just now. Its directory is not synced.
    fn take(&self, digest: &Digest, path: &Path, grace: Duration) -> io::Result<bool> {
        let away = self.temporary().join(durable::random_name()?);
        let state = self.pushes.state();
        let is_linked = state.linked.as_ref().is_some_and(|it| it.contains(digest));
        if is_linked || !is_older(path, grace)? {
            return Ok(false);
        }
        // a rename takes a moment, and to remove what is long takes a while
        match fs::rename(path, &away) {
            Err(error) if durable::is_missing(&error) => return Ok(false),
            renamed => renamed.map_err(|error| durable::named(&error, "taking away", path))?,
        }
        drop(state);
        fs::remove_file(&away).map_err(|error| durable::named(&error, "removing", &away))?;
        Ok(true)
    }
}

/// Puts on the disk what was taken from directories.
fn sync_all(directories: &BTreeSet<PathBuf>, is_trial: bool) -> io::Result<()> {
    if is_trial {
        return Ok(());
    }
    directories.iter().try_for_each(|it| durable::sync_dir(it))
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
