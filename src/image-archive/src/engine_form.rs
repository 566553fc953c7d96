//! An image in the form in which every engine can have it.
//!
//! Its config and layers stay what they are; the document that names stand for may be another one, and with it the digest
//! by which the containerd image store knows the image. A name by the digest of what is left out stands for nothing there.

use crate::compression::Compression;
use crate::error::Result;
use crate::image::{Document, Image, Layer, synthesise};
use crate::oci::is_odd;

/// What Docker calls a layer in Zstandard. containerd 1.7, which engines up to 28 are made with, takes it for no layer at
/// all (`images.IsLayerType`); it knows OCI's name.
const DOCKER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

impl Image {
    /// The same image without indexes below which an engine does not find it, and with layer types that all engines know.
    ///
    /// # Errors
    /// When no manifest can be written for it.
    pub fn for_engines(&self) -> Result<Self> {
        let documents = self.documents();
        let is_unknown = |layer: &Layer| {
            let descriptor = layer.descriptor.as_ref();
            descriptor.is_some_and(|descriptor| descriptor.media_type == DOCKER_ZSTD)
        };
        if self.layers().iter().any(is_unknown) {
            return Ok(self.with_documents(vec![self.manifest_in_oci_types()?]));
        }
        match documents.last() {
            Some(manifest) if is_odd(documents) => Ok(self.with_documents(vec![manifest.clone()])),
            _ => Ok(self.clone()),
        }
    }

    /// A manifest of the same config and layers: the same one for the same image.
    fn manifest_in_oci_types(&self) -> Result<Document> {
        let blobs: Vec<_> = (self.layers().iter())
            .filter_map(|layer| layer.descriptor.as_ref())
            .map(|layer| (layer.digest, layer.size, compression(&layer.media_type)))
            .collect();
        let (config, size) = self.config_blob();
        synthesise(config, size, &blobs)
    }
}

/// As a layer's media type has it; engines look at the bytes in any case.
fn compression(media_type: &str) -> Compression {
    if media_type.ends_with("zstd") {
        Compression::Zstd
    } else if media_type.ends_with("gzip") {
        Compression::Gzip
    } else {
        Compression::None
    }
}
