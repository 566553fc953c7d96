//! The images that the registry gives out, wherever they come from: what was pushed to it, and what belongs to other registries.
//!
//! An image of another registry has that registry's host as the first part of its repository here: `docker.io/library/redis`.

mod name;

use std::fs::File;
use std::io;

pub use name::Name;

use crate::access::{Identity, Right};
use crate::blocking::blocking;
use crate::cache::{Along, Cache, CachedBlob};
use crate::digest::Digest;
use crate::frozen::Frozen;
use crate::mirrored::Hosts;
use crate::names::{ManifestReference, Repository};
use crate::storage::{Storage, StoredManifest};
use crate::upstream::{Download, Failure};

/// A blob to be given out.
pub enum Blob {
    /// A part of a file, which is all of the blob.
    InFile {
        /// The file.
        file: File,
        /// Where in it the blob begins.
        offset: u64,
        /// Bytes of the blob.
        size: u64,
    },
    /// A part of the cache, which may still grow.
    Along(Along),
    /// What comes from its registry and goes past the cache.
    Through(Box<Download>),
    /// Only so many bytes are known: nobody wants them.
    Size(u64),
}

/// Why an image cannot be given out.
#[derive(Debug)]
pub enum Error {
    /// The store failed.
    Store(io::Error),
    /// The registry that it belongs to did.
    Upstream(Failure),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Upstream(failure)
    }
}

impl Blob {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        match self {
            Self::InFile { size, .. } | Self::Size(size) => *size,
            Self::Along(along) => along.size(),
            Self::Through(download) => download.size(),
        }
    }
}

/// All images.
#[derive(Clone, Debug)]
pub struct Images {
    storage: Storage,
    frozen: Frozen,
    hosts: Hosts,
    cache: Option<Cache>,
}

impl Images {
    /// Those of a store.
    pub fn new(storage: Storage) -> Self {
        Self {
            storage,
            hosts: Hosts::default(),
            cache: None,
            frozen: Frozen::default(),
        }
    }

    /// The same with what releases brought to this VM.
    pub fn with_frozen(self, frozen: Frozen) -> Self {
        Self { frozen, ..self }
    }

    /// What releases brought to this VM.
    pub fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// The whole name of a repository, if images of it are frozen.
    pub fn frozen_repository(&self, name: &Name) -> Option<Repository> {
        let frozen = &self.frozen;
        match name {
            Name::Own(repository) => frozen.resolve(repository),
            Name::Mirrored(mirrored) => (frozen.at(&mirrored.host, &mirrored.path))
                .and_then(|repository| frozen.resolve(&repository)),
        }
    }

    /// The same with what is fetched from other registries.
    pub fn with_cache(self, hosts: Hosts, cache: Cache) -> Self {
        Self {
            hosts,
            cache: Some(cache),
            ..self
        }
    }

    /// The cache, if there is one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// What a request's repository stands for; `registry` is the host in whose place a client asks (its `ns`). None if no images
    /// of it are here.
    ///
    /// dockerd asks a mirror of Docker Hub without `ns`: what was never pushed here is Docker Hub's for those who read. Those who
    /// may push there mean the registry's own, and what they are about to push is nobody else's to know.
    pub async fn name(
        &self,
        repository: Repository,
        registry: Option<&str>,
        right: Option<Right>,
        identity: &Identity,
    ) -> io::Result<Option<Name>> {
        if let Some(host) = registry {
            let mirrored = self.hosts.at(host, &repository).map(Name::Mirrored);
            return Ok(mirrored.or_else(|| self.frozen.at(host, &repository).map(Name::Own)));
        }
        if let Some(mirrored) = self.hosts.of(&repository) {
            return Ok(Some(Name::Mirrored(mirrored)));
        }
        let is_read = right == Some(Right::Pull) && !identity.may(Right::Push, &repository);
        let at_hub = self.hosts.at_docker_hub(&repository);
        let at_hub = at_hub.filter(|hub| is_read && identity.may(Right::Pull, &hub.repository));
        if let Some(hub) = at_hub {
            let (storage, repository) = (self.storage.clone(), repository.clone());
            if !blocking(move || Ok(storage.has_repository(&repository))).await? {
                return Ok(Some(Name::Mirrored(hub)));
            }
        }
        Ok(Some(Name::Own(repository)))
    }

    /// The store of what is pushed.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// A manifest, if it is there.
    pub async fn manifest(
        &self,
        name: &Name,
        reference: &ManifestReference,
    ) -> Result<Option<StoredManifest>, Error> {
        if let Some(repository) = self.frozen_repository(name) {
            let (frozen, reference) = (self.frozen.clone(), reference.clone());
            let found = blocking(move || frozen.manifest(&repository, &reference)).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        match name {
            Name::Own(repository) => {
                let (storage, repository) = (self.storage.clone(), repository.clone());
                let reference = reference.clone();
                Ok(blocking(move || storage.manifest(&repository, &reference)).await?)
            }
            Name::Mirrored(name) => match &self.cache {
                Some(cache) => Ok(cache.manifest(name, reference).await?),
                None => Ok(None),
            },
        }
    }

    /// Notes that a manifest was pulled; nobody waits for it.
    pub fn note_pulled(&self, name: &Name, digest: &Digest) {
        let frozen = self.frozen_repository(name);
        let frozen = frozen.filter(|repository| self.frozen.has_manifest(repository, digest));
        let repository = match (frozen, name) {
            (Some(repository), _) => repository,
            (None, Name::Own(repository)) => repository.clone(),
            (None, Name::Mirrored(_)) => return,
        };
        let (storage, digest) = (self.storage.clone(), digest.clone());
        tokio::task::spawn_blocking(move || storage.note_pulled(&repository, &digest));
    }

    /// A blob, if it is there. `is_asked` is whether a client only asks for it, and may refer to it soon.
    pub async fn blob(
        &self,
        name: &Name,
        digest: &Digest,
        is_asked: bool,
    ) -> Result<Option<Blob>, Error> {
        if let Some(repository) = self.frozen_repository(name) {
            let (frozen, digest) = (self.frozen.clone(), digest.clone());
            let found = blocking(move || frozen.blob(&repository, &digest)).await?;
            if let Some((file, offset, size)) = found {
                return Ok(Some(Blob::InFile { file, offset, size }));
            }
        }
        match name {
            Name::Own(repository) => {
                let (storage, repository) = (self.storage.clone(), repository.clone());
                let digest = digest.clone();
                let found = blocking(move || {
                    if is_asked {
                        storage.note_asked(&repository, &digest);
                    }
                    storage.blob(&repository, &digest)
                });
                let in_file = |(file, size)| Blob::InFile {
                    file,
                    offset: 0,
                    size,
                };
                Ok(found.await?.map(in_file))
            }
            Name::Mirrored(name) => {
                let Some(cache) = &self.cache else {
                    return Ok(None);
                };
                if is_asked {
                    return Ok(cache.blob_size(name, digest).await?.map(Blob::Size));
                }
                Ok(cache.blob(name, digest).await?.map(|blob| match blob {
                    CachedBlob::Along(along) => Blob::Along(along),
                    CachedBlob::Through(download) => Blob::Through(download),
                }))
            }
        }
    }
}
