//! What a command did to a release, or would do.

use serde::Serialize;

/// What happened to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// Its content, layout, name or note is another.
    Changed,
    /// It was there already.
    Unchanged,
    /// It is gone.
    Removed,
}

/// An image that was asked for, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageChange {
    /// What recipes call it.
    pub reference: String,
    /// What the reference resolved to.
    pub digest: String,
    /// Its package and job.
    pub package: String,
    /// All its packages.
    pub packages: Vec<String>,
    /// Bytes of its layers as stored.
    pub size: u64,
    /// What happened.
    pub change: Change,
}

/// A blob that is no longer part of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemovedBlob {
    /// Its path below `blobs`.
    pub path: String,
    /// Its name in the blobstore, where it stays: earlier final releases need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
}

/// What a command did to a release, or would do (`dry_run`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The images that were asked for.
    pub images: Vec<ImageChange>,
    /// Packages that are new.
    pub packages_added: Vec<String>,
    /// Packages that are gone.
    pub packages_removed: Vec<String>,
    /// Blobs that are new, by their paths below `blobs`.
    pub blobs_added: Vec<String>,
    /// Blobs that are gone.
    pub blobs_removed: Vec<RemovedBlob>,
    /// Files that are written, relative to the release; blobs of layers are there before.
    pub written: Vec<String>,
    /// Files that are deleted, relative to the release.
    pub deleted: Vec<String>,
    /// What people should know before they go on.
    pub warnings: Vec<String>,
}

impl Changes {
    /// Whether the release is as it was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.deleted.is_empty()
    }
}
