//! Uploads that requests are busy with, and how far their digests are computed. What is here is lost with the registry, and
//! costs a client nothing but time: a digest is computed from the file then.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Registry;
use crate::digest::Hasher;
use crate::storage::Upload;

/// Uploads whose digest is remembered between requests; a client with more than that waits longer at their end.
const REMEMBERED: usize = 1024;

/// All of them.
#[derive(Clone, Default)]
pub struct OpenUploads(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    busy: HashSet<String>,
    hashers: HashMap<String, (u64, Hasher)>,
}

impl OpenUploads {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims an upload for one request; nothing if another one is busy with it.
    pub fn claim(&self, id: &str) -> Option<Claim> {
        let is_free = self.inner().busy.insert(id.to_owned());
        is_free.then(|| Claim {
            id: id.to_owned(),
            uploads: self.clone(),
        })
    }

    /// Holds an upload that was begun just now.
    pub fn hold_new(&self, upload: Upload) -> Held {
        self.inner().busy.insert(upload.id().to_owned());
        let claim = Claim {
            id: upload.id().to_owned(),
            uploads: self.clone(),
        };
        Held { upload, claim }
    }
}

/// An upload is claimed until this is dropped.
pub struct Claim {
    id: String,
    uploads: OpenUploads,
}

impl Claim {
    /// The claimed upload, with its digest as far as it is remembered.
    pub fn with(self, mut upload: Upload, registry: &Registry) -> Held {
        let remembered = registry.uploads.inner().hashers.remove(&self.id);
        if let Some((size, hasher)) = remembered
            && size == upload.size()
        {
            upload.resume(hasher);
        }
        Held {
            upload,
            claim: self,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.uploads.inner().busy.remove(&self.id);
    }
}

/// An upload that one request is busy with.
pub struct Held {
    /// It.
    pub upload: Upload,
    claim: Claim,
}

impl Held {
    /// Lets others at it, and remembers its digest.
    pub fn release(self, registry: &Registry) {
        let Self { upload, claim } = self;
        if let Some((size, hasher)) = upload.into_hasher() {
            let mut inner = registry.uploads.inner();
            if inner.hashers.len() >= REMEMBERED {
                inner.hashers.clear();
            }
            inner.hashers.insert(claim.id.clone(), (size, hasher));
        }
    }

    /// The upload for good; others are kept from it until the claim is dropped.
    pub fn into_parts(self) -> (Upload, Claim) {
        (self.upload, self.claim)
    }
}
