//! Where the page has its images from: all that the registry gives out, as far as a login may pull it.

use std::io::{self, Read as _, Seek as _, SeekFrom};

use crate::access::{Identity, Right};
use crate::digest::Digest;
use crate::frozen::Frozen;
use crate::inventory::{Content, FrozenInventory, Inventory};
use crate::names::{ManifestReference, Repository};
use crate::storage::{Space, Storage};

/// Bytes of a config that are read: those of images have a few thousand.
const LONGEST_CONFIG: u64 = 4 << 20;

/// All sources. What they do blocks.
#[derive(Clone, Debug)]
pub struct Sources {
    inventory: Inventory,
    frozen_inventory: FrozenInventory,
    frozen: Frozen,
    storage: Storage,
}

impl Sources {
    /// What was pushed to a store, and what releases brought to this VM.
    pub fn new(inventory: Inventory, frozen: Frozen, storage: Storage) -> Self {
        Self {
            inventory,
            frozen_inventory: FrozenInventory::new(frozen.clone(), storage.clone()),
            frozen,
            storage,
        }
    }

    /// What all repositories hold from which a login may pull, in the order of their names.
    pub fn visible(&self, identity: &Identity) -> io::Result<Vec<Content>> {
        let mut contents = self.frozen_inventory.add_to(self.inventory.all()?)?;
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
        let manifest = match self.frozen.manifest(repository, &reference)? {
            Some(manifest) => Some(manifest),
            None => self.storage.manifest(repository, &reference)?,
        };
        Ok(manifest.map(|manifest| manifest.bytes))
    }

    /// The start of a blob, which is all of any config, if it is there.
    pub fn config(&self, repository: &Repository, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let frozen = self.frozen.blob(repository, digest)?;
        let (mut file, offset, size) = match frozen {
            Some(frozen) => frozen,
            None => match self.storage.blob(repository, digest)? {
                Some((file, size)) => (file, 0, size),
                None => return Ok(None),
            },
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
}
