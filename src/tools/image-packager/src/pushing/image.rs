//! An image that is to be pushed: its documents in the order in which a registry takes them, and where its blobs lie.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use image_archive::{
    Descriptor, Digest, HashingReader, Index, Manifest, MediaType, Platform, Reference,
};

use super::Error;
use super::temporary::Packed;
use crate::freezing::registry_reference;
use crate::image::Frozen;
use crate::release::{self, LockedImage, Release};
use crate::source::chain::Documents;
use crate::source::{self, Found, Location, Origin, docker_archive, layout};

/// An image, or an index with all of its images that are here.
#[derive(Clone, Debug)]
pub struct Image {
    /// What the command line or `list` calls it.
    pub name: String,
    /// What it is called itself.
    pub reference: Reference,
    /// Manifests before the indexes that name them; the last is what the name stands for.
    pub documents: Vec<Document>,
    /// What its indexes name and what is not here.
    pub absent: Vec<Descriptor>,
    /// The manifest of the chosen platform.
    pub manifest: Digest,
    /// Where its blobs lie, but for those in a tarball.
    pub held: BTreeMap<Digest, Held>,
    /// The tarball that has its layers, if one has.
    pub archive: Option<Packed>,
    /// Where it was frozen from.
    pub from: Option<Reference>,
    is_in_release: bool,
}

/// A manifest or index.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its media type, digest and size.
    pub descriptor: Descriptor,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Config and layers.
    pub blobs: Vec<Descriptor>,
}

/// Where a blob lies.
#[derive(Clone, Debug)]
pub enum Held {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file, whose digest was not checked.
    File(PathBuf),
}

impl Image {
    /// An image that is frozen in a release.
    ///
    /// # Errors
    /// When documents of it are missing or damaged.
    pub fn frozen(release: &Release, locked: &LockedImage) -> Result<Self, Error> {
        let name = locked.reference.familiar();
        let from = registry_reference(locked);
        if let Some(path) = release.archive_path(locked) {
            let found =
                docker_archive::find(&path, None, Some(&locked.reference), &locked.platform)?;
            let image = Self::found(name, &found)?;
            return Ok(Self { from, ..image });
        }
        let frozen = release.documents(locked)?;
        let mut image = Self::new(
            name,
            &locked.reference,
            &FrozenDocuments(&frozen),
            &frozen.documents,
        )?;
        image.is_in_release = true;
        image.from = from;
        image.hold(&frozen.config.0, Held::Bytes(frozen.config.1.clone()));
        for layer in &frozen.layers {
            image.hold(layer, Held::File(release.layer_path(&layer.digest)));
        }
        Ok(image)
    }

    /// An image in a tarball or an OCI image layout.
    ///
    /// # Errors
    /// When it is not there, not to be chosen among others, or damaged.
    pub fn elsewhere(location: &Location, named: Option<&Reference>) -> Result<Self, Error> {
        let platform = Platform::host();
        let found = match location {
            Location::DockerArchive(path, name) => {
                docker_archive::find(path, name.as_deref(), named, &platform)?
            }
            Location::Layout(path, name) => layout::find(path, name.as_deref(), named, &platform)?,
            Location::Registry(_) | Location::Daemon(_) => {
                return Err(source::Error::Location {
                    text: location.to_string(),
                    why: "only frozen images, tarballs and OCI image layouts can be pushed"
                        .to_owned(),
                }
                .into());
            }
        };
        Self::found(location.to_string(), &found)
    }

    fn found(name: String, found: &Found) -> Result<Self, Error> {
        let described = &found.described;
        let documents = &described.documents;
        match &found.origin {
            Origin::Layout(layout) => {
                let mut image = Self::new(name, &found.reference, layout, documents)?;
                let blobs: Vec<Descriptor> = (image.documents.iter())
                    .flat_map(|document| document.blobs.clone())
                    .collect();
                for blob in blobs {
                    // What is not there may be in the registry.
                    if layout.has(&blob) {
                        let file = layout.blob_file(&blob.digest)?;
                        image.hold(&blob, Held::File(file));
                    }
                }
                Ok(image)
            }
            Origin::Archive(archive) => {
                let mut image = Self::new(name, &found.reference, archive, documents)?;
                let (config, bytes) = &described.config;
                image.hold(config, Held::Bytes(bytes.clone()));
                image.archive = Some(Packed {
                    archive: archive.clone(),
                    layers: described.layers.clone(),
                });
                Ok(image)
            }
            Origin::Registry(_) => Err(Error::Empty { image: name }),
        }
    }

    /// `chosen` leads from what the name stands for down to the platform's manifest.
    fn new(
        name: String,
        reference: &Reference,
        source: &dyn Documents,
        chosen: &[(Descriptor, Vec<u8>)],
    ) -> Result<Self, Error> {
        let (Some((first, bytes)), Some((manifest, _))) = (chosen.first(), chosen.last()) else {
            return Err(Error::Empty { image: name });
        };
        let mut image = Self {
            name,
            reference: reference.clone(),
            documents: Vec::new(),
            absent: Vec::new(),
            manifest: manifest.digest,
            held: BTreeMap::new(),
            archive: None,
            from: None,
            is_in_release: false,
        };
        let mut seen = BTreeSet::from([first.digest]);
        image.add(source, first.clone(), bytes.clone(), &mut seen)?;
        Ok(image)
    }

    /// Adds a document after all that it names.
    fn add(
        &mut self,
        source: &dyn Documents,
        descriptor: Descriptor,
        bytes: Vec<u8>,
        seen: &mut BTreeSet<Digest>,
    ) -> Result<(), Error> {
        let mut blobs = Vec::new();
        if descriptor.kind() == MediaType::Index {
            let index: Index = self.parse("index", &descriptor, &bytes)?;
            for child in index.manifests {
                if !seen.insert(child.digest) {
                    continue;
                }
                let is_document = matches!(child.kind(), MediaType::Index | MediaType::Manifest);
                if is_document && source.has(&child) {
                    source::chain::check_document_size(&child, &self.name)?;
                    let bytes = source.document(&child)?;
                    self.add(source, child, bytes, seen)?;
                } else {
                    self.absent.push(child);
                }
            }
        } else {
            let manifest: Manifest = self.parse("manifest", &descriptor, &bytes)?;
            blobs.push(manifest.config);
            // A foreign layer lies at a URL of its maker.
            let own = |layer: &Descriptor| layer.kind() != MediaType::ForeignLayer;
            blobs.extend(manifest.layers.into_iter().filter(own));
        }
        self.documents.push(Document {
            descriptor,
            bytes,
            blobs,
        });
        Ok(())
    }

    /// The digest of what the name stands for.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        Some(self.documents.last()?.descriptor.digest)
    }

    /// Reads a file again and compares it with what it should be, before a registry gets it.
    ///
    /// # Errors
    /// When it is missing, or has other bytes.
    pub fn check(&self, path: &Path, blob: &Descriptor) -> Result<(), Error> {
        if self.is_in_release && !path.is_file() {
            return Err(release::Error::MissingLayer {
                reference: self.name.clone(),
                digest: blob.digest,
                path: path.to_owned(),
            }
            .into());
        }
        let file = File::open(path).map_err(source::Error::file("opening", path))?;
        let mut reader = HashingReader::new(file);
        std::io::copy(&mut reader, &mut std::io::sink())
            .map_err(source::Error::file("reading", path))?;
        let (actual, size) = reader.finish();
        if (actual, size) == (blob.digest, blob.size) {
            return Ok(());
        }
        let (path, expected) = (path.to_owned(), blob.digest);
        Err(if self.is_in_release {
            release::Error::WrongDigest {
                path,
                expected,
                actual,
            }
            .into()
        } else {
            source::Error::WrongDigest {
                path,
                expected,
                actual,
            }
            .into()
        })
    }

    fn hold(&mut self, blob: &Descriptor, held: Held) {
        self.held.insert(blob.digest, held);
    }

    fn parse<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|error| {
            let (digest, image, why) = (descriptor.digest, self.name.clone(), error.to_string());
            source::Error::Document {
                what,
                digest,
                image,
                why,
            }
            .into()
        })
    }
}

/// The documents of a frozen image.
struct FrozenDocuments<'a>(&'a Frozen);

impl Documents for FrozenDocuments<'_> {
    fn document(&self, descriptor: &Descriptor) -> source::Result<Vec<u8>> {
        let mut documents = self.0.documents.iter();
        let found = documents.find(|(known, _)| known.digest == descriptor.digest);
        found
            .map(|(_, bytes)| bytes.clone())
            .ok_or_else(|| source::Error::Document {
                what: "document",
                digest: descriptor.digest,
                image: self.0.reference.familiar(),
                why: "it is not in the release".to_owned(),
            })
    }

    fn has(&self, descriptor: &Descriptor) -> bool {
        let mut documents = self.0.documents.iter();
        documents.any(|(known, _)| known.digest == descriptor.digest)
    }
}
