//! What releases brought to this VM, in the form of what was pushed: for those who look. Retention does not ask for it, since
//! nothing of it can be removed.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use super::facts::{Facts, facts_of};
use super::{Content, Listing, Manifest, listing, manifest};
use crate::digest::Digest;
use crate::frozen::Frozen;
use crate::names::{ManifestReference, Repository};
use crate::storage::{ListedManifest, ListedTag, Storage};

/// The frozen images of a registry.
#[derive(Clone, Debug)]
pub struct FrozenInventory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    frozen: Frozen,
    storage: Storage,
    /// What was listed, and after how many changes.
    known: Mutex<(u64, Listings)>,
}

type Listings = Vec<(Repository, Arc<Listing>)>;

impl FrozenInventory {
    /// Of these images; when they were pulled is noted in the store.
    pub fn new(frozen: Frozen, storage: Storage) -> Self {
        Self(Arc::new(Inner {
            frozen,
            storage,
            known: Mutex::default(),
        }))
    }

    /// Puts what is frozen among what was pushed, in the order of the repositories' names. It blocks.
    pub fn add_to(&self, pushed: Vec<Content>) -> io::Result<Vec<Content>> {
        let mut contents: BTreeMap<Repository, Content> = pushed
            .into_iter()
            .map(|content| (content.repository.clone(), content))
            .collect();
        for (repository, listing) in self.listings() {
            let listing = match contents.get(&repository) {
                Some(pushed) => Arc::new(together(&pushed.listing, &listing)),
                None => listing,
            };
            let pulled = self.0.storage.pulled(&repository)?;
            let content = Content {
                repository: repository.clone(),
                listing,
                pulled,
            };
            contents.insert(repository, content);
        }
        Ok(contents.into_values().collect())
    }

    fn listings(&self) -> Listings {
        let known = &self.0.known;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.0.frozen.changes();
        if known.0 != changes {
            let repositories = self.0.frozen.repositories().into_iter();
            let listings = repositories.filter_map(|repository| {
                let listing = Arc::new(self.list(&repository)?);
                Some((repository, listing))
            });
            *known = (changes, listings.collect());
        }
        known.1.clone()
    }

    fn list(&self, repository: &Repository) -> Option<Listing> {
        let (tags, listed) = self.0.frozen.listed(repository)?;
        let manifests = listed.into_iter().map(|listed| {
            let facts = self.facts(repository, &listed).unwrap_or_else(|error| {
                tracing::warn!(%repository, digest = %listed.digest, why = %error, "a frozen manifest cannot be read");
                Facts::broken()
            });
            (listed.digest.clone(), manifest(listed, Arc::new(facts)))
        });
        let manifests = manifests.collect();
        Some(listing(tags, manifests))
    }

    fn facts(&self, repository: &Repository, listed: &ListedManifest) -> io::Result<Facts> {
        let frozen = &self.0.frozen;
        let reference = ManifestReference::Digest(listed.digest.clone());
        let found = frozen.manifest(repository, &reference)?;
        let bytes = found.map(|manifest| manifest.bytes);
        let (facts, _) = facts_of(listed, bytes, |config| {
            let Some((mut file, offset, size)) = frozen.blob(repository, config)? else {
                return Ok(None);
            };
            file.seek(SeekFrom::Start(offset))?;
            Ok(Some(Box::new(file.take(size)) as Box<dyn Read>))
        })?;
        Ok(facts)
    }
}

/// A repository to which images were pushed before others of it were frozen, whose tags go first.
fn together(pushed: &Listing, frozen: &Listing) -> Listing {
    let mut tags: BTreeMap<_, ListedTag> = BTreeMap::new();
    for tag in pushed.tags.iter().chain(&frozen.tags) {
        let listed = ListedTag {
            tag: tag.tag.clone(),
            digest: tag.digest.clone(),
            pushed: tag.pushed,
        };
        tags.insert(tag.tag.clone(), listed);
    }
    let all = pushed.manifests.iter().chain(&frozen.manifests);
    let alone = |(digest, manifest): (&Digest, &Manifest)| {
        let alone = Manifest {
            tags: Vec::new(),
            referrers: Vec::new(),
            parents: Vec::new(),
            ..manifest.clone()
        };
        (digest.clone(), alone)
    };
    listing(tags.into_values().collect(), all.map(alone).collect())
}
