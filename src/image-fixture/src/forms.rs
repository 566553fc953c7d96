//! The forms: `docker save` before 25 and since, and OCI image layouts.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Packing, TestImage, digest, hex};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Files by name, in order, with symbolic links among them.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Name and bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// Name and target; only tarballs have them.
    pub links: Vec<(String, String)>,
}

impl Files {
    /// As `docker save` wrote it before Docker 25: a directory a layer, and links in the place of layers that an image
    /// of the same tarball has already.
    #[must_use]
    pub fn old_archive(images: &[(&TestImage, &[&str])]) -> Self {
        let mut files = Self::default();
        let mut items = Vec::new();
        let mut first: Vec<(String, String)> = Vec::new();
        for (number, (image, tags)) in images.iter().enumerate() {
            let mut names = Vec::new();
            for (layer, diff_id) in image.layers.iter().zip(image.diff_ids()) {
                let directory = hex(format!("{number}-{}-{diff_id}", names.len()).as_bytes());
                let name = format!("{directory}/layer.tar");
                files.push(&format!("{directory}/VERSION"), b"1.0");
                files.push(&format!("{directory}/json"), b"{}");
                if let Some((_, other)) = first.iter().find(|(known, _)| *known == diff_id) {
                    files.links.push((name.clone(), format!("../{other}")));
                } else {
                    files.push(&name, layer);
                    first.push((diff_id, name.clone()));
                }
                names.push(name);
            }
            let config = format!("{}.json", hex(&image.config()));
            files.push(&config, &image.config());
            items.push(item(&config, tags, &names));
        }
        files.push("manifest.json", Value::Array(items).to_string().as_bytes());
        files.push("repositories", b"{}");
        files
    }

    /// As `docker save` writes it since Docker 25: an OCI image layout with a `manifest.json`.
    #[must_use]
    pub fn new_archive(image: &TestImage, tags: &[&str]) -> Self {
        let mut files = Self::layout(image, tags, Packing::Plain, false);
        let layers: Vec<String> = image.layers.iter().map(|layer| blob_path(layer)).collect();
        let items = json!([item(&blob_path(&image.config()), tags, &layers)]);
        files.push("manifest.json", items.to_string().as_bytes());
        files
    }

    /// An OCI image layout; `nested` puts an index between `index.json` and the manifest, as registries have it.
    #[must_use]
    pub fn layout(image: &TestImage, names: &[&str], packing: Packing, nested: bool) -> Self {
        let mut files = Self::default();
        files.push("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        let layers: Vec<Value> = image
            .layers
            .iter()
            .map(|layer| {
                let packed = packing.pack(layer);
                let descriptor = descriptor(packing.media_type(), &packed);
                files.push_blob(&packed);
                descriptor
            })
            .collect();
        let config = image.config();
        files.push_blob(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": layers,
        });
        let manifest = manifest.to_string().into_bytes();
        files.push_blob(&manifest);
        let mut target = descriptor(MANIFEST, &manifest);
        if nested {
            let index = nested_index(image, target).to_string().into_bytes();
            files.push_blob(&index);
            target = descriptor(INDEX, &index);
        }
        let entry_for = |name: &&str| named(target.clone(), name);
        let entries: Vec<Value> = if names.is_empty() {
            vec![target.clone()]
        } else {
            names.iter().map(entry_for).collect()
        };
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        files.push("index.json", index.to_string().as_bytes());
        files
    }

    /// The digest that the first entry of `index.json` has.
    #[must_use]
    pub fn target(&self) -> String {
        let index: Value =
            serde_json::from_slice(self.get("index.json")).expect("index.json is JSON");
        index["manifests"][0]["digest"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> &[u8] {
        self.files
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, bytes)| bytes.as_slice())
            .expect("the file exists")
    }

    /// The bytes of a file, to be changed.
    pub fn get_mut(&mut self, name: &str) -> &mut Vec<u8> {
        self.files
            .iter_mut()
            .find(|(known, _)| known == name)
            .map(|(_, bytes)| bytes)
            .expect("the file exists")
    }

    /// Takes a file away.
    pub fn remove(&mut self, name: &str) -> Vec<u8> {
        let place = self
            .files
            .iter()
            .position(|(known, _)| known == name)
            .expect("the file exists");
        self.files.remove(place).1
    }

    /// Adds a file.
    pub fn push(&mut self, name: &str, bytes: &[u8]) {
        self.files.push((name.to_owned(), bytes.to_vec()));
    }

    /// Puts another blob in the place of a layer, in a layout whose `index.json` names the manifest, so that every digest
    /// is right but the diff ID in the config.
    pub fn exchange_layer(&mut self, old: &[u8], new: &[u8]) {
        self.remove(&blob_path(old));
        self.push_blob(new);
        let target = self.target();
        let manifest = self.remove(&format!("blobs/sha256/{}", &target["sha256:".len()..]));
        let mut manifest: Value = serde_json::from_slice(&manifest).expect("a manifest is JSON");
        for layer in manifest["layers"].as_array_mut().into_iter().flatten() {
            if layer["digest"] == digest(old) {
                layer["digest"] = digest(new).into();
                layer["size"] = new.len().into();
            }
        }
        let manifest = manifest.to_string().into_bytes();
        self.push_blob(&manifest);
        let bytes = self.get_mut("index.json");
        let mut index: Value = serde_json::from_slice(bytes).expect("index.json is JSON");
        index["manifests"][0]["digest"] = digest(&manifest).into();
        index["manifests"][0]["size"] = manifest.len().into();
        *bytes = index.to_string().into_bytes();
    }

    /// As a tarball.
    #[must_use]
    pub fn tarball(&self) -> Vec<u8> {
        let mut tarball = tar::Builder::new(Vec::new());
        for (name, bytes) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            tarball
                .append_data(&mut header, name, bytes.as_slice())
                .expect("writing to memory");
        }
        for (name, target) in &self.links {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tarball
                .append_link(&mut header, name, target)
                .expect("writing to memory");
        }
        tarball.into_inner().expect("writing to memory")
    }

    /// Into a directory.
    pub fn write(&self, directory: &Path) {
        for (name, bytes) in &self.files {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().expect("a name has a directory"))
                .expect("making a directory");
            std::fs::write(path, bytes).expect("writing a file");
        }
    }

    /// Adds a blob of a layout; one that is there already stands once.
    pub(crate) fn push_blob(&mut self, bytes: &[u8]) {
        let name = blob_path(bytes);
        if self.files.iter().all(|(known, _)| *known != name) {
            self.push(&name, bytes);
        }
    }
}

/// The entry of `index.json` with a name.
#[must_use]
pub fn named(mut entry: Value, reference: &str) -> Value {
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": reference});
    entry
}

/// Where a layout keeps a blob.
fn blob_path(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(bytes))
}

fn item(config: &str, tags: &[&str], layers: &[String]) -> Value {
    let tags = if tags.is_empty() {
        Value::Null
    } else {
        json!(tags)
    };
    json!({"Config": config, "RepoTags": tags, "Layers": layers})
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

/// With another platform, whose blobs are not there, and an attestation, as on a registry.
fn nested_index(image: &TestImage, mut manifest: Value) -> Value {
    manifest["platform"] = json!({"os": image.platform.0, "architecture": image.platform.1});
    let mut other = descriptor(MANIFEST, b"the manifest for another platform");
    other["platform"] = json!({"os": "linux", "architecture": "s390x"});
    let mut attestation = descriptor(MANIFEST, b"an attestation");
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other, attestation, manifest]})
}
