//! Where the page has its images from: all that the registry gives out, as far as a login may pull it.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::access::{Identity, Right};
use crate::cache::Cache;
use crate::digest::Digest;
use crate::frozen::Frozen;
use crate::inventory::{CachedInventory, Content, FrozenInventory, Inventory};
use crate::names::{ManifestReference, Repository};
use crate::storage::{Space, Storage};

/// Bytes of a config that are read: those of images have a few thousand.
const LONGEST_CONFIG: u64 = 4 << 20;

/// All sources. What they do blocks.
#[derive(Clone, Debug)]
pub struct Sources {
    inventory: Inventory,
    frozen_inventory: FrozenInventory,
    cached_inventory: Option<CachedInventory>,
    frozen: Frozen,
    cache: Option<Cache>,
    storage: Storage,
}

/// How full the cache is, and what it was good for.
#[derive(Clone, Debug)]
pub struct CacheUse {
    /// Bytes that it holds.
    pub held: u64,
    /// Bytes that it may hold.
    pub cap: u64,
    /// Each registry with what was given out of the cache, and with what it was asked for.
    pub upstreams: Vec<(String, u64, u64)>,
}

impl Sources {
    /// What was pushed to a store, what releases brought to this VM, and what is cached.
    pub fn new(
        inventory: Inventory,
        frozen: Frozen,
        storage: Storage,
        cache: Option<Cache>,
    ) -> Self {
        Self {
            inventory,
            frozen_inventory: FrozenInventory::new(frozen.clone(), storage.clone()),
            cached_inventory: cache.clone().map(CachedInventory::new),
            frozen,
            cache,
            storage,
        }
    }

    /// What all repositories hold from which a login may pull, in the order of their names.
    pub fn visible(&self, identity: &Identity) -> io::Result<Vec<Content>> {
        let mut contents = self.frozen_inventory.add_to(self.inventory.all()?)?;
        if let Some(cached) = &self.cached_inventory {
            contents = cached.add_to(contents)?;
        }
        contents.retain(|content| identity.may(Right::Pull, &content.repository));
        Ok(contents)
    }

    /// Where the images of a repository come from, if they are not pushed.
    pub fn origin(&self, repository: &Repository) -> Option<&'static str> {
        if self.frozen.tags(repository).is_some() {
            return Some("a release on this VM");
        }
        let is_pushed = self.cache.is_none() || self.storage.has_repository(repository);
        (!is_pushed).then_some("the cache of another registry")
    }

    /// A manifest's bytes, if it is there.
    pub fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<Option<Vec<u8>>> {
        let reference = ManifestReference::Digest(digest.clone());
        let mut found = self.frozen.manifest(repository, &reference)?;
        if found.is_none() {
            found = self.storage.manifest(repository, &reference)?;
        }
        if let (None, Some(cache)) = (&found, &self.cache) {
            found = cache.held_manifest(repository, digest)?;
        }
        Ok(found.map(|manifest| manifest.bytes))
    }

    /// The start of a blob, which is all of any config, if it is there. Nothing is fetched for it.
    pub fn config(&self, repository: &Repository, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let whole = |(file, size)| (file, 0, size);
        let mut found = self.frozen.blob(repository, digest)?;
        if found.is_none() {
            found = self.storage.blob(repository, digest)?.map(whole);
        }
        if let (None, Some(cache)) = (&found, &self.cache) {
            found = cache.held_blob(digest)?.map(whole);
        }
        let Some((mut file, offset, size)) = found else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(size.min(LONGEST_CONFIG))
            .read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The disk of the store.
    pub fn space(&self) -> io::Result<Space> {
        self.storage.space()
    }

    /// How full the cache is, if there is one.
    pub fn cache_use(&self) -> Option<CacheUse> {
        let counters = self.cache.as_ref()?.counters();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let upstreams = counters.upstreams.iter();
        let upstreams =
            upstreams.map(|(host, of)| (host.clone(), value(&of.hits), value(&of.misses)));
        Some(CacheUse {
            held: value(&counters.held),
            cap: value(&counters.cap),
            upstreams: upstreams.collect(),
        })
    }
}
