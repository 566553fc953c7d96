//! Collection: content that no repository has any more leaves the disk, while the registry serves.
//!
//! What a push may be about to refer to stays: nothing that was linked, asked for or written within the grace period is taken,
//! and what is linked while a collection runs is noted and left alone (`taking`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::changed;
use super::repositories::digests_below;
use super::{Storage, Taking, durable};
use crate::digest::Digest;
use crate::document::Document;
use crate::names::{ManifestReference, Repository};

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Repositories' links to blobs that none of their manifests names.
    pub links: u64,
    /// Blobs that no repository has.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Manifests that say nothing that can be relied on, so that all blobs of their repositories stay.
    pub broken: Vec<(Repository, Digest)>,
}

impl Storage {
    /// Takes away what nobody needs: links to blobs that no manifest of their repository names, and content that no repository
    /// has, both older than `grace`. With `is_trial` it only counts them.
    ///
    /// # Errors
    /// The disk refuses; or another collection, or retention, runs.
    pub fn collect(&self, grace: Duration, is_trial: bool) -> io::Result<Collected> {
        Collection {
            taking: self.begin_taking()?,
            grace,
            is_trial,
            needed: BTreeSet::new(),
            taken_from: BTreeSet::new(),
            collected: Collected::default(),
        }
        .run()
    }

    /// A manifest that can be relied on; nothing if its content is missing or damaged. One bit may have made it name another blob.
    fn reliable(&self, repository: &Repository, digest: &Digest) -> Option<Document> {
        let reference = ManifestReference::Digest(digest.clone());
        let manifest = self.manifest(repository, &reference).ok()??;
        let is_whole = Digest::of(digest.algorithm(), &manifest.bytes) == *digest;
        let document = serde_json::from_slice(&manifest.bytes).ok();
        document.filter(|_| is_whole)
    }
}

struct Collection {
    taking: Taking,
    grace: Duration,
    is_trial: bool,
    /// The content that a repository has.
    needed: BTreeSet<Digest>,
    /// Directories that files were taken from, and that were not synced since.
    taken_from: BTreeSet<PathBuf>,
    collected: Collected,
}

impl Collection {
    fn run(mut self) -> io::Result<Collected> {
        let storage = self.taking.storage.clone();
        for repository in storage.repositories()? {
            self.collect_links(&repository)?;
            if !self.is_trial {
                self.forget_traces(&repository)?;
            }
        }
        for digest in digests_below(&storage.root.join("blobs"))? {
            let path = storage.content(&digest);
            if self.needed.contains(&digest) || !is_older(&path, self.grace)? {
                continue;
            }
            let size = fs::metadata(&path).map_or(0, |file| file.len());
            if self.is_trial || self.take(&digest, &path)? {
                self.collected.blobs += 1;
                self.collected.bytes += size;
            }
        }
        self.sync()?;
        Ok(self.collected)
    }

    /// Takes the links of a repository that nobody needs, and notes the content that its others need.
    fn collect_links(&mut self, repository: &Repository) -> io::Result<()> {
        let storage = self.taking.storage.clone();
        let mut named = BTreeSet::new();
        let mut is_reliable = true;
        for digest in storage.manifests(repository)? {
            if let Some(document) = storage.reliable(repository, &digest) {
                named.extend(document.blobs());
            } else if storage.has_manifest(repository, &digest)? {
                is_reliable = false;
                let broken = (repository.clone(), digest.clone());
                self.collected.broken.push(broken);
            }
            self.needed.insert(digest);
        }
        for digest in storage.blobs(repository)? {
            let link = storage.blob_link(repository, &digest);
            // what a broken manifest names is not known: then all blobs of the repository stay
            let stays = named.contains(&digest) || !is_reliable || !is_older(&link, self.grace)?;
            if stays || !(self.is_trial || self.take(&digest, &link)?) {
                self.needed.insert(digest);
            } else {
                self.collected.links += 1;
            }
        }
        self.sync()
    }

    /// Forgets what a registry that was killed left of manifests that it had removed.
    fn forget_traces(&self, repository: &Repository) -> io::Result<()> {
        let storage = &self.taking.storage;
        let forget = |digest: &Digest, path: &Path| {
            let is_gone = || Ok::<_, io::Error>(!storage.has_manifest(repository, digest)?);
            if is_gone()? {
                let remove = || Ok(is_gone()? && durable::remove(path)?);
                self.taking.take(digest, remove)?;
            }
            Ok::<_, io::Error>(())
        };
        for subject in storage.subjects(repository)? {
            for digest in storage.referrers(repository, &subject)? {
                forget(&digest, &storage.referrer(repository, &subject, &digest))?;
            }
        }
        for digest in storage.pulled(repository)?.keys() {
            forget(digest, &storage.pulled_file(repository, digest))?;
        }
        Ok(())
    }

    /// Takes a file away, unless it was linked since the collection began, or asked for just now. Its directory is synced at the end.
    fn take(&mut self, digest: &Digest, path: &Path) -> io::Result<bool> {
        let away = self
            .taking
            .storage
            .temporary()
            .join(durable::random_name()?);
        // a rename takes a moment, and to remove what is long takes a while
        let rename = || {
            if !is_older(path, self.grace)? {
                return Ok(false);
            }
            match fs::rename(path, &away) {
                Err(error) if durable::is_missing(&error) => Ok(false),
                renamed => renamed
                    .map(|()| true)
                    .map_err(|error| durable::named(&error, "taking away", path)),
            }
        };
        if !self.taking.take(digest, rename)? {
            return Ok(false);
        }
        fs::remove_file(&away).map_err(|error| durable::named(&error, "removing", &away))?;
        self.taken_from.extend(path.parent().map(Path::to_owned));
        Ok(true)
    }

    /// Puts on the disk what was taken from directories: a link that came back after a loss of power would be one to content that
    /// is gone.
    fn sync(&mut self) -> io::Result<()> {
        let directories = std::mem::take(&mut self.taken_from);
        directories.iter().try_for_each(|it| durable::sync_dir(it))
    }
}

/// Whether a file was not touched within this time. One that is not there any more needs no taking.
fn is_older(path: &Path, grace: Duration) -> io::Result<bool> {
    let modified = changed(path)?;
    Ok(modified.is_some_and(|modified| {
        let age = SystemTime::now().duration_since(modified);
        age.is_ok_and(|age| age >= grace)
    }))
}
