//! The image config: what an image's containers start with, of which only what must be checked is read here.

use serde::Deserialize;

use crate::digest::Digest;
use crate::platform::Platform;

/// The part of an image config (OCI image specification, `config.md`) that decides whether an image fits.
#[derive(Clone, Debug, Deserialize)]
pub struct ImageConfig {
    /// The platform that the image is for.
    #[serde(flatten)]
    pub platform: Platform,
    rootfs: RootFs,
}

#[derive(Clone, Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

impl ImageConfig {
    /// The digests of the unpacked layers, lowest first.
    #[must_use]
    pub fn diff_ids(&self) -> &[Digest] {
        self.rootfs.diff_ids.as_deref().unwrap_or_default()
    }
}
