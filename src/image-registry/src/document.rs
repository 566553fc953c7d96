//! Manifests and indexes, as far as the registry reads them: what they are, and what they name. Docker's and OCI's are alike in
//! this.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::Digest;

/// A manifest or index.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// 2 for all that are taken.
    pub schema_version: Option<u64>,
    /// What it says that it is.
    pub media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    /// Its annotations.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
}

impl Document {
    /// What a list of referrers says of it: its own type, or that of its config.
    pub fn artifact_type(&self) -> Option<&str> {
        let own = self.artifact_type.as_deref().filter(|own| !own.is_empty());
        let config = self.config.as_ref();
        own.or_else(|| config?.media_type.as_deref())
    }

    /// The blobs that it names: config and layers. What is no digest is none of the registry's.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> {
        let layers = self.layers.iter().flatten();
        let all = self.config.iter().chain(layers);
        all.filter_map(|blob| blob.digest.parse().ok())
    }

    /// The manifest that it is about.
    ///
    /// # Errors
    /// It names one by what is no digest.
    pub fn subject(&self) -> Result<Option<Digest>, ()> {
        let subject = self.subject.as_ref();
        subject.map(|subject| subject.digest.parse()).transpose()
    }
}
