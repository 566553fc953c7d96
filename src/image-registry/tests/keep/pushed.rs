//! Images that tests push, and how old they are made.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::client::Registry;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

pub const DAY: Duration = Duration::from_hours(24);

/// A registry with rules of retention.
pub fn with_rules(rules: &Value) -> Registry {
    with(json!({ "retention": rules }))
}

/// A registry with the login `ci` and more of a configuration.
pub fn with(mut config: Value) -> Registry {
    let everything = json!([{"rights": ["pull", "push", "delete"]}]);
    config["users"] = json!([{"name": "ci", "password": "hunter2", "grants": everything}]);
    Registry::with(config)
}

pub fn descriptor(media_type: &str, digest: &str, size: usize) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

fn config(layer: &str) -> String {
    json!({"os": "linux", "architecture": "amd64", "about": layer}).to_string()
}

/// The manifest of an image of one layer.
pub fn image(layer: &str) -> Value {
    let config = config(layer);
    let digest = |bytes: &str| crate::client::sha256(bytes.as_bytes());
    let tar = "application/vnd.oci.image.layer.v1.tar";
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &digest(&config), config.len()),
        "layers": [descriptor(tar, &digest(layer), layer.len())],
    })
}

/// Pushes an image of one layer under a tag or by digest, and gives its digest and that of the layer.
pub fn push_image(
    registry: &Registry,
    repository: &str,
    tag: Option<&str>,
    layer: &str,
) -> (String, String) {
    registry.push_blob(repository, config(layer).as_bytes());
    let layer_digest = registry.push_blob(repository, layer.as_bytes());
    let digest = push(registry, repository, tag, &image(layer));
    (digest, layer_digest)
}

/// Pushes a manifest under a tag or by digest.
pub fn push(registry: &Registry, repository: &str, tag: Option<&str>, manifest: &Value) -> String {
    let digest = crate::client::sha256(manifest.to_string().as_bytes());
    registry.push_manifest(repository, tag.unwrap_or(&digest), manifest)
}

/// Pushes an artifact that is about a manifest.
pub fn push_about(
    registry: &Registry,
    repository: &str,
    tag: Option<&str>,
    subject: &str,
) -> String {
    let empty = registry.push_blob(repository, b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x.sbom",
        "config": descriptor("application/vnd.oci.empty.v1+json", &empty, 2), "layers": [],
        "annotations": {"tag": tag.unwrap_or("none")},
        "subject": descriptor(MANIFEST, subject, 7),
    });
    push(registry, repository, tag, &manifest)
}

/// Makes a file so old.
pub fn age(file: &Path, age: Duration) {
    let opened = std::fs::File::options().write(true).open(file).unwrap();
    opened.set_modified(SystemTime::now() - age).unwrap();
}

/// Makes a tag so old.
pub fn age_tag(registry: &Registry, repository: &str, tag: &str, days: u32) {
    let file = format!("repositories/{repository}/_tags/{tag}");
    age(&registry.store(&file), DAY * days);
}

/// Makes what a repository has of a digest so old: `_manifests` its push, `_pulled` its last pull.
pub fn age_link(registry: &Registry, repository: &str, kind: &str, digest: &str, days: u32) {
    let hex = digest.replace("sha256:", "");
    let file = format!("repositories/{repository}/{kind}/sha256/{hex}");
    age(&registry.store(&file), DAY * days);
}

/// Where a blob's content lies.
pub fn content(registry: &Registry, digest: &str) -> std::path::PathBuf {
    let hex = digest.replace("sha256:", "");
    registry.store(&format!("blobs/sha256/{}/{hex}", &hex[..2]))
}

/// Whether a repository has a manifest.
pub fn is_there(registry: &Registry, repository: &str, reference: &str) -> bool {
    let path = format!("/v2/{repository}/manifests/{reference}");
    registry.ask("HEAD", &path, &[], b"").status == 200
}

/// What a command that succeeds says.
pub fn said(registry: &Registry, arguments: &[&str]) -> String {
    let (code, said) = registry.command(arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

pub fn assert_whole(registry: &Registry) {
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
}
