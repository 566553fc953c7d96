//! Indexes, manifests and descriptors, in OCI's and Docker's media types.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::platform::Platform;

/// What a descriptor points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// An OCI index or a Docker manifest list.
    Index,
    /// An OCI manifest or a Docker manifest, schema 2.
    Manifest,
    /// An image config.
    Config,
    /// A layer as a plain tar.
    Layer,
    /// A layer, compressed.
    CompressedLayer,
    /// A layer that may not be passed on, and lies at a URL instead.
    ForeignLayer,
    /// Docker's manifest, schema 1: from before content was addressed by digest.
    Schema1,
    /// Anything else.
    Other,
}

impl MediaType {
    /// What `text` stands for.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Self::Manifest,
            "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json" => Self::Config,
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Self::Layer,
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::CompressedLayer,
            "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws" => Self::Schema1,
            foreign
                if foreign.starts_with("application/vnd.oci.image.layer.nondistributable.")
                    || foreign.starts_with("application/vnd.docker.image.rootfs.foreign.") =>
            {
                Self::ForeignLayer
            }
            _ => Self::Other,
        }
    }
}

/// What Docker takes for the config of an image beside its own types (moby, `distribution/registry.go`): registries and
/// proxies made these of them.
const CONFIGS_BY_MISTAKE: [&str; 4] = [
    "",
    "application/octet-stream",
    "application/json",
    "text/html",
];

/// A reference by digest to a blob (OCI image specification, `descriptor.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default, deserialize_with = "null_is_default")]
    pub media_type: String,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The platform of the image, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Names and whatever else the maker noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// What the blob is.
    #[must_use]
    pub fn kind(&self) -> MediaType {
        MediaType::of(&self.media_type)
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether this may be an image or an index of images, as far as the descriptor says: buildkit puts attestations
    /// beside images.
    #[must_use]
    pub fn may_be_image(&self) -> bool {
        matches!(self.kind(), MediaType::Index | MediaType::Manifest)
            && self.annotation("vnd.docker.reference.type") != Some("attestation-manifest")
            && !self.platform.as_ref().is_some_and(Platform::is_unknown)
    }
}

/// An index: a list of manifests (OCI image specification, `image-index.md`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u8,
    /// Optional in OCI's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The manifests, one a platform or one an image; of a document that was read, those that are understood: what a
    /// newer digest names, for one, is not.
    #[serde(default, deserialize_with = "understood")]
    pub manifests: Vec<Descriptor>,
}

/// A manifest: config and layers of one image (OCI image specification, `manifest.md`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u8,
    /// Optional in OCI's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image config.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
}

/// What the media types of an image's layers begin with, also of those that are not taken.
const LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
];

impl Manifest {
    /// What this is if it is no image: the type of its config if that is a chart's or another artifact's; that of its
    /// layers, which alone tell cosign's signatures from images.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        let config = self.config.media_type.as_str();
        if self.config.kind() != MediaType::Config && !CONFIGS_BY_MISTAKE.contains(&config) {
            return Some(config);
        }
        let is_layer = |layer: &Descriptor| {
            let media_type = layer.media_type.as_str();
            LAYERS.iter().any(|prefix| media_type.starts_with(prefix))
                || CONFIGS_BY_MISTAKE.contains(&media_type)
        };
        let first = self.layers.first()?;
        (!self.layers.iter().any(is_layer)).then_some(first.media_type.as_str())
    }
}

/// Go writes `null` for what is empty.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn understood<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    let entries: Option<Vec<Value>> = Option::deserialize(deserializer)?;
    let entries = entries.unwrap_or_default().into_iter();
    Ok(entries
        .filter_map(|entry| serde_json::from_value(entry).ok())
        .collect())
}
