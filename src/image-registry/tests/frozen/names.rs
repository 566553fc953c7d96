//! By which names frozen images are found, by whom, and that nobody changes them.

use image_fixture::{Files, Packing, TestImage};
use serde_json::json;

use crate::vm::{Vm, pull};

fn layout(seed: u8, names: &[&str]) -> Files {
    Files::layout(&TestImage::small(seed), names, Packing::Gzip, false)
}

#[test]
fn an_image_is_found_as_a_mirror_has_it_and_by_its_whole_name() {
    let vm = Vm::new();
    let redis = layout(1, &["redis:7"]);
    let port = layout(2, &["Registry.Example:5000/team/app:1"]);
    vm.layout("redis", &redis);
    vm.layout("app", &port);
    let registry = vm.registry();
    for (repository, suffix) in [
        ("library/redis", ""),
        ("library/redis", "?ns=docker.io"),
        ("docker.io/library/redis", ""),
    ] {
        let pulled = pull(&registry, repository, "7", suffix);
        assert_eq!(pulled, (redis.target(), 2), "{repository}{suffix}");
    }
    // a repository has no colon
    for (repository, suffix) in [
        ("registry.example_5000/team/app", ""),
        ("team/app", "?ns=registry.example:5000"),
    ] {
        let pulled = pull(&registry, repository, "1", suffix);
        assert_eq!(pulled, (port.target(), 2), "{repository}{suffix}");
    }
    // only Docker Hub's host is left out
    registry.get("/v2/team/app/manifests/1").assert(404);
    registry
        .get("/v2/library/redis/manifests/7?ns=quay.io")
        .assert(404);
    registry.get("/v2/library/redis/manifests/8").assert(404);
}

#[test]
fn lists_have_frozen_images_beside_what_was_pushed() {
    let vm = Vm::new();
    vm.layout(
        "redis",
        &layout(1, &["redis:7", "redis:stable", "team/app:2"]),
    );
    let registry = vm.registry();
    let config = registry.push_blob("own/app", b"{}");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": {"mediaType": "x/y", "digest": config, "size": 2}, "layers": []});
    registry.push_manifest("own/app", "1", &manifest);
    let catalog = registry.get("/v2/_catalog").json();
    assert_eq!(
        catalog["repositories"],
        json!(["docker.io/library/redis", "docker.io/team/app", "own/app"])
    );
    for repository in ["docker.io/library/redis", "library/redis"] {
        let tags = registry.get(&format!("/v2/{repository}/tags/list"));
        assert_eq!(
            tags.assert(200).json(),
            json!({"name": repository, "tags": ["7", "stable"]})
        );
    }
    let page = registry.get("/v2/docker.io/library/redis/tags/list?n=1");
    assert_eq!(page.json()["tags"], json!(["7"]));
    assert!(page.header("link").contains("last=7"));
}

#[test]
fn people_see_frozen_images_beside_what_was_pushed() {
    let vm = Vm::new();
    let redis = Files::layout(&TestImage::small(1), &["redis:7"], Packing::Gzip, true);
    vm.layout("redis", &redis);
    let registry = vm.registry();
    registry.push_blob("own/app", b"{}");
    let rows = || {
        let (code, said) = registry.command(&["catalog", "--json"]);
        assert_eq!(code, 0, "{said}");
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    let first = rows();
    let row = &first["images"][0];
    assert_eq!(
        (&row["repository"], &row["tag"], &row["digest"]),
        (
            &json!("docker.io/library/redis"),
            &json!("7"),
            &json!(redis.target())
        ),
        "{first}"
    );
    assert!(
        row["size"].as_u64() > Some(100) && row["pulled"].is_null(),
        "{first}"
    );
    assert_eq!(first["repositories"].as_array().unwrap().len(), 2);
    pull(&registry, "library/redis", "7", "");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while rows()["images"][0]["pulled"].is_null() {
        assert!(std::time::Instant::now() < deadline, "{}", rows());
    }
    for (path, expected) in [
        ("/ui", "docker.io"),
        (
            "/ui/docker.io/library/redis",
            "/ui/docker.io/library/redis/_/7",
        ),
        ("/ui/docker.io/library/redis/_/7", &redis.target()),
    ] {
        let page = registry.get(path);
        let page = String::from_utf8_lossy(&page.assert(200).body).into_owned();
        assert!(page.contains(expected), "{path}: {page}");
    }
}

#[test]
fn pushes_and_deletions_are_refused_and_name_the_package() {
    let vm = Vm::new();
    let redis = layout(1, &["redis:7"]);
    vm.layout("redis-7-image", &redis);
    let registry = vm.registry();
    for repository in ["library/redis", "docker.io/library/redis"] {
        for (method, path) in [
            ("POST", format!("/v2/{repository}/blobs/uploads/")),
            ("PUT", format!("/v2/{repository}/manifests/8")),
            ("DELETE", format!("/v2/{repository}/manifests/7")),
            (
                "DELETE",
                format!("/v2/{repository}/manifests/{}", redis.target()),
            ),
        ] {
            let answer = registry.ask(method, &path, &[], b"{}");
            assert_eq!(answer.assert(403).code(), "DENIED", "{method} {path}");
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(said.contains("packages/redis-7-image"), "{said}");
        }
    }
    assert_eq!(pull(&registry, "library/redis", "7", "").0, redis.target());
}

#[test]
fn rights_hold_for_frozen_images_too() {
    let vm = Vm::new();
    vm.layout("redis", &layout(1, &["redis:7"]));
    vm.layout("app", &layout(2, &["quay.io/team/app:1"]));
    let grants = json!([{"repositories": "quay.io/", "rights": ["pull"]}]);
    let registry = vm
        .registry_with(json!({"users": [{"name": "ci", "password": "hunter2", "grants": grants}]}));
    pull(&registry, "quay.io/team/app", "1", "");
    for repository in ["library/redis", "docker.io/library/redis"] {
        for path in ["manifests/7", "tags/list"] {
            let answer = registry.get(&format!("/v2/{repository}/{path}"));
            assert_eq!(answer.assert(403).code(), "DENIED");
        }
    }
    registry
        .ask_as_it_is("GET", "/v2/quay.io/team/app/manifests/1", &[], b"")
        .assert(401);
    let catalog = registry.get("/v2/_catalog").json();
    assert_eq!(catalog["repositories"], json!(["quay.io/team/app"]));

    let grants = json!([{"repositories": "docker.io/library/", "rights": ["pull"]}]);
    let registry = vm
        .registry_with(json!({"users": [{"name": "ci", "password": "hunter2", "grants": grants}]}));
    for (repository, suffix) in [("library/redis", ""), ("library/redis", "?ns=docker.io")] {
        pull(&registry, repository, "7", suffix);
    }
    registry.get("/v2/library/other/manifests/7").assert(403);
    registry
        .get("/v2/team/app/manifests/1?ns=quay.io")
        .assert(403);
}

#[test]
fn an_image_that_is_pinned_is_found_by_its_digest() {
    let vm = Vm::new();
    let digest = layout(1, &["app:1"]).target();
    let (both, alone) = (format!("app:1@{digest}"), format!("other@{digest}"));
    vm.layout("app", &layout(1, &[&both, &alone]));
    let registry = vm.registry();
    for (repository, reference) in [("app", "1"), ("app", &digest), ("other", &digest)] {
        let pulled = pull(&registry, &format!("library/{repository}"), reference, "");
        assert_eq!(pulled.0, digest);
    }
    let tags = registry.get("/v2/library/other/tags/list");
    assert_eq!(tags.assert(200).json()["tags"], json!([]));
}

#[test]
fn of_two_images_of_one_name_the_last_one_listed_has_it() {
    let vm = Vm::new();
    let (first, second) = (layout(1, &["app:1"]), layout(2, &["app:1"]));
    vm.layout("a", &first);
    vm.layout("b", &second);
    let registry = vm.registry();
    assert_eq!(pull(&registry, "library/app", "1", "").0, second.target());
    let by_digest = pull(&registry, "library/app", &first.target(), "");
    assert_eq!(by_digest.0, first.target());
}
