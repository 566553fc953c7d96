//! Telling an index from a manifest.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::digest::abridge;
use crate::manifest::MediaType;

/// The fields that tell an index from a manifest. Of a document that has those of both, different readers make different
/// things (OCI advisory GHSA-77vh-xpmg-72qh, CVE-2021-41190).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

impl Shape {
    /// The shape of a document.
    ///
    /// # Errors
    /// When it is no JSON, or a field has another type.
    pub fn of(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// What it calls itself, if it does.
    #[must_use]
    pub fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// Whether it is a manifest of Docker's schema 1.
    #[must_use]
    pub const fn is_schema_1(&self) -> bool {
        self.fs_layers.is_some() || matches!(self.schema_version, Some(1))
    }

    /// Whether it can be read as an index.
    #[must_use]
    pub const fn is_index(&self) -> bool {
        self.manifests.is_some()
    }

    /// Whether it can be read as a manifest.
    #[must_use]
    pub const fn is_manifest(&self) -> bool {
        self.layers.is_some() || self.config.is_some()
    }
}

/// Holds a document to the kind that it was said to be.
pub(crate) fn check_shape(kind: MediaType, bytes: &[u8]) -> Result<(), String> {
    let shape: Shape = parse(bytes)?;
    if shape.is_schema_1() {
        return Err("it is of schema 1".to_owned());
    }
    let own = shape.media_type().map(MediaType::of);
    if let Some(own @ (MediaType::Index | MediaType::Manifest)) = own
        && own != kind
    {
        return Err(format!(
            "it calls itself `{}`, which is not what names it",
            abridge(shape.media_type().unwrap_or_default())
        ));
    }
    if shape.is_index() && shape.is_manifest() {
        return Err("it could pass for both an index and a manifest".to_owned());
    }
    Ok(())
}

/// A JSON document; the error is fit for a line.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| abridge(&error.to_string()))
}
