//! The frozen images in memory: which repository has which tag, manifest and blob, and where their bytes lie.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use image_archive::Place;

use super::contents::{Contents, Manifest};
use crate::digest::Digest;
use crate::names::{ManifestReference, Repository, Tag};

/// All frozen images.
#[derive(Debug, Default)]
pub struct Index {
    repositories: BTreeMap<Repository, FrozenRepository>,
}

/// The frozen images of a repository.
#[derive(Debug)]
pub struct FrozenRepository {
    /// The path that brought the first of them.
    pub source: PathBuf,
    /// With the place of what brought it among all lists.
    tags: BTreeMap<Tag, (usize, Digest)>,
    manifests: BTreeMap<Digest, Manifest>,
    blobs: BTreeMap<Digest, Place>,
}

impl Index {
    /// A repository, if images of it are frozen.
    pub fn get(&self, repository: &Repository) -> Option<&FrozenRepository> {
        self.repositories.get(repository)
    }

    /// All of them, in the order of their names.
    pub fn repositories(&self) -> impl Iterator<Item = (&Repository, &FrozenRepository)> {
        self.repositories.iter()
    }

    /// Adds the manifests and blobs of an image that lies at `source`.
    pub fn add(
        &mut self,
        repository: &Repository,
        contents: &Contents,
        source: &Path,
    ) -> &mut FrozenRepository {
        let images = self.repositories.entry(repository.clone());
        let images = images.or_insert_with(|| FrozenRepository {
            source: source.to_owned(),
            tags: BTreeMap::new(),
            manifests: BTreeMap::new(),
            blobs: BTreeMap::new(),
        });
        images.extend(contents);
        images
    }

    /// Adds what is about another manifest to the repositories that have that one. How many they are.
    pub fn add_referrer(&mut self, contents: &Contents, subject: &Digest) -> usize {
        let mut added = 0;
        for images in self.repositories.values_mut() {
            if images.manifests.contains_key(subject) {
                images.extend(contents);
                added += 1;
            }
        }
        added
    }
}

impl FrozenRepository {
    fn extend(&mut self, contents: &Contents) {
        for manifest in &contents.manifests {
            let digest = manifest.digest.clone();
            self.manifests.insert(digest, manifest.clone());
        }
        self.blobs.extend(contents.blobs.iter().cloned());
    }

    /// Gives a manifest a tag. As with `docker load`, the last one that the lists name has it, whenever it was added. Whether two
    /// want it.
    pub fn tag(&mut self, tag: Tag, order: usize, digest: &Digest) -> bool {
        let known = self.tags.get(&tag);
        let is_taken = known.is_some_and(|(_, known)| known != digest);
        if known.is_none_or(|(known, _)| *known <= order) {
            self.tags.insert(tag, (order, digest.clone()));
        }
        is_taken
    }

    /// A manifest.
    pub fn manifest(&self, reference: &ManifestReference) -> Option<&Manifest> {
        let digest = match reference {
            ManifestReference::Digest(digest) => digest,
            ManifestReference::Tag(tag) => &self.tags.get(tag)?.1,
        };
        self.manifests.get(digest)
    }

    /// All manifests.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.values()
    }

    /// Where a blob lies.
    pub fn blob(&self, digest: &Digest) -> Option<&Place> {
        self.blobs.get(digest)
    }

    /// All blobs.
    pub fn blobs(&self) -> impl Iterator<Item = (&Digest, &Place)> {
        self.blobs.iter()
    }

    /// The tags, in their order.
    pub fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.tags.keys()
    }

    /// The manifests that are about another one, which need not be there.
    pub fn referrers(&self, subject: &Digest) -> BTreeSet<Digest> {
        let about = |manifest: &&Manifest| manifest.subject.as_ref() == Some(subject);
        let referrers = self.manifests.values().filter(about);
        referrers.map(|manifest| manifest.digest.clone()).collect()
    }
}
