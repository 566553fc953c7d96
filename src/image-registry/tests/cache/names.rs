//! What names stand for, and who may do what with them.

use serde_json::json;

use crate::client::Registry;
use crate::upstream::{DOCKER, Upstream, roomy};

#[test]
fn an_image_has_one_name_here_and_is_found_by_three() {
    let upstream = Upstream::serving();
    let (digest, layers) = upstream.image("library/redis", "7", &[vec![7; 5000]]);
    let registry = roomy(&upstream);
    for path in [
        "/v2/docker.io/library/redis/manifests/7",
        "/v2/library/redis/manifests/7?ns=docker.io",
        "/v2/library/redis/manifests/7",
    ] {
        let manifest = registry.ask_as_it_is("GET", path, &DOCKER, b"");
        assert_eq!(
            manifest.assert(200).header("docker-content-digest"),
            digest,
            "{path}"
        );
        assert_eq!(manifest.header("warning"), "");
    }
    let blob = format!("/v2/library/redis/blobs/{}", layers[0]);
    for path in [
        format!("{blob}?ns=docker.io"),
        blob.clone(),
        blob.replace("/v2/", "/v2/docker.io/"),
    ] {
        let head = registry.ask_as_it_is("HEAD", &path, &DOCKER, b"");
        assert_eq!(head.assert(200).header("content-length"), "5000");
        let got = registry.ask_as_it_is("GET", &path, &DOCKER, b"");
        assert!(got.assert(200).body == [7; 5000], "{path}");
    }
    assert_eq!(upstream.gets("/v2/library/redis/manifests/7"), 1);
    assert_eq!(upstream.gets(&blob), 1);
    registry
        .get("/v2/docker.io/library/none/manifests/7")
        .assert(404);
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_registry_that_is_not_configured_is_never_asked() {
    let (upstream, other) = (Upstream::serving(), Upstream::serving());
    other.image("library/redis", "7", &[]);
    let registry = roomy(&upstream);
    for ns in [
        other.address.to_string(),
        format!("http://{}", other.address),
        "ghcr.io".to_owned(),
        String::new(),
    ] {
        let refused = registry.get(&format!("/v2/library/redis/manifests/7?ns={ns}"));
        assert_eq!(refused.assert(404).code(), "NAME_UNKNOWN", "{ns}");
    }
    registry
        .get(&format!(
            "/v2/{}/library/redis/manifests/7",
            other.address.ip()
        ))
        .assert(404);
    assert!(other.asked().is_empty() && upstream.asked().is_empty());
}

#[test]
fn what_was_pushed_is_the_registrys_own_and_nothing_is_pushed_to_others() {
    let upstream = Upstream::serving();
    let (_, layers) = upstream.image("team/app", "1", &[vec![1; 100]]);
    let registry = roomy(&upstream);
    let blob = format!("/v2/team/app/blobs/{}", layers[0]);
    registry.get(&blob).assert(404);
    assert!(
        upstream.asked().is_empty(),
        "what may be pushed is nobody else's to know"
    );
    registry.push_blob("team/app", b"ours");
    registry
        .ask_as_it_is("GET", &blob, &DOCKER, b"")
        .assert(404);
    registry
        .ask_as_it_is("GET", "/v2/team/app/manifests/1", &DOCKER, b"")
        .assert(404);
    for (method, path) in [
        ("POST", "/v2/docker.io/team/app/blobs/uploads/".to_owned()),
        (
            "POST",
            "/v2/team/app/blobs/uploads/?ns=docker.io".to_owned(),
        ),
        ("PUT", "/v2/docker.io/team/app/manifests/1".to_owned()),
        ("DELETE", "/v2/docker.io/team/app/manifests/1".to_owned()),
        (
            "DELETE",
            format!("/v2/docker.io/team/app/blobs/{}", layers[0]),
        ),
    ] {
        let refused = registry.ask(method, &path, &[], b"");
        assert_eq!(refused.assert(403).code(), "DENIED", "{path}");
    }
    assert!(upstream.asked().is_empty());
}

#[test]
fn rights_are_granted_by_the_whole_name_and_what_one_may_read_is_no_way_to_the_rest() {
    let (upstream, corp) = (Upstream::serving(), Upstream::serving());
    let (_, layers) = corp.image("secret", "1", &[b"secret".to_vec()]);
    upstream.image("library/redis", "7", &[]);
    let registry = Registry::with(json!({
        "users": [
            {"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull"]}]},
            {"name": "docker", "password": "hunter2", "grants": [{"repositories": "docker.io/", "rights": ["pull"]}]},
        ],
        "upstreams": [
            {"host": "docker.io", "addresses": [upstream.url()]},
            {"host": "registry.corp:5000", "repository": "corp", "addresses": [corp.url()]},
        ],
        "cache": {"max_size": "100M"},
    }));
    registry.get("/v2/corp/secret/manifests/1").assert(200);
    let blob = format!("secret/blobs/{}", layers[0]);
    assert_eq!(
        registry.get(&format!("/v2/corp/{blob}")).assert(200).body,
        b"secret"
    );
    registry
        .get(&format!("/v2/{blob}?ns=registry.corp:5000"))
        .assert(200);
    let docker = |path: String| registry.ask_as_it_is("GET", &path, &DOCKER, b"").status;
    assert_eq!(docker(format!("/v2/corp/{blob}")), 403);
    assert_eq!(docker(format!("/v2/{blob}?ns=registry.corp:5000")), 403);
    assert_eq!(
        docker("/v2/docker.io/library/redis/manifests/7".to_owned()),
        200
    );
    assert_eq!(
        docker(format!("/v2/docker.io/library/redis/blobs/{}", layers[0])),
        404
    );
}

#[test]
fn hits_misses_and_bytes_are_counted_by_upstream() {
    let upstream = Upstream::serving();
    let (_, layers) = upstream.image("a", "1", &[vec![1; 40_000]]);
    let registry = roomy(&upstream);
    for _ in 0..3 {
        registry.get("/v2/docker.io/a/manifests/1").assert(200);
        registry
            .get(&format!("/v2/docker.io/a/blobs/{}", layers[0]))
            .assert(200);
    }
    let metrics = String::from_utf8(registry.get("/metrics").assert(200).body.clone()).unwrap();
    for expected in [
        "image_registry_cache_hits_total{upstream=\"docker.io\"} 4",
        "image_registry_cache_misses_total{upstream=\"docker.io\"} 2",
        "image_registry_upstream_failures_total{upstream=\"docker.io\"} 0",
        "image_registry_cache_cap_bytes 104857600",
    ] {
        assert!(
            metrics.lines().any(|line| line == expected),
            "{expected}: {metrics}"
        );
    }
}
