//! What the engine has, asked for once for all images.
//!
//! The two image stores know an image by different digests, and tell differently whether it is complete. In the graph
//! drivers' store an image that is there is complete, and one list tells all. The containerd store knows also images
//! whose layers are missing or not unpacked, and its list costs milliseconds a layer; there each image's history is asked
//! for, several at once: engines up to 26 answer only if every layer is unpacked. What that does not tell is found out
//! once ([`Complete`] remembers): newer engines say it in that list, and making a container of an image is proof anywhere.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use docker_engine::{Engine, ImageStore, ImageSummary, Result};
use image_archive::{Digest, Image, Platform, Reference};

use crate::chains::Chains;
use crate::complete::Complete;

/// What the engine has of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The engine's digest of the image.
    pub digest: String,
    /// Whether a container could be made of it.
    pub complete: bool,
    /// Why not, in the engine's words.
    pub why_not: Option<String>,
    /// References with a tag that do not stand for it.
    pub missing_tags: Vec<Reference>,
    /// References with a digest that do not stand for it, and could.
    pub missing_digests: Vec<Reference>,
    /// References with a digest that cannot stand for it in this image store.
    pub unresolvable: Vec<Reference>,
}

impl Found {
    /// Whether nothing is left to do.
    pub fn is_all(&self) -> bool {
        self.is_loaded() && self.missing_tags.is_empty()
    }

    /// Whether a tag or two is all that may be left to do.
    pub fn is_loaded(&self) -> bool {
        self.complete && self.missing_digests.is_empty()
    }
}

/// An image that the engine knows.
#[derive(Debug, Default)]
struct EngineImage {
    names: HashSet<Reference>,
    /// Whether all its layers are unpacked, as far as its history tells.
    unpacked: bool,
}

/// The engine's images at one time.
#[derive(Debug)]
pub struct EngineInventory {
    store: ImageStore,
    platform: Platform,
    images: HashMap<String, EngineImage>,
    /// The images that the engine says are complete, once that was asked; nothing from engines that do not say.
    complete_ids: OnceCell<HashSet<String>>,
}

impl EngineInventory {
    /// Asks for what concerns the `wanted` images.
    pub fn ask<'a>(
        engine: &Engine,
        store: ImageStore,
        platform: &Platform,
        wanted: impl Iterator<Item = &'a Image>,
        threads: usize,
    ) -> Result<Self> {
        let images = match store {
            ImageStore::GraphDriver => {
                let listed = engine.images()?.into_iter();
                listed
                    .map(|summary| (summary.id.clone(), EngineImage::listed(&summary)))
                    .collect()
            }
            ImageStore::Containerd => {
                let digests: BTreeSet<String> = wanted.flat_map(digests).collect();
                histories(engine, &digests.into_iter().collect::<Vec<_>>(), threads)?
            }
        };
        Ok(Self {
            store,
            platform: platform.clone(),
            images,
            complete_ids: OnceCell::new(),
        })
    }

    /// What there is of an image under these names, which are to stand for it.
    pub fn find(
        &self,
        engine: &Engine,
        complete: &Complete,
        image: &Image,
        names: &[Reference],
    ) -> std::result::Result<Found, Error> {
        let digest = match self.store {
            ImageStore::GraphDriver => image.config_digest(),
            ImageStore::Containerd => image.target()?,
        };
        let mut found = Found {
            digest: digest.to_string(),
            ..Found::default()
        };
        if let Some(held) = self.images.get(&found.digest) {
            found.why_not = self.why_not(engine, complete, &found.digest, held)?;
            found.complete = found.why_not.is_none();
        }
        if !found.complete {
            complete.forget(&found.digest);
        }
        for name in names {
            if let Some(tagged) = name.tagged()
                && !self.answers_to(engine, complete, &tagged, digest)?
            {
                found.missing_tags.push(tagged);
            }
            let Some((digested, own)) = name.digested().zip(name.digest()) else {
                continue;
            };
            match self.store {
                ImageStore::Containerd if !image.document_digests().any(|known| known == own) => {
                    found.unresolvable.push(digested);
                }
                ImageStore::Containerd if !self.stands_for(&digested, own) => {
                    found.missing_digests.push(digested);
                }
                // This store learns digests only by pulling (moby#43570).
                ImageStore::GraphDriver if !self.stands_for(&digested, digest) => {
                    found.unresolvable.push(digested);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether a name by digest stands for the image of a digest: the containerd store looks for an image of this
    /// digest under any name of the repository (moby, `daemon/containerd/image.go`, `resolveImage`).
    fn stands_for(&self, name: &Reference, digest: Digest) -> bool {
        let Some(held) = self.images.get(&digest.to_string()) else {
            return false;
        };
        let same_repository = |other: &Reference| other.repository() == name.repository();
        match self.store {
            ImageStore::GraphDriver => held.names.contains(name),
            ImageStore::Containerd => held.names.iter().any(same_repository),
        }
    }

    /// Whether the engine finds the image under a name with a tag.
    fn answers_to(
        &self,
        engine: &Engine,
        complete: &Complete,
        name: &Reference,
        digest: Digest,
    ) -> Result<bool> {
        let (digest, text) = (digest.to_string(), name.to_string());
        let held = self.images.get(&digest);
        if !held.is_some_and(|held| held.names.contains(name)) {
            return Ok(false);
        }
        if self.store == ImageStore::GraphDriver || complete.knows_name(&digest, &text) {
            return Ok(true);
        }
        let found = engine.inspect_image(&text)?;
        let answers = found.is_some_and(|found| found.id == digest);
        if answers {
            complete.note_name(&digest, &text);
        }
        Ok(answers)
    }

    /// Why an image that is there is not complete.
    fn why_not(
        &self,
        engine: &Engine,
        complete: &Complete,
        digest: &str,
        held: &EngineImage,
    ) -> Result<Option<String>> {
        if held.unpacked && (self.store == ImageStore::GraphDriver || complete.knows(digest)) {
            return Ok(None);
        }
        let proven = held.unpacked
            && (engine.history_proves_layers()? || self.complete_ids(engine)?.contains(digest));
        if !proven {
            match engine.try_image(digest) {
                Ok(()) => {}
                Err(error) if error.is_engine_trouble() => return Err(error),
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        complete.note(digest);
        Ok(None)
    }

    fn complete_ids(&self, engine: &Engine) -> Result<&HashSet<String>> {
        if let Some(complete_ids) = self.complete_ids.get() {
            return Ok(complete_ids);
        }
        let listed = engine.image_manifests()?.unwrap_or_default();
        let (os, architecture) = (&self.platform.os, &self.platform.architecture);
        let complete = listed
            .into_iter()
            .filter(|summary| summary.is_complete_for(os, architecture));
        let complete_ids = complete.map(|summary| summary.id).collect();
        Ok(self.complete_ids.get_or_init(|| complete_ids))
    }

    /// The layers of all images that are known to be complete, which others need not bring again.
    pub fn chains(&self, engine: &Engine, complete: &Complete) -> Result<Chains> {
        let mut chains = Chains::default();
        for summary in engine.images()? {
            let sound = self.store == ImageStore::GraphDriver
                || complete.knows(&summary.id)
                || self.complete_ids(engine)?.contains(&summary.id);
            if sound && let Some(image) = engine.inspect_image(&summary.id)? {
                let diff_ids = image.root_fs.layers.iter().map(|layer| layer.parse().ok());
                chains.add(&diff_ids.map_while(|digest| digest).collect::<Vec<_>>());
            }
        }
        Ok(chains)
    }
}

impl EngineImage {
    fn listed(summary: &ImageSummary) -> Self {
        let names = summary.repo_tags.iter().chain(&summary.repo_digests);
        Self {
            names: names.filter_map(|name| name.parse().ok()).collect(),
            unpacked: true,
        }
    }
}

/// By what the containerd store may know an image: what its names stand for, and the manifest or index that a name by
/// digest means.
fn digests(image: &Image) -> impl Iterator<Item = String> {
    let named = image.references().iter().filter_map(Reference::digest);
    image
        .target()
        .into_iter()
        .chain(named)
        .map(|digest| digest.to_string())
}

/// What the containerd store has of images, asked for several at once.
fn histories(
    engine: &Engine,
    digests: &[String],
    threads: usize,
) -> Result<HashMap<String, EngineImage>> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(digests.len()) {
            scope.spawn(|| {
                while let Some(digest) = digests.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let history = history(engine, digest);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.push(history.map(|held| Some((digest.clone(), held?))));
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.into_iter().filter_map(Result::transpose).collect()
}

fn history(engine: &Engine, digest: &str) -> Result<Option<EngineImage>> {
    let (unpacked, history) = match engine.image_history(digest) {
        Ok(Some(history)) => (true, history),
        Ok(None) => return Ok(None),
        // A layer is not unpacked, or the history has other layers than the image.
        Err(docker_engine::Error::Status { status: 500, .. }) => (false, Vec::new()),
        Err(error) => return Err(error),
    };
    let names = match history.into_iter().next() {
        Some(first) => first.tags,
        // Where there is no history there are no names in it either.
        None => match engine.inspect_image(digest)? {
            Some(image) => [image.repo_tags, image.repo_digests].concat(),
            None => return Ok(None),
        },
    };
    Ok(Some(EngineImage {
        names: names.iter().filter_map(|name| name.parse().ok()).collect(),
        unpacked,
    }))
}

/// Why it cannot be said what the engine has.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] docker_engine::Error),
    /// The image.
    #[error(transparent)]
    Image(#[from] image_archive::Error),
}
