//! Images that are pushed for a test.

use serde_json::{Value, json};

use crate::client::Registry;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What distinguishes an image from others.
pub struct Image<'a> {
    /// Its architecture.
    pub architecture: &'a str,
    /// Content of its layers.
    pub layers: &'a [&'a [u8]],
    /// Of its config.
    pub labels: Value,
    /// Of its manifest.
    pub annotations: Value,
}

impl Default for Image<'_> {
    fn default() -> Self {
        Self {
            architecture: "amd64",
            layers: &[b"base"],
            labels: json!({}),
            annotations: json!({}),
        }
    }
}

/// Pushes an image, and gives its digest.
pub fn push(registry: &Registry, repository: &str, reference: &str, image: &Image) -> String {
    let steps = [
        "ADD rootfs.tar.xz / # buildkit",
        "RUN /bin/sh -c set -eux; apk add --no-cache ca-certificates tzdata; update-ca-certificates # buildkit",
        "COPY --chown=app:app target/release/app /usr/local/bin/app # buildkit",
    ];
    let history = (0..image.layers.len()).map(|index| json!({"created_by": steps[index % 3]}));
    let config = json!({
        "created": "2026-11-20T08:15:00Z",
        "author": "The Authors <authors@example.com>",
        "architecture": image.architecture,
        "os": "linux",
        "config": {
            "Entrypoint": ["/usr/local/bin/app", "--listen", ":8080"],
            "Cmd": ["serve"],
            "User": "app",
            "WorkingDir": "/srv",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "APP_ENV=production"],
            "Labels": image.labels,
        },
        "history": history.collect::<Vec<_>>(),
    });
    let config = config.to_string();
    let config_digest = registry.push_blob(repository, config.as_bytes());
    let layers = image.layers.iter().map(|content| {
        let digest = registry.push_blob(repository, content);
        json!({"mediaType": LAYER, "digest": digest, "size": content.len()})
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config_digest, "size": config.len()},
        "layers": layers.collect::<Vec<_>>(),
        "annotations": image.annotations,
    });
    registry.push_manifest(repository, reference, &manifest)
}

/// Pushes an image for two architectures, and gives the digests of the index and of both images.
pub fn push_index(
    registry: &Registry,
    repository: &str,
    tag: &str,
    layers: &[&[u8]],
) -> (String, [String; 2]) {
    let both = ["amd64", "arm64"].map(|architecture| {
        let image = Image {
            architecture,
            layers,
            labels: json!({
                "org.opencontainers.image.title": "app",
                "org.opencontainers.image.source": "https://git.example.com/team/app",
                "org.opencontainers.image.description": "Answers what the team is asked",
                "org.opencontainers.image.version": tag,
            }),
            ..Image::default()
        };
        let digest = push(
            registry,
            repository,
            &format!("{tag}-{architecture}"),
            &image,
        );
        let path = format!("/v2/{repository}/manifests/{tag}-{architecture}");
        registry.ask("DELETE", &path, &[], b"").assert(202);
        digest
    });
    let children = ["amd64", "arm64"].iter().zip(&both).map(|(architecture, digest)| {
        let size = registry.get(&format!("/v2/{repository}/manifests/{digest}")).body.len();
        json!({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"os": "linux", "architecture": architecture}})
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": children.collect::<Vec<_>>(),
        "annotations": {"org.opencontainers.image.created": "2026-11-20T08:15:00Z"},
    });
    (registry.push_manifest(repository, tag, &index), both)
}

/// Pushes an artifact that is about a manifest, and gives its digest.
pub fn push_about(registry: &Registry, repository: &str, subject: &str, kind: &str) -> String {
    let size = registry
        .get(&format!("/v2/{repository}/manifests/{subject}"))
        .body
        .len();
    let empty = registry.push_blob(repository, b"{}");
    let file = registry.push_blob(repository, kind.as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [{"mediaType": kind, "digest": file, "size": kind.len(), "annotations": {"org.opencontainers.image.title": "sbom.json"}}],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": size},
    });
    let digest = crate::client::sha256(manifest.to_string().as_bytes());
    registry.push_manifest(repository, &digest, &manifest)
}

/// A registry as a team may have it. It gives the digest of an image in `team/app`.
pub fn push_many(registry: &Registry) -> String {
    let mut image = String::new();
    let base: Vec<u8> = (0..3_200_000_u32)
        .map(|byte| u8::try_from(byte % 251).unwrap())
        .collect();
    let runtime = vec![3; 740_000];
    for (repository, tags) in [
        (
            "team/app",
            ["1.0", "1.1", "1.2", "1.10", "latest"].as_slice(),
        ),
        ("team/app/worker", &["1.0", "1.1"]),
        ("team/gateway", &["2026.11.1", "2026.11.2"]),
        ("docker.io/library/redis", &["7", "7.4-alpine"]),
        ("docker.io/library/postgres", &["17"]),
        ("platform/base/debian", &["bookworm-slim", "trixie-slim"]),
        ("tools", &["1"]),
    ] {
        for tag in tags {
            let own = format!("{repository} {tag}").repeat(20_000);
            let (index, [amd64, _]) = push_index(
                registry,
                repository,
                tag,
                &[&base, &runtime, own.as_bytes()],
            );
            if repository == "team/app" {
                image.clone_from(&amd64);
                push_about(
                    registry,
                    repository,
                    &index,
                    "application/vnd.dev.cosign.artifact.sig.v1+json",
                );
                push_about(registry, repository, &amd64, "application/spdx+json");
            }
        }
    }
    registry.get("/v2/team/app/manifests/1.10").assert(200);
    registry
        .get("/v2/docker.io/library/redis/manifests/7")
        .assert(200);
    image
}
