//! Where images come from: registries, docker-archive tarballs, OCI image layouts, the local Docker daemon; and which
//! images a recipe or a BOSH manifest names.

pub mod chain;
mod copy;
pub mod daemon;
pub mod docker_archive;
pub mod documents;
pub mod env_file;
pub mod error;
pub mod layout;
pub mod location;
pub mod manifest;
pub mod platform;
pub mod recipe;
pub mod registry;
mod service_images;
pub mod variables;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use image_archive::{Digest, Reference};

pub use chain::{Described, Layer};
pub use error::{Error, Result};
pub use location::Location;

/// An image that is to be frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is.
    pub location: Location,
    /// What recipes call it, where that is not what the source calls it.
    pub named: Option<Reference>,
}

/// An image that was found: everything but the bytes of its layers.
#[derive(Clone, Debug)]
pub struct Found {
    /// What recipes call it.
    pub reference: Reference,
    /// Documents, config and layers.
    pub described: Described,
    /// Where it came from, unless that is its registry.
    pub note: Option<String>,
    /// What has its layers.
    pub origin: Origin,
}

impl Found {
    /// The digest of the first document: what the name stands for.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.described.digest()
    }
}

/// What has the layers of an image.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A registry.
    Registry(registry::Repository),
    /// A directory.
    Layout(layout::Layout),
    /// A tarball, perhaps one that the Docker daemon has just written.
    Archive(docker_archive::Archive),
}

/// A layer to be fetched, and the file to write it to.
#[derive(Clone, Copy, Debug)]
pub struct Fetch<'a> {
    /// The layer.
    pub layer: &'a Layer,
    /// A file that may hold the beginning of it already. When it is done it holds all of it, verified and flushed.
    pub part: &'a Path,
}

/// Told how many bytes of a layer are there.
pub type Progress<'a> = dyn Fn(&Layer, u64) + 'a;

impl Origin {
    /// Whether one reading serves all layers, as with a tarball, so that they should be fetched together.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        matches!(self, Self::Archive(_))
    }

    /// Fetches layers and verifies their digests and sizes.
    pub fn fetch(
        &self,
        layers: &[Fetch<'_>],
        progress: &Progress<'_>,
        stop: &AtomicBool,
    ) -> Result<()> {
        match self {
            Self::Registry(repository) => layers.iter().try_for_each(|fetch| {
                repository.fetch(*fetch, &|bytes| progress(fetch.layer, bytes))
            }),
            Self::Layout(layout) => layers.iter().try_for_each(|fetch| {
                layout.fetch(*fetch, &|bytes| progress(fetch.layer, bytes), stop)
            }),
            Self::Archive(archive) => archive.fetch(layers, progress, stop),
        }
    }
}

/// The last part of a path: where a file lay on somebody's machine is no business of the release.
fn file_name(path: &Path) -> String {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    full.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
