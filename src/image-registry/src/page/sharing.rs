//! Which other images have the same layers.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::inventory::Content;

/// Images that are named for each layer; the others are counted.
pub const NAMED: usize = 20;

/// Those that share a layer.
#[derive(Clone, Debug, Default)]
pub struct Sharers<'a> {
    digests: BTreeSet<&'a Digest>,
    /// Repository, and tag or digest, of the first ones.
    pub named: Vec<(&'a str, String)>,
}

impl Sharers<'_> {
    /// How many other images have the layer. One that lies in several repositories is one.
    pub fn count(&self) -> usize {
        self.digests.len()
    }
}

/// Who shares each of the layers of an image, among all that a login sees.
pub fn sharers<'a>(
    contents: &'a [Content],
    image: &Digest,
    layers: &'a [(Digest, u64)],
) -> BTreeMap<&'a Digest, Sharers<'a>> {
    let mut found: BTreeMap<&Digest, Sharers> = layers
        .iter()
        .map(|(layer, _)| (layer, Sharers::default()))
        .collect();
    for content in contents {
        let manifests = content.listing.manifests.iter();
        for (digest, manifest) in manifests.filter(|(digest, _)| *digest != image) {
            for (blob, _) in &manifest.facts.blobs {
                let Some(sharers) = found.get_mut(blob) else {
                    continue;
                };
                if sharers.digests.insert(digest) && sharers.named.len() < NAMED {
                    let tag = manifest.tags.first();
                    let name = tag.map_or_else(|| digest.to_string(), ToString::to_string);
                    sharers.named.push((content.repository.as_str(), name));
                }
            }
        }
    }
    found
}
