//! What an image consists of, read from a layout: manifests, which are small, are verified; blobs need only be there.

use std::path::Path;

use image_archive::{InPlace, Layouts, Limits, Place, Platform};
use serde::Deserialize;

use crate::digest::Digest;

/// Indexes within indexes.
const DEEPEST: usize = 5;
/// Manifests of one image, with those of its platforms.
const MOST_MANIFESTS: usize = 1_000;
/// What to do about what is damaged.
const AGAIN: &str = "freeze the image again, and rebuild the release";

/// A manifest or index.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Where its bytes lie.
    pub place: Place,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
}

/// All that an image consists of.
#[derive(Debug, Default)]
pub struct Contents {
    /// Manifests and indexes, that which the name stands for first.
    pub manifests: Vec<Manifest>,
    /// Configs and layers.
    pub blobs: Vec<(Digest, Place)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
}

/// Opens what can be given out as it lies.
pub fn open_layout(path: &Path, layouts: &Layouts) -> image_archive::Result<Option<InPlace>> {
    InPlace::open(path, layouts, &Platform::host(), Limits::DEFAULT)
}

/// Reads what a descriptor of the layout leads to. Of an index, the manifests that are there: a release has one platform as a
/// rule.
///
/// # Errors
/// What is wrong, in words.
pub fn read(layout: &InPlace, target: &image_archive::Descriptor) -> Result<Contents, String> {
    let target = Descriptor {
        media_type: target.media_type.clone(),
        digest: target.digest.to_string(),
        size: target.size,
    };
    let mut contents = Contents::default();
    let is_there = enter(layout, &target, 0, &mut contents)?;
    if is_there {
        Ok(contents)
    } else {
        Err(format!("its manifest {} is not there", target.digest))
    }
}

/// Whether the manifest is there.
fn enter(
    layout: &InPlace,
    descriptor: &Descriptor,
    depth: usize,
    contents: &mut Contents,
) -> Result<bool, String> {
    let digest = digest(descriptor)?;
    if contents
        .manifests
        .iter()
        .any(|known| known.digest == digest)
    {
        return Ok(true);
    }
    let Some(place) = place(layout, &digest)? else {
        return Ok(false);
    };
    if depth > DEEPEST || contents.manifests.len() >= MOST_MANIFESTS {
        return Err(format!(
            "too many manifests belong to it, {digest} among them"
        ));
    }
    let bytes = layout
        .document(&path(&digest))
        .map_err(|error| told(&error))?;
    let bytes = bytes.ok_or_else(|| format!("its manifest {digest} is not there any more"))?;
    let found = Digest::of(digest.algorithm(), &bytes);
    if found != digest {
        return Err(format!(
            "the bytes of its manifest {digest} have the digest {found}; {AGAIN}"
        ));
    }
    let document: Document = serde_json::from_slice(&bytes)
        .map_err(|error| format!("its manifest {digest} is none: {error}"))?;
    let subject = document.subject.as_ref().map(self::digest).transpose()?;
    let media_type = document.media_type.filter(|own| !own.is_empty());
    contents.manifests.push(Manifest {
        digest: digest.clone(),
        media_type: media_type.unwrap_or_else(|| descriptor.media_type.clone()),
        place,
        subject,
    });
    for blob in document
        .config
        .iter()
        .chain(document.layers.iter().flatten())
    {
        contents.blobs.push(self::blob(layout, blob)?);
    }
    let mut is_whole = document.manifests.is_none();
    for child in document.manifests.iter().flatten() {
        is_whole |= enter(layout, child, depth + 1, contents)?;
    }
    if is_whole {
        Ok(true)
    } else {
        Err(format!(
            "none of the manifests that its index {digest} names is there"
        ))
    }
}

fn blob(layout: &InPlace, descriptor: &Descriptor) -> Result<(Digest, Place), String> {
    let digest = digest(descriptor)?;
    let place = place(layout, &digest)?.ok_or_else(|| {
        format!("its blob {digest} is not there; the job that lists the image must list the packages of all its layers in its spec")
    })?;
    if place.size == descriptor.size {
        Ok((digest, place))
    } else {
        let (found, size) = (place.size, descriptor.size);
        Err(format!(
            "its blob {digest} has {found} bytes instead of {size}; {AGAIN}"
        ))
    }
}

fn digest(descriptor: &Descriptor) -> Result<Digest, String> {
    let text = &descriptor.digest;
    text.parse()
        .map_err(|()| format!("it names {text:.100?}, which is no digest"))
}

fn place(layout: &InPlace, digest: &Digest) -> Result<Option<Place>, String> {
    layout.place(&path(digest)).map_err(|error| told(&error))
}

fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// An error with its causes, and what can be done about it, on one line.
pub fn told(error: &image_archive::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    match error.hint() {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}
