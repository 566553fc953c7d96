//! Frozen images of a registry that is mirrored: they go before it, and the rest comes from it.

use image_fixture::{Files, Packing, TestImage};
use serde_json::json;

use crate::upstream::{DOCKER, Upstream};
use crate::vm::{Vm, pull};

#[test]
fn a_frozen_image_goes_before_the_registry_that_is_mirrored() {
    let vm = Vm::new();
    let frozen = Files::layout(&TestImage::small(1), &["redis:7"], Packing::Gzip, true);
    vm.layout("redis", &frozen);
    let upstream = Upstream::serving();
    let layers = [b"a layer".to_vec()];
    // another image has the tag there
    upstream.image("library/redis", "7", &layers);
    let (other, _) = upstream.image("library/redis", "8", &layers);
    let grants = json!([{"rights": ["pull", "push", "delete"]}]);
    let registry = vm.registry_with(json!({
        "users": [
            {"name": "ci", "password": "hunter2", "grants": grants},
            {"name": "docker", "password": "hunter2", "grants": [{"rights": ["pull"]}]},
        ],
        "upstreams": [{"host": "docker.io", "addresses": [upstream.url()], "timeout_seconds": 2}],
        "cache": {"max_size": "10M"},
    }));
    let names = [
        ("docker.io/library/redis", ""),
        ("library/redis", "?ns=docker.io"),
        ("library/redis", ""),
    ];
    for (repository, suffix) in names {
        let pulled = pull(&registry, repository, "7", suffix);
        assert_eq!(pulled, (frozen.target(), 2), "{repository}{suffix}");
        let path = format!("/v2/{repository}/manifests/7{suffix}");
        let answer = registry.ask_as_it_is("GET", &path, &DOCKER, b"");
        assert_eq!(
            answer.assert(200).header("docker-content-digest"),
            frozen.target()
        );
    }
    assert_eq!(upstream.asked().len(), 0);
    // what is not frozen comes from there, by the names that mean it
    for (repository, suffix) in &names[..2] {
        assert_eq!(pull(&registry, repository, "8", suffix).0, other);
    }
    let path = "/v2/library/redis/manifests/8";
    let answer = registry.ask_as_it_is("GET", path, &DOCKER, b"");
    assert_eq!(answer.assert(200).header("docker-content-digest"), other);
    let tags = registry.get("/v2/docker.io/library/redis/tags/list");
    assert_eq!(tags.assert(200).json()["tags"], json!(["7"]));
    // and nobody pushes there, with a reason that names the package
    let answer = registry.ask(
        "POST",
        "/v2/docker.io/library/redis/blobs/uploads/",
        &[],
        b"",
    );
    assert_eq!(answer.assert(403).code(), "DENIED");
    assert!(String::from_utf8_lossy(&answer.body).contains("packages/redis"));
}
