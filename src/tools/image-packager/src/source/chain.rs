//! From what a name stands for down to the manifest of one platform, its config and its layers.

use image_archive::{
    Descriptor, Digest, ImageConfig, Index, Limits, Manifest, MediaType, Platform,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::{Error, Result};
use super::platform;

/// Whatever serves small blobs by digest.
pub trait Documents {
    /// The bytes of an index, manifest or config, whose digest and size were checked.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>>;
}

/// All that identifies an image for one platform.
#[derive(Clone, Debug)]
pub struct Described {
    /// The index, if there is one, and then the manifest, each with its exact bytes.
    pub documents: Vec<(Descriptor, Vec<u8>)>,
    /// The config with its exact bytes.
    pub config: (Descriptor, Vec<u8>),
    /// What the config says the image is for.
    pub platform: Platform,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

impl Described {
    /// What the name stands for: the digest of the index, or of the manifest if there is no index.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // There is always one; and no image without documents has layers to be verified.
        self.documents
            .first()
            .map_or(self.config.0.digest, |(first, _)| first.digest)
    }
}

/// A layer as manifest and config name it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The stored blob.
    pub descriptor: Descriptor,
    /// The digest of what it unpacks to.
    pub diff_id: Digest,
}

/// Reads the way from `first` to the config. `image` is what messages call the image.
pub fn describe(
    source: &dyn Documents,
    first: (Descriptor, Vec<u8>),
    wanted: &Platform,
    image: &str,
) -> Result<Described> {
    let mut documents = vec![first];
    let manifest = loop {
        let (descriptor, bytes) = &documents[documents.len() - 1];
        match descriptor.kind() {
            MediaType::Manifest => break manifest(descriptor, bytes, image)?,
            MediaType::Index if documents.len() == 1 => {
                let next = next(descriptor, bytes, wanted, image)?;
                let bytes = source.document(&next)?;
                documents.push((next, bytes));
            }
            MediaType::Index => {
                return Err(not_usable(
                    "index",
                    descriptor,
                    image,
                    "it lies in another index, where manifests belong",
                ));
            }
            MediaType::Schema1 => {
                return Err(not_freezable(
                    image,
                    "its manifest is of schema 1, from before content was addressed by digest",
                ));
            }
            _ => {
                let why = format!(
                    "`{}` is neither a manifest nor an index",
                    shown(&descriptor.media_type)
                );
                return Err(not_freezable(image, why));
            }
        }
    };
    for layer in &manifest.layers {
        check_layer(layer, image)?;
    }
    let bytes = source.document(&manifest.config)?;
    let config: ImageConfig = parse("config", &manifest.config, &bytes, image)?;
    if !platform::fits(&config.platform, wanted) {
        return Err(Error::Platform {
            image: image.to_owned(),
            wanted: wanted.to_string(),
            found: vec![config.platform.to_string()],
        });
    }
    let (count, diff_ids) = (manifest.layers.len(), config.diff_ids());
    if count != diff_ids.len() {
        let why = format!(
            "it names {} layers, and the manifest {count}",
            diff_ids.len()
        );
        return Err(not_usable("config", &manifest.config, image, why));
    }
    let layers = (manifest.layers.into_iter().zip(diff_ids))
        .map(|(descriptor, diff_id)| Layer {
            descriptor,
            diff_id: *diff_id,
        })
        .collect();
    Ok(Described {
        documents,
        platform: config.platform,
        config: (manifest.config, bytes),
        layers,
    })
}

/// Refuses a document that is larger than any real one before anything of it is read.
pub fn check_document_size(descriptor: &Descriptor, image: &str) -> Result<()> {
    let limit = Limits::DEFAULT.document;
    if descriptor.size > limit {
        let why = format!(
            "it is said to have {} bytes, and the limit is {limit}",
            descriptor.size
        );
        return Err(not_usable("document", descriptor, image, why));
    }
    Ok(())
}

/// What tells an index from a manifest. A document that could pass for both means different things to different readers
/// (OCI advisory GHSA-77vh-xpmg-72qh).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
}

fn check_shape(
    what: &'static str,
    descriptor: &Descriptor,
    bytes: &[u8],
    image: &str,
) -> Result<()> {
    let shape: Shape = parse(what, descriptor, bytes, image)?;
    let refuse = |why: String| Err(not_usable(what, descriptor, image, why));
    if shape.schema_version != 2 {
        return refuse(format!(
            "its schema version is {}, not 2",
            shape.schema_version
        ));
    }
    if let Some(own) = &shape.media_type
        && MediaType::of(own) != descriptor.kind()
    {
        return refuse(format!(
            "it calls itself `{}`, but is served as `{}`",
            shown(own),
            shown(&descriptor.media_type)
        ));
    }
    if shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some()) {
        return refuse("it could pass for both an index and a manifest".to_owned());
    }
    Ok(())
}

fn next(
    descriptor: &Descriptor,
    bytes: &[u8],
    wanted: &Platform,
    image: &str,
) -> Result<Descriptor> {
    check_shape("index", descriptor, bytes, image)?;
    let index: Index = parse("index", descriptor, bytes, image)?;
    let chosen = platform::choose(&index.manifests, wanted).map_err(|found| Error::Platform {
        image: image.to_owned(),
        wanted: wanted.to_string(),
        found,
    })?;
    check_document_size(chosen, image)?;
    Ok(chosen.clone())
}

fn manifest(descriptor: &Descriptor, bytes: &[u8], image: &str) -> Result<Manifest> {
    check_shape("manifest", descriptor, bytes, image)?;
    let manifest: Manifest = parse("manifest", descriptor, bytes, image)?;
    if manifest.config.kind() != MediaType::Config {
        let why = format!(
            "it is no image but an artifact of type `{}`",
            shown(&manifest.config.media_type)
        );
        return Err(not_freezable(image, why));
    }
    check_document_size(&manifest.config, image)?;
    Ok(manifest)
}

fn check_layer(layer: &Descriptor, image: &str) -> Result<()> {
    match layer.kind() {
        MediaType::Layer | MediaType::CompressedLayer => Ok(()),
        MediaType::ForeignLayer => Err(Error::ForeignLayer {
            image: image.to_owned(),
            digest: layer.digest,
            media_type: shown(&layer.media_type),
        }),
        _ => {
            let why = format!(
                "layer {} is of the unknown type `{}`",
                layer.digest,
                shown(&layer.media_type)
            );
            Err(not_freezable(image, why))
        }
    }
}

fn parse<T: DeserializeOwned>(
    what: &'static str,
    descriptor: &Descriptor,
    bytes: &[u8],
    image: &str,
) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| not_usable(what, descriptor, image, error.to_string()))
}

fn not_usable(
    what: &'static str,
    descriptor: &Descriptor,
    image: &str,
    why: impl Into<String>,
) -> Error {
    Error::Document {
        what,
        digest: descriptor.digest,
        image: image.to_owned(),
        why: why.into(),
    }
}

fn not_freezable(image: &str, why: impl Into<String>) -> Error {
    Error::NotFreezable {
        image: image.to_owned(),
        why: why.into(),
    }
}

/// What somebody else wrote, fit for one line of a message.
fn shown(text: &str) -> String {
    text.chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect()
}
