//! Where images lie: in layouts, in tarballs, with layers in packages of their own. Nothing of them is copied.

use image_fixture::{Files, Layout, Packing, TestImage, named};
use serde_json::json;

use crate::client::sha256;
use crate::vm::{Vm, pull, size_of};

#[test]
fn a_layout_is_served_out_of_its_package_and_nothing_is_copied() {
    let vm = Vm::new();
    let image = TestImage::small(1).with_layer(&[("big", &vec![7; 100_000])]);
    let files = Files::layout(&image, &["redis:7"], Packing::Gzip, true);
    vm.layout("redis-7-image", &files);
    let mut registry = vm.registry();
    let store = size_of(&registry.store(""));
    let pulled = pull(&registry, "docker.io/library/redis", "7", "");
    assert_eq!(pulled, (files.target(), 3));
    let by_digest = pull(&registry, "docker.io/library/redis", &files.target(), "");
    assert_eq!(by_digest, pulled);
    // nothing to do on a second start
    registry.die_and_start();
    assert_eq!(pull(&registry, "library/redis", "7", ""), pulled);
    assert_eq!(size_of(&registry.store("")), store);
    assert!(!registry.store("frozen").exists());
}

#[test]
fn ranges_and_heads_are_those_of_the_blob() {
    let vm = Vm::new();
    let image = TestImage::small(1).with_layer(&[("big", &[7; 10_000])]);
    let archive = Files::new_archive(&image, &["app:1"]);
    vm.tarball("app-image", "app.tar", &archive.tarball());
    let registry = vm.registry();
    let layer = &image.layers[1];
    let path = format!("/v2/library/app/blobs/{}", sha256(layer));
    for (range, expected) in [
        ("bytes=0-9", &layer[..10]),
        ("bytes=500-1499", &layer[500..1500]),
        ("bytes=-100", &layer[layer.len() - 100..]),
    ] {
        let answer = registry.ask("GET", &path, &[("Range", range)], b"");
        assert!(answer.assert(206).body == expected, "{range}");
    }
    let beyond = format!("bytes={}-", layer.len());
    let answer = registry.ask("GET", &path, &[("Range", &beyond)], b"");
    assert_eq!(answer.assert(416).code(), "RANGE_INVALID");
    let head = registry.ask("HEAD", &path, &[], b"");
    assert_eq!(
        head.assert(200).header("content-length"),
        layer.len().to_string()
    );
}

#[test]
fn tarballs_with_a_layout_are_served_as_they_lie() {
    let vm = Vm::new();
    let saved = Files::new_archive(&TestImage::small(1), &["app:1", "app:stable"]);
    vm.tarball("saved", "app.tar", &saved.tarball());
    // as `skopeo copy … oci-archive:` writes it, without Docker's manifest.json
    let archive = Files::layout(
        &TestImage::small(2),
        &["quay.io/x/y:2"],
        Packing::Zstd,
        true,
    );
    vm.tarball("archive", "y.tar", &archive.tarball());
    let registry = vm.registry();
    for tag in ["1", "stable"] {
        let pulled = pull(&registry, "docker.io/library/app", tag, "");
        assert_eq!(pulled, (saved.target(), 2));
    }
    assert_eq!(
        pull(&registry, "quay.io/x/y", "2", ""),
        (archive.target(), 2)
    );
    assert!(!registry.store("frozen").exists());
    assert_eq!(registry.verify().0, 0);
}

#[test]
fn layers_may_lie_in_packages_of_their_own() {
    let vm = Vm::new();
    let image = TestImage::small(1);
    let mut files = Files::layout(&image, &["team/app:1"], Packing::Gzip, false);
    let layer = Packing::Gzip.pack(&image.layers[0]);
    let name = format!("blobs/sha256/{}", image_fixture::hex(&layer));
    let mut lent = Files::default();
    lent.push("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    lent.push("index.json", br#"{"schemaVersion":2,"manifests":[]}"#);
    lent.push(&name, &files.remove(&name));
    lent.write(&vm.package("layer-v1-1", "1"));
    files.write(&vm.package("team-app-1-image", "1"));
    vm.list(
        "team-app-1-image",
        "/var/vcap/packages/team-app-1-image\n/var/vcap/packages/layer-v1-1\n",
    );
    let registry = vm.registry();
    let pulled = pull(&registry, "docker.io/team/app", "1", "");
    assert_eq!(pulled, (files.target(), 2));
}

#[test]
fn all_platforms_of_an_index_and_what_is_about_an_image_are_served() {
    let vm = Vm::new();
    let (manifest, config) = (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
    );
    let mut layout = Layout::default();
    let mut children = Vec::new();
    for (seed, architecture) in [(1, "amd64"), (2, "s390x")] {
        let mut image = TestImage::small(seed);
        image.platform.1 = architecture.to_owned();
        let layer = layout.layer(&image, 0, Packing::Gzip);
        let document = serde_json::from_slice(&image.config()).unwrap();
        let mut child = layout.image(&document, config, &[layer], manifest);
        child["platform"] = json!({"os": "linux", "architecture": architecture});
        children.push(child);
    }
    let index = layout.index(&children);
    let payload = layout.put("application/vnd.example.signature", b"signed");
    let signature = layout.document(
        manifest,
        &json!({"schemaVersion": 2, "mediaType": manifest, "artifactType": "application/vnd.example.signature",
            "config": payload, "layers": [payload], "subject": index}),
    );
    let files = layout.files(&[
        named(index.clone(), "quay.io/team/app:1"),
        signature.clone(),
    ]);
    vm.layout("app", &files);
    let registry = vm.registry();
    for child in &children {
        let digest = child["digest"].as_str().unwrap();
        assert_eq!(pull(&registry, "quay.io/team/app", digest, "").0, digest);
    }
    let subject = index["digest"].as_str().unwrap();
    let answer = registry.get(&format!("/v2/quay.io/team/app/referrers/{subject}"));
    let referrers = answer.assert(200).json();
    assert_eq!(referrers["manifests"][0]["digest"], signature["digest"]);
    assert_eq!(
        referrers["manifests"][0]["artifactType"],
        "application/vnd.example.signature"
    );
    assert_eq!(referrers["manifests"].as_array().unwrap().len(), 1);
    let filtered = format!("/v2/quay.io/team/app/referrers/{subject}?artifactType=x/y");
    assert_eq!(registry.get(&filtered).json()["manifests"], json!([]));
    let digest = signature["digest"].as_str().unwrap();
    assert_eq!(pull(&registry, "quay.io/team/app", digest, "").0, digest);
}

#[test]
fn a_registry_with_fifty_frozen_images_starts_at_once() {
    let vm = Vm::new();
    for number in 0..50 {
        let image = TestImage::small(number).with_layer(&[("other", &[number; 2_000])]);
        let name = format!("registry.example/set/app{number}:1");
        vm.layout(
            &format!("app{number}"),
            &Files::layout(&image, &[&name], Packing::Gzip, true),
        );
    }
    let began = std::time::Instant::now();
    let registry = vm.registry();
    let elapsed = began.elapsed();
    eprintln!("start with 50 frozen images: {elapsed:?}");
    assert!(elapsed < std::time::Duration::from_secs(5), "{elapsed:?}");
    let catalog = registry.get("/v2/_catalog").json();
    assert_eq!(catalog["repositories"].as_array().unwrap().len(), 50);
    pull(&registry, "registry.example/set/app49", "1", "");
}
