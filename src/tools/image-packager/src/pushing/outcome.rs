//! What became of an image, in words for programs.

use image_archive::Digest;
use serde::Serialize;

/// Blobs and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub blobs: usize,
    /// Their sizes, or what was sent for them, cut connections included.
    pub bytes: u64,
}

/// What became of the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TagState {
    /// It stands for this image now.
    Pushed,
    /// It did so before.
    Unchanged,
    /// The image went by its digest alone.
    None,
}

/// An image that is in the registry now, or in a dry run would be.
#[derive(Clone, Debug, Serialize)]
pub struct Pushed {
    /// The image, as it was asked for.
    pub reference: String,
    /// Where it is.
    pub destination: String,
    /// What a pull of that gives.
    pub digest: Digest,
    /// The index that is not there, since the registry has not all of what it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out_index: Option<Digest>,
    /// The tag.
    pub tag: TagState,
    /// Manifests and indexes that were put.
    pub manifests: usize,
    /// Blobs that were sent.
    pub pushed: Amount,
    /// Blobs that the repository had.
    pub skipped: Amount,
    /// Blobs that the registry took from another repository.
    pub mounted: Amount,
}

impl Amount {
    pub(super) fn add(&mut self, bytes: u64) {
        self.blobs += 1;
        self.bytes += bytes;
    }
}
