//! OCI image layouts made document by document, for what the usual tools do not write.

use serde_json::{Value, json};

use crate::forms::{INDEX, descriptor};
use crate::{Files, Packing, TestImage};

/// A layout that grows blob by blob. Each addition gives the descriptor of what was added.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    blobs: Files,
}

impl Layout {
    /// Adds a blob; one that is there already stands once.
    pub fn put(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        self.blobs.push_blob(bytes);
        descriptor(media_type, bytes)
    }

    /// Adds a document.
    pub fn document(&mut self, media_type: &str, document: &Value) -> Value {
        self.put(media_type, document.to_string().as_bytes())
    }

    /// Adds a layer of an image, packed.
    pub fn layer(&mut self, image: &TestImage, number: usize, packing: Packing) -> Value {
        self.put(packing.media_type(), &packing.pack(&image.layers[number]))
    }

    /// Adds a config, and a manifest of these types over it and layers that were added before.
    pub fn image(
        &mut self,
        config: &Value,
        config_type: &str,
        layers: &[Value],
        media_type: &str,
    ) -> Value {
        let config = self.document(config_type, config);
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
        self.document(media_type, &manifest)
    }

    /// Adds an index of what was added before.
    pub fn index(&mut self, entries: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        self.document(INDEX, &index)
    }

    /// The layout whose `index.json` has these entries.
    #[must_use]
    pub fn files(&self, entries: &[Value]) -> Files {
        let mut files = self.blobs.clone();
        files.push("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index = json!({"schemaVersion": 2, "manifests": entries});
        files.push("index.json", index.to_string().as_bytes());
        files
    }
}
