//! A stored image as a whole again: its documents from `src/images`, its layers from the blobs.

use std::path::{Path, PathBuf};

use image_archive::{
    Descriptor, Digest, Image, Index, Layouts, Limits, Manifest, Piece, Pieces, Source,
    VerifiedImage,
};

use super::error::{Error, Result};
use super::images_lock::{FILE as LOCK_FILE, LockedImage};
use super::{Release, blobs, consistency, files, tree};
use crate::image::Frozen;

/// An image whose every byte was checked.
pub(crate) struct Stored {
    pub(crate) image: VerifiedImage,
}

/// Reads an image's documents, and checks that they are those that the lock names.
pub(crate) fn read_documents(release: &Release, image: &LockedImage) -> Result<Frozen> {
    let directory = release.root.join(tree::documents_directory(image));
    let index_path = directory.join("index.json");
    let index: Index = parse(&index_path, &required(&index_path)?)?;
    let read = |digest: Digest| -> Result<(Digest, Vec<u8>)> {
        let path = directory.join(digest.blob_path());
        let bytes = required(&path)?;
        let actual = Digest::of(&bytes);
        if actual == digest {
            return Ok((digest, bytes));
        }
        Err(Error::WrongDigest {
            path,
            expected: digest,
            actual,
        })
    };
    let (_, manifest) = read(image.manifest)?;
    let manifest_path = directory.join(image.manifest.blob_path());
    let parsed: Manifest = parse(&manifest_path, &manifest)?;
    let first = index
        .manifests
        .first()
        .filter(|first| first.digest == image.digest)
        .ok_or_else(|| {
            Error::invalid(
                &index_path,
                format!("manifests: {} is not the first", image.digest),
            )
        })?;
    let mut documents = Vec::new();
    if image.digest != image.manifest {
        let (_, bytes) = read(image.digest)?;
        documents.push((first.clone(), bytes));
    }
    for digest in &image.nested {
        let (_, bytes) = read(*digest)?;
        let path = directory.join(digest.blob_path());
        let index: Index = parse(&path, &bytes)?;
        documents.push((described(index.media_type, *digest, &bytes), bytes));
    }
    let own = if image.digest == image.manifest {
        first.clone()
    } else {
        described(parsed.media_type.clone(), image.manifest, &manifest)
    };
    documents.push((own, manifest));
    let frozen = Frozen {
        reference: image.reference.clone(),
        digest: image.digest,
        platform: image.platform.clone(),
        documents,
        config: (parsed.config, read(image.config)?.1),
        layers: parsed.layers,
        note: image.source.clone(),
    };
    consistency::check(&frozen)?;
    let stored = frozen.layers.iter().map(|layer| (layer.digest, layer.size));
    let locked = image.layers.iter().map(|layer| (layer.digest, layer.size));
    if !stored.eq(locked) {
        return Err(Error::invalid(
            &release.root.join(LOCK_FILE),
            format!(
                "the layers of {} are not those of its manifest",
                image.reference.familiar()
            ),
        ));
    }
    Ok(frozen)
}

fn described(media_type: Option<String>, digest: Digest, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.unwrap_or_default(),
        digest,
        size: bytes.len() as u64,
        platform: None,
        annotations: None,
    }
}

impl Release {
    /// The tarball of an image that is stored as one.
    #[must_use]
    pub fn archive_path(&self, image: &LockedImage) -> Option<PathBuf> {
        let blob = tree::archive_blob(image)?;
        Some(self.root.join(blobs::DIRECTORY).join(blob))
    }

    /// Documents and config of an image, checked against the lock; the bytes of its layers are not.
    ///
    /// # Errors
    /// When one is missing or damaged.
    pub fn documents(&self, image: &LockedImage) -> Result<Frozen> {
        read_documents(self, image)
    }
}

impl Stored {
    /// Opens and verifies an image: every digest, size and diff ID.
    pub(crate) fn open(release: &Release, image: &LockedImage) -> Result<Self> {
        let found = if let Some(path) = release.archive_path(image) {
            let layouts = Layouts::default();
            let source = Source::open(&path, &layouts, &image.platform, Limits::DEFAULT)?;
            only_image(source, image)?
        } else {
            let frozen = read_documents(release, image)?;
            assemble(release, image, &frozen)?
        };
        Ok(Self {
            image: found.verify()?,
        })
    }
}

/// Puts an image together as one layout, whose layers stay where they are: nothing is written for that.
pub(crate) fn assemble(release: &Release, image: &LockedImage, frozen: &Frozen) -> Result<Image> {
    let mut pieces = Pieces {
        path: release.root.join(tree::documents_directory(image)),
        ..Pieces::default()
    };
    for layer in image.unique_layers() {
        let path = release.layer_path(&layer.digest);
        if !path.is_file() {
            return Err(Error::MissingLayer {
                reference: image.reference.familiar(),
                digest: layer.digest,
                path,
            });
        }
        let name = layer.digest.blob_path();
        pieces.files.insert(name, Piece::File(path));
    }
    let mut add = |name: String, bytes: &[u8]| {
        pieces.files.insert(name, Piece::Bytes(bytes.to_vec()));
    };
    for (descriptor, bytes) in frozen.documents.iter().chain([&frozen.config]) {
        add(descriptor.digest.blob_path(), bytes);
    }
    if let Some((first, _)) = frozen.documents.first() {
        let index = tree::index(&image.reference, first);
        add("index.json".to_owned(), index.as_bytes());
    }
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    add("oci-layout".to_owned(), layout);
    let source = Source::of_pieces(pieces, &image.platform, Limits::DEFAULT)?;
    only_image(source, image)
}

fn only_image(source: Source, image: &LockedImage) -> Result<Image> {
    let path = source.path().to_owned();
    let path = path.as_path();
    let mut images = source.into_images().into_iter();
    let found = match (images.next(), images.next()) {
        (Some(found), None) => found?,
        _ => return Err(Error::invalid(path, "it holds more than one image")),
    };
    if found.config_digest() != image.config {
        return Err(Error::WrongDigest {
            path: path.to_owned(),
            expected: image.config,
            actual: found.config_digest(),
        });
    }
    let mut names = found.references().iter();
    if names.any(|name| name.repository() != image.reference.repository()) {
        return Err(Error::invalid(path, "the image in it has another name"));
    }
    Ok(found)
}

fn required(path: &Path) -> Result<Vec<u8>> {
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    files::read(path)?.ok_or_else(|| Error::read(path)(missing()))
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::invalid(path, error.to_string()))
}
