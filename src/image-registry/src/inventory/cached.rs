//! What the cache holds of other registries, in the form of what was pushed: for those who look. Of an image that is here there
//! may be blobs that nobody asked for yet.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::facts::{Facts, facts_of};
use super::{Content, Kind, Listing, listing, manifest};
use crate::cache::Cache;
use crate::digest::Digest;
use crate::names::Repository;
use crate::storage::ListedManifest;

/// The cached images of a registry.
#[derive(Clone, Debug)]
pub struct CachedInventory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cache: Cache,
    /// What manifests say, by their digests.
    facts: Mutex<HashMap<Digest, Arc<Facts>>>,
}

impl CachedInventory {
    /// Of a cache.
    pub fn new(cache: Cache) -> Self {
        Self(Arc::new(Inner {
            cache,
            facts: Mutex::default(),
        }))
    }

    /// Puts what is cached among other images, in the order of the repositories' names. It blocks.
    pub fn add_to(&self, others: Vec<Content>) -> io::Result<Vec<Content>> {
        let mut contents: BTreeMap<Repository, Content> = others
            .into_iter()
            .map(|content| (content.repository.clone(), content))
            .collect();
        let mut known = HashMap::new();
        for repository in self.0.cache.repositories()? {
            let listing = Arc::new(self.list(&repository, &mut known)?);
            let pulled = self.used(&listing)?;
            let content = Content {
                repository: repository.clone(),
                listing,
                pulled,
            };
            // what was frozen or pushed by this name is what is given out
            contents.entry(repository).or_insert(content);
        }
        // forgets what has gone
        *self.0.facts.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(contents.into_values().collect())
    }

    fn list(
        &self,
        repository: &Repository,
        known: &mut HashMap<Digest, Arc<Facts>>,
    ) -> io::Result<Listing> {
        let (tags, listed) = self.0.cache.listed(repository)?;
        let mut manifests = BTreeMap::new();
        for listed in listed {
            let digest = listed.digest.clone();
            let (facts, is_final) = self.facts(repository, &listed)?;
            if is_final {
                known.insert(digest.clone(), facts.clone());
            }
            manifests.insert(digest, manifest(listed, facts));
        }
        Ok(listing(tags, manifests))
    }

    fn facts(
        &self,
        repository: &Repository,
        listed: &ListedManifest,
    ) -> io::Result<(Arc<Facts>, bool)> {
        let cache = &self.0.cache;
        let known = self.0.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = known.get(&listed.digest) {
            return Ok((facts.clone(), true));
        }
        drop(known);
        let held = cache.held_manifest(repository, &listed.digest)?;
        let bytes = held.map(|manifest| manifest.bytes);
        let (facts, is_final) = facts_of(listed, bytes, |config| {
            let held = cache.held_blob(config)?;
            Ok(held.map(|(file, _)| Box::new(file) as Box<dyn Read>))
        })?;
        Ok((Arc::new(facts), is_final))
    }

    /// When each image was used last: its config is what no other image has.
    fn used(&self, listing: &Listing) -> io::Result<BTreeMap<Digest, SystemTime>> {
        let mut used = BTreeMap::new();
        for (digest, manifest) in &listing.manifests {
            let is_image = manifest.facts.kind == Kind::Image;
            let Some((config, _)) = manifest.facts.blobs.first().filter(|_| is_image) else {
                continue;
            };
            if let Some(time) = self.0.cache.last_used(config)? {
                used.insert(digest.clone(), time);
            }
        }
        Ok(used)
    }
}
