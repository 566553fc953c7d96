//! From what a name stands for down to the manifest of one platform, its config and its layers.

use image_archive::{
    Blobs, Descriptor, Digest, ImageConfig, Limits, MediaType, Platform, Refused, select,
};
use serde::de::DeserializeOwned;

use super::error::{Error, Result};

/// Whatever serves small blobs by digest.
pub trait Documents {
    /// The bytes of an index, manifest or config, whose digest and size were checked.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>>;

    /// Whether the document is there to be asked for.
    fn has(&self, _descriptor: &Descriptor) -> bool {
        true
    }
}

/// All that identifies an image for one platform.
#[derive(Clone, Debug)]
pub struct Described {
    /// The indexes, if there are any, and then the manifest, each with its exact bytes.
    pub documents: Vec<(Descriptor, Vec<u8>)>,
    /// The config with its exact bytes.
    pub config: (Descriptor, Vec<u8>),
    /// What the image is for: what its index says, or else its config.
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
    first: &(Descriptor, Vec<u8>),
    wanted: &Platform,
    image: &str,
) -> Result<Described> {
    let mut blobs = Asked {
        source,
        first,
        image,
    };
    let selected =
        select(&mut blobs, &first.0, wanted).map_err(|refused| refusal(refused, wanted, image))?;
    let (mut documents, manifest) = (selected.documents, selected.manifest);
    for layer in &manifest.layers {
        check_layer(layer, image)?;
    }
    check_document_size(&manifest.config, image)?;
    let bytes = source.document(&manifest.config)?;
    let config: ImageConfig = parse("config", &manifest.config, &bytes, image)?;
    if selected.platform.is_none() && !config.platform.may_be(wanted) {
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
    let is_alone = documents.len() == 1 && !config.platform.may_be(wanted);
    let platform = platform_of(selected.platform, &config.platform, wanted);
    if let Some((first, _)) = documents.first_mut() {
        // On the VM nobody asks for this platform, and the config may say another: what is chosen has to be said.
        let is_to_be_said = is_alone || !wanted.is_a_machines_own();
        first.platform = Some(platform.clone()).filter(|_| is_to_be_said);
    }
    let layers = (manifest.layers.into_iter().zip(diff_ids))
        .map(|(descriptor, diff_id)| Layer {
            descriptor,
            diff_id: *diff_id,
        })
        .collect();
    Ok(Described {
        documents,
        platform,
        config: (manifest.config, bytes),
        layers,
    })
}

/// What an image is for, as its config writes it if that says the same.
fn platform_of(named: Option<Platform>, config: &Platform, wanted: &Platform) -> Platform {
    let meant = named.map_or_else(
        || config.completed(wanted).normalized(),
        |named| named.normalized(),
    );
    let same = config.normalized() == meant
        && (&config.os, &config.architecture) == (&meant.os, &meant.architecture);
    if same { config.clone() } else { meant }
}

/// Documents of a source, of which the first was read before.
struct Asked<'a> {
    source: &'a dyn Documents,
    first: &'a (Descriptor, Vec<u8>),
    image: &'a str,
}

impl Blobs for Asked<'_> {
    type Error = Error;

    fn document(&mut self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>> {
        if descriptor.digest == self.first.0.digest {
            return Ok(Some(self.first.1.clone()));
        }
        check_document_size(descriptor, self.image)?;
        if !self.source.has(descriptor) {
            return Ok(None);
        }
        self.source.document(descriptor).map(Some)
    }
}

/// Why there is no manifest to freeze.
fn refusal(refused: Refused<Error>, wanted: &Platform, image: &str) -> Error {
    match refused {
        Refused::Blobs(error) => error,
        Refused::Missing(descriptor) => {
            not_usable("document", &descriptor, image, "it is not there")
        }
        Refused::Platform(found) => Error::Platform {
            image: image.to_owned(),
            wanted: wanted.to_string(),
            found,
        },
        Refused::NoImage(what) => not_freezable(
            image,
            format!("it is no image but an artifact of type `{what}`"),
        ),
        Refused::Schema1 => not_freezable(
            image,
            "its manifest is of schema 1, from before content was addressed by digest",
        ),
        Refused::Document {
            what,
            descriptor: Some(descriptor),
            why,
        } => not_usable(what, &descriptor, image, why),
        Refused::Document { what, why, .. } => not_freezable(
            image,
            format!("the {what} that its index names is not understood: {why}"),
        ),
    }
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
