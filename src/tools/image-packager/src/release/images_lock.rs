//! `images.lock`: what is frozen, and into what.

use std::path::Path;

use image_archive::{Digest, Platform, Reference};
use serde::{Deserialize, Serialize};

use super::error::Result;
use super::files;
use super::names;

/// The file's name.
pub const FILE: &str = "images.lock";
const VERSION: u32 = 1;
const HEADER: &str =
    "# Written by image-packager, which changes it together with packages, jobs and blobs.\n";

/// How an image is spread over packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Large layers are packages of their own, shared by all images that have them
    #[default]
    Split,
    /// One package with the whole image
    Single,
    /// One package with a tarball as `docker save` writes it, which older releases can import
    Archive,
}

impl std::fmt::Display for Layout {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Split => "split",
            Self::Single => "single",
            Self::Archive => "archive",
        })
    }
}

/// The images of a release, ordered by reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagesLock {
    images: Vec<LockedImage>,
}

/// One frozen image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedImage {
    /// What recipes call it.
    #[serde(with = "as_reference")]
    pub reference: Reference,
    /// What the reference resolved to: an index or a manifest.
    pub digest: Digest,
    /// The indexes between that and the manifest, where indexes lie in indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<Digest>,
    /// The manifest of the platform.
    pub manifest: Digest,
    /// The image config.
    pub config: Digest,
    /// The platform.
    #[serde(with = "as_platform")]
    pub platform: Platform,
    /// How it is spread over packages.
    pub layout: Layout,
    /// The package and job of its own.
    pub package: String,
    /// All packages that its job needs, its own first.
    pub packages: Vec<String>,
    /// The layers as stored, lowest first.
    pub layers: Vec<LockedLayer>,
    /// Where it came from and what was done to it, unless it came from its registry as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A layer as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedLayer {
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Number of the stored bytes.
    pub size: u64,
    /// What the manifest says that it is.
    pub media_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    images: Vec<LockedImage>,
}

impl ImagesLock {
    /// The lock of these images.
    #[must_use]
    pub fn new(mut images: Vec<LockedImage>) -> Self {
        images.sort_by(|left, right| left.reference.cmp(&right.reference));
        Self { images }
    }

    /// The images, ordered by reference.
    #[must_use]
    pub fn images(&self) -> &[LockedImage] {
        &self.images
    }

    /// The image of this reference.
    #[must_use]
    pub fn find(&self, reference: &Reference) -> Option<&LockedImage> {
        self.images
            .iter()
            .find(|image| image.reference == *reference)
    }

    /// Reads the file of a release; a release without one has no images.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        files::read_parsed(&root.join(FILE), Self::parse)
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// The property that is wrong, and what is wrong with it.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if file.version != VERSION {
            return Err(format!(
                "version: {} is not known; this image-packager reads version {VERSION}",
                file.version
            ));
        }
        for (number, image) in file.images.iter().enumerate() {
            image
                .check()
                .map_err(|why| format!("images[{number}].{why}"))?;
            for earlier in &file.images[..number] {
                if earlier.reference == image.reference {
                    return Err(format!(
                        "images[{number}].reference: {} is there twice",
                        image.reference.familiar()
                    ));
                }
                if earlier.package == image.package {
                    return Err(format!(
                        "images[{number}].package: `{}` is also the package of {}",
                        image.package,
                        earlier.reference.familiar()
                    ));
                }
            }
        }
        Ok(Self::new(file.images))
    }

    /// The file's text: the same images always give the same one.
    #[must_use]
    pub fn to_text(&self) -> String {
        let file = File {
            version: VERSION,
            images: self.images.clone(),
        };
        // Nothing in it can fail to be written: texts, numbers, lists.
        let text = serde_yaml::to_string(&file).unwrap_or_default();
        format!("---\n{HEADER}{text}")
    }
}

impl LockedImage {
    /// The documents as they lie in `src/images/<package>/blobs/sha256`: indexes, manifest, config.
    #[must_use]
    pub fn documents(&self) -> Vec<Digest> {
        let mut documents = vec![self.digest];
        documents.extend(&self.nested);
        documents.extend([self.manifest, self.config]);
        documents.dedup();
        documents
    }

    /// The layers, each once, lowest first.
    #[must_use]
    pub fn unique_layers(&self) -> Vec<&LockedLayer> {
        let mut seen = std::collections::BTreeSet::new();
        self.layers
            .iter()
            .filter(|layer| seen.insert(layer.digest))
            .collect()
    }

    /// Bytes of all layers as stored, each once.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.unique_layers()
            .iter()
            .fold(0, |sum, layer| layer.size.saturating_add(sum))
    }

    /// Names become paths, so they are looked at before anything else is done.
    fn check(&self) -> std::result::Result<(), String> {
        names::check(&self.package).map_err(|why| format!("package: `{}`: {why}", self.package))?;
        if self.packages.first() != Some(&self.package) {
            return Err("packages: the first is not the image's own package".into());
        }
        for (number, package) in self.packages.iter().enumerate().skip(1) {
            let is_layer = names::layer_of(package)
                .is_some_and(|digest| self.layers.iter().any(|layer| layer.digest == digest));
            if !is_layer || self.packages[..number].contains(package) {
                return Err(format!(
                    "packages[{number}]: `{package}` is not one of the image's layers, or is there twice"
                ));
            }
        }
        for (number, layer) in self.layers.iter().enumerate() {
            let contradicts = self.layers[..number]
                .iter()
                .any(|other| other.digest == layer.digest && other.size != layer.size);
            if contradicts {
                return Err(format!(
                    "layers[{number}].size: it contradicts an earlier one"
                ));
            }
        }
        Ok(())
    }
}

mod as_reference {
    use image_archive::Reference;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(value: &Reference, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.familiar())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

mod as_platform {
    use image_archive::Platform;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(value: &Platform, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Platform, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !part.is_empty() && part.bytes().all(word)
        };
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(is_word) {
            return Err(D::Error::custom(
                "a platform is written as `os/architecture` or `os/architecture/variant`",
            ));
        }
        Ok(Platform {
            os: parts[0].to_owned(),
            architecture: parts[1].to_owned(),
            variant: parts.get(2).map(|variant| (*variant).to_owned()),
            os_features: None,
        })
    }
}
