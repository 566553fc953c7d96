//! What the engine has of an image.
//!
//! The two image stores know an image by different digests, and tell differently whether it is complete: in the graph
//! drivers' store an image that is there is complete; the containerd store lists images whose layers are missing or not
//! unpacked.

use std::cell::RefCell;
use std::collections::HashMap;

use docker_engine::{Engine, ImageStore};
use image_archive::{Image, Platform, Reference};

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
        self.complete && self.missing_tags.is_empty() && self.missing_digests.is_empty()
    }

    /// Whether a tag or two is all that is left to do.
    pub fn lacks_only_tags(&self) -> bool {
        self.complete && self.missing_digests.is_empty()
    }
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

/// The engine's images.
pub struct Stock<'a> {
    engine: &'a Engine,
    store: ImageStore,
    platform: &'a Platform,
    /// Digest to completeness, for engines that tell; empty for others.
    complete: RefCell<Option<HashMap<String, bool>>>,
}

impl<'a> Stock<'a> {
    /// Asks nothing yet.
    pub fn new(engine: &'a Engine, store: ImageStore, platform: &'a Platform) -> Self {
        Self {
            engine,
            store,
            platform,
            complete: RefCell::new(None),
        }
    }

    /// The image store.
    pub fn store(&self) -> ImageStore {
        self.store
    }

    /// Forgets what was listed, since the engine's images changed.
    pub fn refresh(&self) {
        self.complete.replace(None);
    }

    /// What the engine has of `image`.
    pub fn find(&self, image: &Image) -> Result<Found, Error> {
        let digest = match self.store {
            ImageStore::GraphDriver => image.config_digest().to_string(),
            ImageStore::Containerd => image.target()?.to_string(),
        };
        let inspected = self.engine.inspect_image(&digest)?;
        let mut found = Found {
            digest: digest.clone(),
            ..Found::default()
        };
        let tags: Vec<Reference> = match &inspected {
            Some(inspected) => inspected
                .repo_tags
                .iter()
                .filter_map(|tag| tag.parse().ok())
                .collect(),
            None => Vec::new(),
        };
        if inspected.is_some() {
            (found.complete, found.why_not) = self.is_complete(&digest)?;
        }
        for reference in image.references() {
            if let Some(tagged) = reference.tagged()
                && !tags.contains(&tagged)
            {
                found.missing_tags.push(tagged);
            }
            if let Some(digested) = reference.digested() {
                self.find_digested(&digested, &digest, &mut found)?;
            }
        }
        Ok(found)
    }

    fn find_digested(
        &self,
        digested: &Reference,
        digest: &str,
        found: &mut Found,
    ) -> Result<(), Error> {
        let expected = match self.store {
            ImageStore::GraphDriver => digest.to_owned(),
            ImageStore::Containerd => digested
                .digest()
                .map(|digest| digest.to_string())
                .unwrap_or_default(),
        };
        let resolved = self.engine.inspect_image(&digested.to_string())?;
        if resolved.is_none_or(|image| image.id != expected) {
            match self.store {
                // This store learns digests only by pulling (moby#43570).
                ImageStore::GraphDriver => found.unresolvable.push(digested.clone()),
                ImageStore::Containerd => found.missing_digests.push(digested.clone()),
            }
        }
        Ok(())
    }

    fn is_complete(&self, digest: &str) -> Result<(bool, Option<String>), Error> {
        if self.store == ImageStore::GraphDriver {
            return Ok((true, None));
        }
        if self.complete.borrow().is_none() {
            let listed = self
                .engine
                .image_manifests()?
                .unwrap_or_default()
                .into_iter()
                .map(|summary| {
                    let complete =
                        summary.is_complete_for(&self.platform.os, &self.platform.architecture);
                    (summary.id, complete)
                });
            self.complete.replace(Some(listed.collect()));
        }
        if self
            .complete
            .borrow()
            .as_ref()
            .is_some_and(|listed| listed.get(digest) == Some(&true))
        {
            return Ok((true, None));
        }
        match self.engine.try_image(digest) {
            Ok(()) => Ok((true, None)),
            Err(error) if error.is_engine_trouble() => Err(error.into()),
            Err(error) => Ok((false, Some(error.to_string()))),
        }
    }
}
