//! A real client that pulls through.

use std::process::Command;

use serde_json::json;

use crate::upstream::{Upstream, noise, roomy};

#[test]
fn skopeo_pulls_through_while_its_registry_is_there_and_when_it_is_not() {
    let upstream = Upstream::serving();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}).to_string();
    let config_digest = upstream.blob("library/redis", config.as_bytes());
    let layer = noise(100_000, 1);
    let layer_digest = upstream.blob("library/redis", &layer);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": crate::upstream::MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": layer.len()}],
    })
    .to_string();
    let path = "/v2/library/redis/manifests/7";
    upstream.put(path, crate::upstream::MANIFEST, manifest.as_bytes());
    let registry = roomy(&upstream);
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let target = directory.path().join(upstream.asked().len().to_string());
        let output = Command::new("skopeo")
            .args([
                "copy",
                "--src-tls-verify=false",
                "--src-creds",
                "docker:hunter2",
                "--insecure-policy",
            ])
            .arg(format!(
                "docker://{}/docker.io/library/redis:7",
                registry.address
            ))
            .arg(format!("dir:{}", target.display()))
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let copied =
            std::fs::read(target.join(layer_digest.trim_start_matches("sha256:"))).unwrap();
        assert!(copied == layer);
        upstream.script(|_| crate::upstream::Action::Status(503, Vec::new()));
    }
}
