//! A stored image as a whole again: its documents from `src/images`, its layers from the blobs.

use std::fs;
use std::path::Path;

use image_archive::{
    Descriptor, Digest, Image, Index, Layouts, Limits, Manifest, Source, VerifiedImage,
};

use super::error::{Error, Result};
use super::images_lock::{FILE as LOCK_FILE, LockedImage};
use super::scratch::Scratch;
use super::{Release, blobs, consistency, files, tree};
use crate::image::Frozen;

/// An image whose every byte was checked, with the directory that it is read from.
pub(crate) struct Stored {
    pub(crate) image: VerifiedImage,
    _scratch: Scratch,
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
    let own = if image.digest == image.manifest {
        first.clone()
    } else {
        Descriptor {
            media_type: parsed.media_type.clone().unwrap_or_default(),
            digest: image.manifest,
            size: manifest.len() as u64,
            platform: None,
            annotations: None,
        }
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

impl Stored {
    /// Opens and verifies an image: every digest, size and diff ID.
    pub(crate) fn open(release: &Release, image: &LockedImage) -> Result<Self> {
        let scratch = Scratch::new(&release.root)?;
        let found = if let Some(blob) = tree::archive_blob(image) {
            let path = release.root.join(blobs::DIRECTORY).join(blob);
            only_image(&path, image)?
        } else {
            let frozen = read_documents(release, image)?;
            assemble(release, image, &frozen, scratch.path())?
        };
        Ok(Self {
            image: found.verify()?,
            _scratch: scratch,
        })
    }
}

/// Puts an image together as one layout: layers are linked rather than copied.
pub(crate) fn assemble(
    release: &Release,
    image: &LockedImage,
    frozen: &Frozen,
    directory: &Path,
) -> Result<Image> {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(Error::write(&blobs))?;
    for layer in image.unique_layers() {
        let (from, to) = (
            release.layer_path(&layer.digest),
            blobs.join(layer.digest.hex()),
        );
        if !from.is_file() {
            return Err(Error::MissingLayer {
                reference: image.reference.familiar(),
                digest: layer.digest,
                path: from,
            });
        }
        // Not every file system has hard links.
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).map_err(Error::write(&to))?;
        }
    }
    for (descriptor, bytes) in frozen.documents.iter().chain([&frozen.config]) {
        files::write(&blobs.join(descriptor.digest.hex()), bytes)?;
    }
    if let Some((first, _)) = frozen.documents.first() {
        let index = tree::index(&image.reference, first);
        files::write(&directory.join("index.json"), index.as_bytes())?;
    }
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    files::write(&directory.join("oci-layout"), layout)?;
    only_image(directory, image)
}

fn only_image(path: &Path, image: &LockedImage) -> Result<Image> {
    let source = Source::open(path, &Layouts::default(), &image.platform, Limits::DEFAULT)?;
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
