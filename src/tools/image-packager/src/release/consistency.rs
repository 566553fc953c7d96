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
    let (Some(first), Some(last)) = (image.documents.first(), image.documents.last()) else {
        return Err("it has no documents".into());
    };
    let documents = image.documents.iter().map(|document| {
        let what = if document.0.digest == last.0.digest {
            "the manifest"
        } else {
            "the index"
        };
        (what, document)
    });
    for (what, (descriptor, bytes)) in documents.chain([("the config", &image.config)]) {
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
    let mut named = vec![first.0.platform.clone()];
    for pair in image.documents.windows(2) {
        let index: Index = parse("the index", &pair[0].1)?;
        let next = pair[1].0.digest;
        let mut listed = index.manifests.into_iter();
        let Some(listed) = listed.find(|listed| listed.digest == next) else {
            let what = if next == last.0.digest {
                "manifest"
            } else {
                "next index"
            };
            return Err(format!("the index does not list the {what}"));
        };
        named.push(listed.platform);
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
    // What an index says goes before what the config says.
    let mut named = named.iter().flatten();
    let is_said = named.any(|named| image.platform.preference(named).is_some());
    if !is_said && !config.platform.may_be(&image.platform) {
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
