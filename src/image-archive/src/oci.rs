//! Images that an OCI `index.json` lists, in a layout or in a tarball that holds one.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::digest::abridge;
use crate::error::{Error, Result};
use crate::files::{Documents, Files};
use crate::image::{Config, Document, Image, Layer};
use crate::limits::Limits;
use crate::manifest::{Descriptor, MediaType};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::selection::{Blobs, Entries, Entry, Refused, Selected, select};

/// The index of a layout.
pub(crate) const INDEX: &str = "index.json";
/// The file that marks a layout.
pub(crate) const LAYOUT: &str = "oci-layout";
/// The full name, as containerd writes it.
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The name, or sometimes the tag alone.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

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

/// The entries of `index.json`, of a layout whose version is known.
pub(crate) fn index(files: &dyn Files, documents: &mut Documents<'_>) -> Result<Vec<Entry>> {
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
    let index: Entries = documents.parse(INDEX, &bytes)?;
    Ok(index.into_list())
}

/// The images that `index.json` lists. The names of those without one are left empty.
pub(crate) fn images<F: Files + 'static>(
    files: &Arc<F>,
    documents: &mut Documents<'_>,
    platform: &Platform,
    limits: Limits,
) -> Result<Vec<Result<Image>>> {
    let index = index(files.as_ref(), documents)?.into_iter();
    let (entries, others): (Vec<Entry>, Vec<Entry>) = index.partition(|entry| entry.may_be_image);
    // Beside images, what is none is passed over; alone, it is a mistake to name it.
    if let (true, Some(other)) = (entries.is_empty(), others.first()) {
        let refused = Refused::NoImage(abridge(other.shown()));
        return Err(refusal(files.as_ref(), platform, refused));
    }
    let mut images = Vec::new();
    let (mut wanted, mut strange) = (Vec::new(), Vec::new());
    for entry in entries {
        match &entry.descriptor {
            Ok(descriptor) => wanted.push((descriptor.clone(), entry.rank(platform))),
            // What is for another platform harms nobody.
            Err(why) if entry.rank(platform).is_some() => strange.push(why.clone()),
            Err(_) => {}
        }
    }
    for why in strange {
        images.push(Err(Error::Document {
            path: files.path().to_owned(),
            name: INDEX.into(),
            why,
        }));
    }
    let mut artifacts = Vec::new();
    for (descriptor, names) in group(wanted) {
        let shown = names
            .first()
            .map_or_else(|| descriptor.digest.to_string(), |name| abridge(name));
        let mut blobs = InFiles {
            files: files.as_ref(),
            documents,
        };
        match select(&mut blobs, &descriptor, platform) {
            Ok(selected) => {
                let image = image(files, platform, limits, selected, &names);
                images.push(image.map_err(|error| error.of_image(shown)));
            }
            Err(refused) => {
                let is_artifact = matches!(refused, Refused::NoImage(_));
                let error = refusal(files.as_ref(), platform, refused).of_image(shown);
                if is_artifact {
                    artifacts.push(Err(error));
                } else {
                    images.push(Err(error));
                }
            }
        }
    }
    // cosign keeps signatures beside the images that they are of.
    if images.is_empty() {
        images = artifacts;
    }
    Ok(images)
}

/// One entry an image, with all the names it has; without those for which the same name stands for a better one.
pub(crate) fn group(entries: Vec<(Descriptor, Option<u32>)>) -> Vec<(Descriptor, Vec<String>)> {
    let mut best: HashMap<Option<String>, u32> = HashMap::new();
    for (descriptor, rank) in &entries {
        if let Some(rank) = *rank {
            let best = best.entry(name_of(descriptor)).or_insert(rank);
            *best = rank.min(*best);
        }
    }
    let mut groups: Vec<(Descriptor, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for (descriptor, rank) in entries {
        let name = name_of(&descriptor);
        if best.get(&name).is_some_and(|best| rank != Some(*best)) {
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
    platform: &Platform,
    limits: Limits,
    selected: Selected,
    names: &[String],
) -> Result<Image> {
    let chain: Vec<Document> = (selected.documents.into_iter())
        .map(|(descriptor, bytes)| Document { descriptor, bytes })
        .collect();
    let references = names
        .iter()
        .map(|name| reference(files.as_ref(), name, &chain))
        .collect::<Result<Vec<_>>>()?;
    let chain = without_odd_indexes(chain, &references);
    let manifest = selected.manifest;
    let config = Config {
        name: manifest.config.digest.blob_path(),
        digest: manifest.config.digest,
        size: manifest.config.size,
        platform: selected.platform,
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

/// Whether an engine would not find the manifest by itself: it lies below an index in an index, which the containerd store
/// of Docker 26 does not enter, or is for a platform that is not the machine's first choice.
pub(crate) fn is_odd(chain: &[Document]) -> bool {
    let named = chain
        .first()
        .and_then(|first| first.descriptor.platform.as_ref());
    chain.len() > 2
        || (chain.len() == 2 && named.is_some_and(|platform| !platform.is_a_machines_own()))
}

/// The manifest alone where the indexes are odd, unless a name asks for one of them by its digest.
fn without_odd_indexes(mut chain: Vec<Document>, references: &[Reference]) -> Vec<Document> {
    let digests: Vec<_> = chain
        .iter()
        .map(|document| document.descriptor.digest)
        .collect();
    let asks_for_index = references
        .iter()
        .filter_map(Reference::digest)
        .any(|digest| Some(&digest) != digests.last());
    if is_odd(&chain) && !asks_for_index {
        let indexes = chain.len() - 1;
        chain.drain(..indexes);
    }
    chain
}

/// The documents of a layout or tarball.
struct InFiles<'a, 'd> {
    files: &'a dyn Files,
    documents: &'a mut Documents<'d>,
}

impl Blobs for InFiles<'_, '_> {
    type Error = Error;

    fn document(&mut self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>> {
        if self.files.size(&descriptor.digest.blob_path())?.is_none() {
            return Ok(None);
        }
        self.documents
            .blob(descriptor.digest, descriptor.size)
            .map(Some)
    }
}

fn refusal(files: &dyn Files, wanted: &Platform, refused: Refused<Error>) -> Error {
    const SHOWN: usize = 20;
    let unsupported = |what: String| Error::Unsupported {
        path: files.path().to_owned(),
        what,
    };
    match refused {
        Refused::Blobs(error) => error,
        Refused::Missing(descriptor) => files.missing(&descriptor.digest.blob_path()),
        Refused::Platform(mut found) => {
            found.truncate(SHOWN);
            let found = if found.is_empty() {
                "no platform".to_owned()
            } else {
                found.join(", ")
            };
            wrong_platform(files, wanted, found)
        }
        Refused::NoImage(what) => {
            unsupported(format!("an artifact of type `{what}` instead of an image"))
        }
        Refused::Schema1 => unsupported("a manifest of schema 1".to_owned()),
        Refused::Document {
            descriptor, why, ..
        } => Error::Document {
            path: files.path().to_owned(),
            name: descriptor.map_or_else(
                || INDEX.to_owned(),
                |descriptor| descriptor.digest.blob_path(),
            ),
            why,
        },
    }
}

fn wrong_platform(files: &dyn Files, wanted: &Platform, found: String) -> Error {
    Error::WrongPlatform {
        path: files.path().to_owned(),
        wanted: wanted.to_string(),
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

/// A name as an annotation has it.
pub(crate) fn name(files: &dyn Files, text: &str) -> Result<Reference> {
    if !text.contains([':', '/', '@']) {
        return Err(unnamed(files, text, "that may be a tag alone"));
    }
    text.parse().map_err(|error: Error| match error {
        Error::Reference { why, .. } => unnamed(files, text, why),
        other => other,
    })
}

fn unnamed(files: &dyn Files, text: &str, why: &str) -> Error {
    Error::Unnamed {
        path: files.path().to_owned(),
        text: abridge(text),
        why: why.into(),
    }
}

/// A name, whose digest, if it has one, must be of one of the image's documents.
fn reference(files: &dyn Files, text: &str, chain: &[Document]) -> Result<Reference> {
    let reference = name(files, text)?;
    match reference.digest() {
        Some(digest)
            if chain
                .iter()
                .all(|document| document.descriptor.digest != digest) =>
        {
            Err(unnamed(files, text, "its digest is of another image"))
        }
        _ => Ok(reference),
    }
}
