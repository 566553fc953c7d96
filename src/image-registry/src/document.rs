//! Manifests and indexes, as far as the registry reads them: what they are, and what they name. Docker's and OCI's are alike in
//! this.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::digest::Digest;

/// An index, of OCI and of Docker.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest or index.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// 2 for all that are taken.
    pub schema_version: Option<u64>,
    /// What it says that it is.
    pub media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    /// Its annotations.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    #[serde(default, deserialize_with = "lenient")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    platform: Option<Platform>,
}

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Platform {
    /// Whether it is one: attestations stand in indexes as for `unknown/unknown`.
    pub fn is_known(&self) -> bool {
        ![self.os.as_str(), self.architecture.as_str()]
            .iter()
            .any(|part| part.is_empty() || *part == "unknown")
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

/// What is not of the type is as if it were not there: nothing that a push depends on.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(d)?).ok())
}

impl Document {
    /// What a list of referrers says of it: its own type, or that of its config.
    pub fn artifact_type(&self) -> Option<&str> {
        let config = self.config.as_ref();
        self.own_artifact_type()
            .or_else(|| config?.media_type.as_deref())
    }

    /// The blobs that it names: config and layers. What is no digest is none of the registry's.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> {
        let layers = self.layers.iter().flatten();
        let all = self.config.iter().chain(layers);
        all.filter_map(|blob| blob.digest.parse().ok())
    }

    /// The same with the bytes that each has, as far as it is said.
    pub fn sizes(&self) -> impl Iterator<Item = (Digest, u64)> {
        let layers = self.layers.iter().flatten();
        let all = self.config.iter().chain(layers);
        all.filter_map(|blob| Some((blob.digest.parse().ok()?, blob.size.unwrap_or(0))))
    }

    /// Its config, with the media type of it.
    pub fn config(&self) -> Option<(Digest, &str)> {
        let config = self.config.as_ref()?;
        let media_type = config.media_type.as_deref().unwrap_or_default();
        Some((config.digest.parse().ok()?, media_type))
    }

    /// What it says itself that it is an artifact of.
    pub fn own_artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref().filter(|own| !own.is_empty())
    }

    /// The manifests that an index lists, and what each is for.
    pub fn children(&self) -> impl Iterator<Item = (Digest, Option<&Platform>)> {
        let manifests = self.manifests.iter().flatten();
        manifests.filter_map(|child| Some((child.digest.parse().ok()?, child.platform.as_ref())))
    }

    /// The manifest that it is about.
    ///
    /// # Errors
    /// It names one by what is no digest.
    pub fn subject(&self) -> Result<Option<Digest>, ()> {
        let subject = self.subject.as_ref();
        subject.map(|subject| subject.digest.parse()).transpose()
    }
}
