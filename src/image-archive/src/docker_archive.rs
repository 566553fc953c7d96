//! Images in tarballs of `docker save`: with `manifest.json` (Docker 1.10 and later), and with an OCI layout beside it
//! (Docker 25 and later). The OCI part says more and wins.

use std::sync::Arc;

use serde::Deserialize;

use crate::digest::{Digest, abridge};
use crate::error::{Error, Result};
use crate::files::{Documents, Files, check_blob};
use crate::image::{Config, Image, Layer};
use crate::limits::Limits;
use crate::oci;
use crate::platform::Platform;
use crate::reference::Reference;

const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The images of a tarball.
pub(crate) fn images<F: Files + 'static>(
    files: &Arc<F>,
    platform: &Platform,
    limits: Limits,
) -> Result<Vec<Result<Image>>> {
    let mut documents = Documents::new(files.as_ref(), limits.document, limits.documents);
    let mut images = Vec::new();
    let has_layout = files.size(oci::LAYOUT)?.is_some() && files.size(oci::INDEX)?.is_some();
    if has_layout {
        images = oci::images(files, &mut documents, platform, limits)?;
    }
    let Some(bytes) = documents.find(MANIFEST)? else {
        return if has_layout {
            Ok(images)
        } else {
            Err(no_manifest(files.as_ref())?)
        };
    };
    // If one of the layout's images is bad, what the older list says of it must not sneak it in.
    let all_good = images.iter().all(Result::is_ok);
    // A tarball without images has `null` here.
    let items: Option<Vec<Item>> = documents.parse(MANIFEST, &bytes)?;
    for item in items.unwrap_or_default() {
        let shown = item
            .repo_tags
            .iter()
            .flatten()
            .next()
            .map_or_else(|| item.config.clone(), Clone::clone);
        let shown = abridge(&shown);
        match read_item(files, &mut documents, platform, limits, &item) {
            Ok(image) => match find(&images, &image) {
                Some(place) => {
                    if let Ok(known) = &images[place] {
                        images[place] = Ok(known.with_references(image.references()));
                    }
                }
                None if all_good => images.push(Ok(image)),
                None => {}
            },
            Err(error) => images.push(Err(error.of_image(shown))),
        }
    }
    Ok(images)
}

fn find(images: &[Result<Image>], wanted: &Image) -> Option<usize> {
    images.iter().position(|image| {
        image
            .as_ref()
            .is_ok_and(|image| image.config_digest() == wanted.config_digest())
    })
}

fn no_manifest(files: &dyn Files) -> Result<Error> {
    let path = files.path().to_owned();
    Ok(if files.size("repositories")?.is_some() {
        Error::Unsupported {
            path,
            what: "an image of `docker save` older than Docker 1.10".into(),
        }
    } else {
        Error::NotAnImage {
            path,
            why: "the tarball has neither manifest.json nor an OCI image layout",
        }
    })
}

fn read_item<F: Files + 'static>(
    files: &Arc<F>,
    documents: &mut Documents<'_>,
    platform: &Platform,
    limits: Limits,
    item: &Item,
) -> Result<Image> {
    let bytes = documents.read(&item.config)?;
    let digest = Digest::of(&bytes);
    let size = bytes.len() as u64;
    if let Some(expected) = digest_in(&item.config) {
        check_blob(files.path(), &item.config, (expected, size), (digest, size))?;
    }
    let references = item
        .repo_tags
        .iter()
        .flatten()
        .map(|name| name.parse::<Reference>())
        .collect::<Result<Vec<_>>>()?;
    if let Some(digested) = references
        .iter()
        .find(|reference| reference.digest().is_some())
    {
        let why = format!("`{}` is not a tag", abridge(&digested.familiar()));
        return Err(Error::Document {
            path: files.path().to_owned(),
            name: MANIFEST.into(),
            why,
        });
    }
    let mut layers = Vec::new();
    for name in item.layers.iter().flatten() {
        let size = files.size(name)?.ok_or_else(|| files.missing(name))?;
        layers.push(Layer {
            name: name.clone(),
            size,
            descriptor: None,
        });
    }
    let config = Config {
        name: item.config.clone(),
        digest,
        size,
        platform: None,
    };
    Ok(Image::new(
        files.clone(),
        limits,
        platform.clone(),
        references,
        Vec::new(),
        config,
        layers,
    ))
}

/// The digest in the name of a config: `<digest>.json`, or `blobs/sha256/<digest>`. Other tools use other names.
fn digest_in(name: &str) -> Option<Digest> {
    let file = name.rsplit('/').next()?;
    Digest::from_hex(file.strip_suffix(".json").unwrap_or(file))
}
