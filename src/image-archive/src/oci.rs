//! Images that an OCI `index.json` lists, in a layout or in a tarball that holds one.

use std::sync::Arc;

use serde::Deserialize;

use crate::digest::abridge;
use crate::error::{Error, Result};
use crate::files::{Documents, Files};
use crate::image::{Config, Document, Image, Layer};
use crate::limits::Limits;
use crate::manifest::{Descriptor, Index, Manifest, MediaType};
use crate::platform::Platform;
use crate::reference::Reference;

/// The index of a layout.
pub(crate) const INDEX: &str = "index.json";
/// The file that marks a layout.
pub(crate) const LAYOUT: &str = "oci-layout";
/// The full name, as containerd writes it.
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The name, or sometimes the tag alone.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Indexes within indexes that are followed.
const DEEPEST: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutVersion {
    image_layout_version: String,
}

/// The images of a layout directory.
pub(crate) fn images_of_layout<F: Files + 'static>(
    files: &Arc<F>,
    platform: &Platform,
    limits: Limits,
) -> Result<Vec<Result<Image>>> {
    if files.size(INDEX)?.is_none() {
        return Err(Error::NotAnImage {
            path: files.path().to_owned(),
            why: "the directory has no index.json",
        });
    }
    let mut documents = Documents::new(files.as_ref(), limits.document, limits.documents);
    images(files, &mut documents, platform, limits)
}

/// The images that `index.json` lists. The names of those without one are left empty.
pub(crate) fn images<F: Files + 'static>(
    files: &Arc<F>,
    documents: &mut Documents<'_>,
    platform: &Platform,
    limits: Limits,
) -> Result<Vec<Result<Image>>> {
    let bytes = documents.read(LAYOUT)?;
    let version: LayoutVersion = documents.parse(LAYOUT, &bytes)?;
    if version.image_layout_version != "1.0.0" {
        let what = format!(
            "an OCI image layout of version `{}`",
            abridge(&version.image_layout_version)
        );
        return Err(Error::Unsupported {
            path: files.path().to_owned(),
            what,
        });
    }
    let bytes = documents.read(INDEX)?;
    let index: Index = documents.parse(INDEX, &bytes)?;
    let mut images = Vec::new();
    for (descriptor, names) in group(index.manifests, platform) {
        let shown = names
            .first()
            .cloned()
            .unwrap_or_else(|| descriptor.digest.to_string());
        let image = image(files, documents, platform, limits, descriptor, &names);
        images.push(image.map_err(|error| error.of_image(shown)));
    }
    Ok(images)
}

/// One entry an image, with all the names it has; without attestations, and without what is for another platform if
/// the same name stands for this one too.
fn group(descriptors: Vec<Descriptor>, platform: &Platform) -> Vec<(Descriptor, Vec<String>)> {
    let fits = |descriptor: &Descriptor| {
        descriptor
            .platform
            .as_ref()
            .is_none_or(|found| found.runs_on(platform))
    };
    let fitting: Vec<Option<String>> = descriptors
        .iter()
        .filter(|descriptor| fits(descriptor))
        .map(name_of)
        .collect();
    let mut groups: Vec<(Descriptor, Vec<String>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for descriptor in descriptors {
        let name = name_of(&descriptor);
        if descriptor.is_attestation() || (!fits(&descriptor) && fitting.contains(&name)) {
            continue;
        }
        let place = *places.entry(descriptor.digest).or_insert_with(|| {
            groups.push((descriptor, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.extend(name);
    }
    groups
}

fn name_of(descriptor: &Descriptor) -> Option<String> {
    descriptor
        .annotation(CONTAINERD_NAME)
        .or_else(|| descriptor.annotation(REF_NAME))
        .map(str::to_owned)
}

fn image<F: Files + 'static>(
    files: &Arc<F>,
    documents: &mut Documents<'_>,
    platform: &Platform,
    limits: Limits,
    descriptor: Descriptor,
    names: &[String],
) -> Result<Image> {
    let chain = chain(files.as_ref(), documents, platform, descriptor)?;
    let references = names
        .iter()
        .map(|name| reference(files.as_ref(), name, &chain))
        .collect::<Result<Vec<_>>>()?;
    let Some(last) = chain.last() else {
        return Err(files.missing(INDEX));
    };
    let manifest: Manifest = documents.parse(&last.descriptor.digest.blob_path(), &last.bytes)?;
    if manifest.config.kind() != MediaType::Config {
        let what = format!(
            "an artifact of type `{}` instead of an image",
            abridge(&manifest.config.media_type)
        );
        return Err(Error::Unsupported {
            path: files.path().to_owned(),
            what,
        });
    }
    let config = Config {
        name: manifest.config.digest.blob_path(),
        digest: manifest.config.digest,
        size: manifest.config.size,
    };
    let layers = manifest
        .layers
        .iter()
        .map(|layer| self::layer(files.as_ref(), layer))
        .collect::<Result<_>>()?;
    Ok(Image::new(
        files.clone(),
        limits,
        platform.clone(),
        references,
        chain,
        config,
        layers,
    ))
}

/// The documents from what `index.json` names down to the manifest for `platform`.
fn chain(
    files: &dyn Files,
    documents: &mut Documents<'_>,
    platform: &Platform,
    target: Descriptor,
) -> Result<Vec<Document>> {
    let mut chain = Vec::new();
    let mut next = target;
    while chain.len() <= DEEPEST {
        let kind = next.kind();
        if !matches!(kind, MediaType::Index | MediaType::Manifest) {
            let what = format!("a manifest of type `{}`", abridge(&next.media_type));
            return Err(Error::Unsupported {
                path: files.path().to_owned(),
                what,
            });
        }
        if let Some(found) = next
            .platform
            .as_ref()
            .filter(|found| !found.runs_on(platform))
        {
            return Err(wrong_platform(files, platform, found.to_string()));
        }
        let bytes = documents.blob(next.digest, next.size)?;
        let index: Option<Index> = match kind {
            MediaType::Index => Some(documents.parse(&next.digest.blob_path(), &bytes)?),
            _ => None,
        };
        chain.push(Document {
            descriptor: next,
            bytes,
        });
        match index {
            Some(index) => next = choose(files, platform, index)?,
            None => return Ok(chain),
        }
    }
    Err(Error::Document {
        path: files.path().to_owned(),
        name: INDEX.into(),
        why: "indexes lie in indexes".into(),
    })
}

fn choose(files: &dyn Files, platform: &Platform, index: Index) -> Result<Descriptor> {
    let mut found = Vec::new();
    for descriptor in index
        .manifests
        .into_iter()
        .filter(|descriptor| !descriptor.is_attestation())
    {
        match &descriptor.platform {
            Some(other) if !other.runs_on(platform) => found.push(other.to_string()),
            _ => return Ok(descriptor),
        }
    }
    found.sort();
    found.dedup();
    found.truncate(20);
    Err(wrong_platform(
        files,
        platform,
        if found.is_empty() {
            "no platform".into()
        } else {
            found.join(", ")
        },
    ))
}

fn wrong_platform(files: &dyn Files, wanted: &Platform, found: String) -> Error {
    Error::WrongPlatform {
        path: files.path().to_owned(),
        wanted: wanted.clone(),
        found,
    }
}

fn layer(files: &dyn Files, descriptor: &Descriptor) -> Result<Layer> {
    let unsupported = |what: &str| {
        let what = format!("{what} of type `{}`", abridge(&descriptor.media_type));
        Err(Error::Unsupported {
            path: files.path().to_owned(),
            what,
        })
    };
    match descriptor.kind() {
        MediaType::Layer | MediaType::CompressedLayer => Ok(Layer {
            name: descriptor.digest.blob_path(),
            size: descriptor.size,
            descriptor: Some(descriptor.clone()),
        }),
        MediaType::ForeignLayer => unsupported("a layer that may not be distributed,"),
        _ => unsupported("a layer"),
    }
}

/// A name, whose digest, if it has one, must be of one of the image's documents.
fn reference(files: &dyn Files, name: &str, chain: &[Document]) -> Result<Reference> {
    let unnamed = |why: String| Error::Unnamed {
        path: files.path().to_owned(),
        text: abridge(name),
        why,
    };
    if !name.contains([':', '/', '@']) {
        return Err(unnamed("that may be a tag alone".into()));
    }
    let reference: Reference = name.parse().map_err(|error: Error| match error {
        Error::Reference { why, .. } => unnamed(why.into()),
        other => other,
    })?;
    match reference.digest() {
        Some(digest)
            if chain
                .iter()
                .all(|document| document.descriptor.digest != digest) =>
        {
            Err(unnamed("its digest is of another image".into()))
        }
        _ => Ok(reference),
    }
}
