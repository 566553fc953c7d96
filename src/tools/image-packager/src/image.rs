//! An image on its way into a release: all that identifies it, without its layers' bytes.

use image_archive::{Descriptor, Digest, Platform, Reference};

/// An image whose documents are in memory and whose layers lie in the release already
/// ([`Release::keep_layer`](crate::release::Release::keep_layer)).
#[derive(Clone, Debug)]
pub struct Frozen {
    /// What recipes call the image.
    pub reference: Reference,
    /// What the reference resolved to: the digest of the first document.
    pub digest: Digest,
    /// The platform that was chosen.
    pub platform: Platform,
    /// The indexes, if the registry has any, and then the platform's manifest, each with its exact bytes.
    pub documents: Vec<(Descriptor, Vec<u8>)>,
    /// The image config with its exact bytes.
    pub config: (Descriptor, Vec<u8>),
    /// The layers as stored, lowest first.
    pub layers: Vec<Descriptor>,
    /// Where the image came from and what was done to it, unless it came from its registry as it was. Kept in
    /// `images.lock` as `source`.
    pub note: Option<String>,
}

impl Frozen {
    /// Bytes of all layers as stored, each once.
    #[must_use]
    pub fn size(&self) -> u64 {
        let mut seen = std::collections::BTreeSet::new();
        self.layers
            .iter()
            .filter(|layer| seen.insert(layer.digest))
            .map(|layer| layer.size)
            .sum()
    }
}
