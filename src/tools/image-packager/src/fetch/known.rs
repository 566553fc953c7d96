//! What the images of the release say of layers, so that one that is there need not be unpacked again.

use std::collections::BTreeMap;

use image_archive::{Descriptor, Digest, ImageConfig};

use crate::release::{LockedImage, Release};

/// The diff IDs of the release's layers, and the layers of diff IDs.
#[derive(Debug, Default)]
pub struct Known {
    diff_ids: BTreeMap<Digest, Digest>,
    zstd: BTreeMap<Digest, Descriptor>,
}

impl Known {
    /// Reads the configs of the images in the release. One that is missing or damaged says nothing.
    #[must_use]
    pub fn read(release: &Release) -> Self {
        let mut known = Self::default();
        for image in release.lock().images() {
            let Some(config) = config(release, image) else {
                continue;
            };
            if config.diff_ids().len() != image.layers.len() {
                continue;
            }
            for (layer, diff_id) in image.layers.iter().zip(config.diff_ids()) {
                known.diff_ids.insert(layer.digest, *diff_id);
                if layer.media_type.ends_with("+zstd") {
                    let descriptor = Descriptor {
                        media_type: layer.media_type.clone(),
                        digest: layer.digest,
                        size: layer.size,
                        platform: None,
                        annotations: None,
                    };
                    known.zstd.insert(*diff_id, descriptor);
                }
            }
        }
        known
    }

    /// What a layer unpacks to: it was verified when its image was frozen.
    #[must_use]
    pub fn diff_id(&self, layer: &Digest) -> Option<Digest> {
        self.diff_ids.get(layer).copied()
    }

    /// A layer of the release that unpacks to this and is stored as Zstandard.
    #[must_use]
    pub fn zstd(&self, diff_id: &Digest) -> Option<&Descriptor> {
        self.zstd.get(diff_id)
    }
}

fn config(release: &Release, image: &LockedImage) -> Option<ImageConfig> {
    let path = release
        .root()
        .join("src/images")
        .join(&image.package)
        .join(image.config.blob_path());
    let bytes = std::fs::read(path).ok()?;
    if Digest::of(&bytes) != image.config {
        return None;
    }
    serde_json::from_slice(&bytes).ok()
}
