//! Telling an index from a manifest.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::digest::abridge;
use crate::manifest::MediaType;

/// What tells an index from a manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

/// A document that could pass for both means different things to different readers (OCI advisory GHSA-77vh-xpmg-72qh).
pub(crate) fn check_shape(kind: MediaType, bytes: &[u8]) -> Result<(), String> {
    let shape: Shape = parse(bytes)?;
    if shape.fs_layers.is_some() || shape.schema_version == Some(1) {
        return Err("it is of schema 1".to_owned());
    }
    let own = shape.media_type.as_deref().map(MediaType::of);
    if let Some(own @ (MediaType::Index | MediaType::Manifest)) = own
        && own != kind
    {
        return Err(format!(
            "it calls itself `{}`, which is not what names it",
            abridge(shape.media_type.as_deref().unwrap_or_default())
        ));
    }
    if shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some()) {
        return Err("it could pass for both an index and a manifest".to_owned());
    }
    Ok(())
}

/// A JSON document; the error is fit for a line.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| abridge(&error.to_string()))
}
