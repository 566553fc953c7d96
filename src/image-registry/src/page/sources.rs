//! Where the page has its images from: all that the registry gives out, as far as a login may pull it.

use std::io::{self, Read as _};

use crate::access::{Identity, Right};
use crate::digest::Digest;
use crate::inventory::{Content, Inventory};
use crate::names::{ManifestReference, Repository};
use crate::storage::{Space, Storage};

/// Bytes of a config that are read: those of images have a few thousand.
const LONGEST_CONFIG: u64 = 4 << 20;

/// All sources. What they do blocks.
#[derive(Clone, Debug)]
pub struct Sources {
    inventory: Inventory,
    storage: Storage,
}

impl Sources {
    /// What was pushed to a store.
    pub fn new(inventory: Inventory, storage: Storage) -> Self {
        Self { inventory, storage }
    }

    /// What all repositories hold from which a login may pull, in the order of their names.
    pub fn visible(&self, identity: &Identity) -> io::Result<Vec<Content>> {
        let mut contents = self.inventory.all()?;
        contents.retain(|content| identity.may(Right::Pull, &content.repository));
        Ok(contents)
    }

    /// A manifest's bytes, if it is there.
    pub fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<Option<Vec<u8>>> {
        let reference = ManifestReference::Digest(digest.clone());
        let manifest = self.storage.manifest(repository, &reference)?;
        Ok(manifest.map(|manifest| manifest.bytes))
    }

    /// The start of a blob, which is all of any config, if it is there.
    pub fn config(&self, repository: &Repository, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let Some((file, _)) = self.storage.blob(repository, digest)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(LONGEST_CONFIG).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The disk of the store.
    pub fn space(&self) -> io::Result<Space> {
        self.storage.space()
    }
}
