//! What was pushed to the registry, for people and for retention: repositories, tags and manifests with platforms, sizes and times.
//!
//! All of it is derived from the store. What manifests say is remembered by their digests, and what a repository holds for as long
//! as the times of its directories stay: so a look at 20,000 tags reads hardly a file.

mod cached;
mod facts;
mod frozen;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

pub use cached::CachedInventory;
pub use facts::{Facts, Kind};
pub use frozen::FrozenInventory;
pub use rows::{RepositoryRow, Row, Time};

use crate::digest::Digest;
use crate::names::{Repository, Tag};
use crate::storage::{ListedManifest, ListedTag, Stamp, Storage};
use facts::FactCache;

/// Threads that look at repositories at a time.
const MOST_THREADS: usize = 4;

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// When it was pushed last.
    pub pushed: SystemTime,
    /// What it says.
    pub facts: Arc<Facts>,
    /// Bytes of it and of all that it names, each blob counted once; of an index, with the manifests that are there.
    pub size: u64,
    /// The tags that stand for it.
    pub tags: Vec<Tag>,
    /// The manifests that are about it.
    pub referrers: Vec<Digest>,
    /// The indexes that list it.
    pub parents: Vec<Digest>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagEntry {
    /// Its name.
    pub tag: Tag,
    /// The manifest that it stands for; nothing if its file is damaged.
    pub digest: Option<Digest>,
    /// When it was pushed last.
    pub pushed: SystemTime,
}

/// What a repository holds, all but the times of pulls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its tags, in the order of their names.
    pub tags: Vec<TagEntry>,
    /// Its manifests, with and without tags.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Bytes of all manifests and of all blobs that they name, each counted once.
    pub size: u64,
}

/// What a repository holds.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its name.
    pub repository: Repository,
    /// Tags and manifests.
    pub listing: Arc<Listing>,
    /// When each manifest was pulled last; those that never were are not here.
    pub pulled: BTreeMap<Digest, SystemTime>,
}

/// What the registry holds.
#[derive(Clone, Debug)]
pub struct Inventory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Storage,
    facts: FactCache,
    listings: Mutex<HashMap<Repository, (Stamp, Arc<Listing>)>>,
}

impl Inventory {
    /// Of a store.
    pub fn new(storage: Storage) -> Self {
        Self(Arc::new(Inner {
            storage,
            facts: FactCache::default(),
            listings: Mutex::default(),
        }))
    }

    /// What all repositories hold, in the order of their names. It blocks.
    pub fn all(&self) -> io::Result<Vec<Content>> {
        let repositories = self.0.storage.repositories()?;
        let contents = self.contents(&repositories)?;
        let listed: HashSet<&Repository> = contents.iter().map(|it| &it.repository).collect();
        self.listings().retain(|name, _| listed.contains(name));
        let manifests = contents.iter().flat_map(|it| it.listing.manifests.keys());
        self.0.facts.retain(&manifests.collect());
        Ok(contents)
    }

    fn contents(&self, repositories: &[Repository]) -> io::Result<Vec<Content>> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = repositories
            .len()
            .div_ceil(threads.min(MOST_THREADS))
            .max(1);
        thread::scope(|scope| {
            let begin = |names: &'_ [Repository]| {
                let names = names.to_vec();
                scope.spawn(move || {
                    let contents = names.into_iter().map(|name| self.content(name));
                    contents.collect::<io::Result<Vec<Content>>>()
                })
            };
            let shares: Vec<_> = repositories.chunks(share).map(begin).collect();
            let mut contents = Vec::with_capacity(repositories.len());
            for share in shares {
                let share = share.join().unwrap_or_else(|panic| resume_unwind(panic));
                contents.extend(share?);
            }
            Ok(contents)
        })
    }

    /// What a repository holds, if there is such a repository. It blocks.
    pub fn of(&self, repository: &Repository) -> io::Result<Option<Content>> {
        let is_there = self.0.storage.has_repository(repository);
        is_there
            .then(|| self.content(repository.clone()))
            .transpose()
    }

    fn content(&self, repository: Repository) -> io::Result<Content> {
        let stamp = self.0.storage.stamp(&repository)?;
        let known = self.listings().get(&repository).cloned();
        let listing = match known {
            Some((then, listing)) if then == stamp => listing,
            _ => {
                let is_settled = stamp.is_settled();
                let listing = Arc::new(self.list(&repository)?);
                if is_settled {
                    let entry = (stamp, listing.clone());
                    self.listings().insert(repository.clone(), entry);
                }
                listing
            }
        };
        let pulled = self.0.storage.pulled(&repository)?;
        Ok(Content {
            repository,
            listing,
            pulled,
        })
    }

    fn list(&self, repository: &Repository) -> io::Result<Listing> {
        let storage = &self.0.storage;
        let mut manifests = BTreeMap::new();
        for listed in storage.listed_manifests(repository)? {
            let facts = self.0.facts.get(storage, repository, &listed)?;
            manifests.insert(listed.digest.clone(), manifest(listed, facts));
        }
        let tags: Vec<ListedTag> = storage.listed_tags(repository)?;
        Ok(listing(tags, manifests))
    }

    fn listings(&self) -> MutexGuard<'_, HashMap<Repository, (Stamp, Arc<Listing>)>> {
        let listings = &self.0.listings;
        listings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn manifest(listed: ListedManifest, facts: Arc<Facts>) -> Manifest {
    Manifest {
        digest: listed.digest,
        media_type: listed.media_type,
        pushed: listed.pushed,
        facts,
        size: 0,
        tags: Vec::new(),
        referrers: Vec::new(),
        parents: Vec::new(),
    }
}

/// Puts together who stands for what, who is about whom, and what all of it takes.
fn listing(tags: Vec<ListedTag>, mut manifests: BTreeMap<Digest, Manifest>) -> Listing {
    for tag in &tags {
        let digest = tag.digest.as_ref();
        if let Some(manifest) = digest.and_then(|digest| manifests.get_mut(digest)) {
            manifest.tags.push(tag.tag.clone());
        }
    }
    let all: Vec<(Digest, Arc<Facts>)> = manifests
        .iter()
        .map(|(digest, manifest)| (digest.clone(), manifest.facts.clone()))
        .collect();
    for (digest, facts) in &all {
        if let Some(subject) = facts.subject.as_ref().and_then(|it| manifests.get_mut(it)) {
            subject.referrers.push(digest.clone());
        }
        for child in &facts.children {
            if let Some(child) = manifests.get_mut(child) {
                child.parents.push(digest.clone());
            }
        }
    }
    let sizes: Vec<u64> = all
        .iter()
        .map(|(digest, _)| size(&manifests, [digest]))
        .collect();
    let size = size(&manifests, manifests.keys());
    for (manifest, size) in manifests.values_mut().zip(sizes) {
        manifest.size = size;
    }
    let entry = |tag: ListedTag| TagEntry {
        tag: tag.tag,
        digest: tag.digest,
        pushed: tag.pushed,
    };
    Listing {
        tags: tags.into_iter().map(entry).collect(),
        manifests,
        size,
    }
}

/// Bytes of manifests and of what they name, each counted once.
fn size<'a>(
    manifests: &'a BTreeMap<Digest, Manifest>,
    of: impl IntoIterator<Item = &'a Digest>,
) -> u64 {
    let mut counted = BTreeSet::new();
    let mut ahead: Vec<&Digest> = of.into_iter().collect();
    let mut size: u64 = 0;
    while let Some(digest) = ahead.pop() {
        let Some(manifest) = manifests.get(digest) else {
            continue;
        };
        if !counted.insert(digest) {
            continue;
        }
        size = size.saturating_add(manifest.facts.bytes);
        for (blob, bytes) in &manifest.facts.blobs {
            if counted.insert(blob) {
                size = size.saturating_add(*bytes);
            }
        }
        ahead.extend(&manifest.facts.children);
    }
    size
}
