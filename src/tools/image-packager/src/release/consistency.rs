//! An image that is to be stored must be one: every document is what names it, and the parts fit together.

use image_archive::{Descriptor, Digest, ImageConfig, Index, Manifest, MediaType};

use super::error::{Error, Result};
use crate::image::Frozen;

/// Looks at the documents; the layers' bytes are looked at where they are stored.
pub(crate) fn check(image: &Frozen) -> Result<()> {
    contradiction(image).map_err(|why| Error::Contradiction {
        reference: image.reference.familiar(),
        why,
    })
}

fn contradiction(image: &Frozen) -> std::result::Result<(), String> {
    let (first, last) = match image.documents.as_slice() {
        [manifest] => (manifest, manifest),
        [index, manifest] => (index, manifest),
        others => {
            return Err(format!(
                "it has {} documents instead of 1 or 2",
                others.len()
            ));
        }
    };
    for (what, (descriptor, bytes)) in [
        ("the first document", first),
        ("the manifest", last),
        ("the config", &image.config),
    ] {
        let actual = Digest::of(bytes);
        if actual != descriptor.digest || bytes.len() as u64 != descriptor.size {
            return Err(format!(
                "{what} has digest {actual} and {} bytes instead of {} and {}",
                bytes.len(),
                descriptor.digest,
                descriptor.size
            ));
        }
    }
    if image.digest != first.0.digest {
        return Err(format!(
            "the reference stands for {}, but the first document is {}",
            image.digest, first.0.digest
        ));
    }
    if image.documents.len() == 2 {
        let index: Index = parse("the index", &first.1)?;
        if !index
            .manifests
            .iter()
            .any(|listed| listed.digest == last.0.digest)
        {
            return Err("the index does not list the manifest".into());
        }
    }
    let manifest: Manifest = parse("the manifest", &last.1)?;
    if manifest.config.digest != image.config.0.digest {
        return Err("the manifest names another config".into());
    }
    let content = |layers: &[Descriptor]| -> Vec<_> {
        layers
            .iter()
            .map(|layer| (layer.digest, layer.size))
            .collect()
    };
    if content(&manifest.layers) != content(&image.layers) {
        return Err("the manifest names other layers".into());
    }
    for layer in &image.layers {
        if !matches!(layer.kind(), MediaType::Layer | MediaType::CompressedLayer) {
            return Err(format!(
                "{} is no layer that can be stored: {}",
                layer.digest,
                super::error::shown(&layer.media_type)
            ));
        }
    }
    let config: ImageConfig = parse("the config", &image.config.1)?;
    if config.diff_ids().len() != image.layers.len() {
        return Err(format!(
            "it has {} layers, but its config names {}",
            image.layers.len(),
            config.diff_ids().len()
        ));
    }
    if !config.platform.runs_on(&image.platform) {
        return Err(format!(
            "its config is for {}, not for {}",
            config.platform, image.platform
        ));
    }
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(
    what: &str,
    bytes: &[u8],
) -> std::result::Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "{what} is not valid: {}",
            super::error::shown(&error.to_string())
        )
    })
}
