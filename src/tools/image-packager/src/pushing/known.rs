//! Which repositories have which blobs, as far as this run has found out or made sure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use image_archive::{Digest, Reference};

type Blob = (String, Digest);

/// Paths of repositories, by registry and blob.
#[derive(Debug, Default)]
pub struct Known(Mutex<BTreeMap<Blob, BTreeSet<String>>>);

impl Known {
    /// The repository has the blob.
    pub fn add(&self, repository: &Reference, digest: Digest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = (repository.domain().to_owned(), digest);
        known
            .entry(blob)
            .or_default()
            .insert(repository.path().to_owned());
    }

    /// Whether the repository is known to have the blob.
    pub fn has(&self, repository: &Reference, digest: Digest) -> bool {
        self.paths(repository, digest).contains(repository.path())
    }

    /// Other repositories of the same registry that have the blob.
    pub fn others(&self, repository: &Reference, digest: Digest) -> Vec<String> {
        let mut paths = self.paths(repository, digest);
        paths.remove(repository.path());
        // One is as good as another, and each would cost a request.
        paths.into_iter().take(1).collect()
    }

    fn paths(&self, repository: &Reference, digest: Digest) -> BTreeSet<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = (repository.domain().to_owned(), digest);
        known.get(&blob).cloned().unwrap_or_default()
    }
}
