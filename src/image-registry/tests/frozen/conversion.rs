//! Tarballs without digests of a registry, and compressed ones: converted once.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use image_fixture::{Files, Packing, TestImage};
use serde_json::json;

use crate::client::{Registry, sha256};
use crate::vm::{Vm, pull, size_of, wait_for};

const CONVERTED: &str = "a frozen tarball is converted";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The manifest by which image-importer imports an image of an old tarball, so that both give it one digest.
fn manifest(image: &TestImage) -> String {
    let descriptor = |media_type: &str, bytes: &[u8]| {
        json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()}).to_string()
    };
    let layers: Vec<String> = image
        .layers
        .iter()
        .map(|layer| in_order(&descriptor("application/vnd.oci.image.layer.v1.tar", layer)))
        .collect();
    let config = in_order(&descriptor(
        "application/vnd.oci.image.config.v1+json",
        &image.config(),
    ));
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":[{}]}}"#,
        layers.join(",")
    )
}

/// A descriptor with its fields as they are written.
fn in_order(descriptor: &str) -> String {
    let descriptor: serde_json::Value = serde_json::from_str(descriptor).unwrap();
    format!(
        r#"{{"mediaType":{},"digest":{},"size":{}}}"#,
        descriptor["mediaType"], descriptor["digest"], descriptor["size"]
    )
}

fn conversions(registry: &Registry) -> Vec<(String, u64)> {
    let found = std::fs::read_dir(registry.store("frozen")).unwrap();
    let mut found: Vec<_> = found
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, entry.metadata().unwrap().ino())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_docker_archive_is_converted_once_with_the_digest_that_it_is_imported_by() {
    let vm = Vm::new();
    let (plain, packed) = (
        TestImage::small(1).with_layer(&[("big", &vec![1; 200_000])]),
        TestImage::small(2),
    );
    let tarball = |image, name: &str| Files::old_archive(&[(image, &[name])]).tarball();
    vm.tarball("plain", "app.tar", &tarball(&plain, "app:1"));
    vm.tarball(
        "packed",
        "other.tgz",
        &gzip(&tarball(&packed, "quay.io/x/other:2")),
    );
    let mut registry = vm.registry();
    let pulled = || {
        (
            pull(&registry, "library/app", "1", ""),
            pull(&registry, "quay.io/x/other", "2", ""),
        )
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while registry.log().matches(CONVERTED).count() < 2 {
        assert!(Instant::now() < deadline, "{}", registry.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    let expected = (
        (sha256(manifest(&plain).as_bytes()), 3),
        (sha256(manifest(&packed).as_bytes()), 2),
    );
    assert_eq!(pulled(), expected);
    let (made, size) = (conversions(&registry), size_of(&registry.store("")));
    assert_eq!(made.len(), 2);
    // a second start finds them, with the first request and without reading the tarballs
    registry.die_and_start();
    let pulled = (
        pull(&registry, "library/app", "1", ""),
        pull(&registry, "quay.io/x/other", "2", ""),
    );
    assert_eq!(pulled, expected);
    assert_eq!(conversions(&registry), made);
    assert_eq!(size_of(&registry.store("")), size);
    assert!(!registry.log().contains("converting"), "{}", registry.log());
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("frozen images: 7 blobs"), "{said}");
}

#[test]
fn what_is_wrong_with_one_image_of_a_tarball_is_told_at_each_start_without_reading_it_again() {
    let vm = Vm::new();
    let (good, bad) = (TestImage::small(1), TestImage::small(2));
    let mut files = Files::old_archive(&[(&good, &["good:1"]), (&bad, &["bad:1"])]);
    let layer = files
        .files
        .iter()
        .position(|(_, bytes)| *bytes == bad.layers[0]);
    files.files[layer.unwrap()].1[600] ^= 1;
    vm.tarball("both", "both.tgz", &gzip(&files.tarball()));
    vm.tarball("none", "none.tgz", &gzip(b"no tarball"));
    let mut registry = vm.registry();
    let told = |registry: &Registry| {
        let log = registry.log();
        let told = log.lines().filter(|line| line.contains("is not served"));
        let mut told: Vec<String> = told
            .map(|line| line.split_once("WARN").unwrap().1.to_owned())
            .collect();
        told.sort();
        told
    };
    wait_for(&registry, "none.tgz elapsed_ms");
    let first = told(&registry);
    assert!(first.len() == 2 && first[0].contains("bad:1"), "{first:?}");
    assert!(first[1].contains("none.tgz"), "{first:?}");
    registry.die_and_start();
    pull(&registry, "library/good", "1", "");
    registry.get("/v2/library/bad/manifests/1").assert(404);
    assert_eq!(told(&registry), first);
    assert!(!registry.log().contains("converting"), "{}", registry.log());
}

#[test]
fn a_compressed_tarball_with_a_layout_keeps_its_digests() {
    let vm = Vm::new();
    let archive = Files::layout(&TestImage::small(1), &["app:1"], Packing::Gzip, true);
    vm.tarball("app", "app.tgz", &gzip(&archive.tarball()));
    let registry = vm.registry();
    wait_for(&registry, CONVERTED);
    let pulled = pull(&registry, "library/app", "1", "");
    assert_eq!(pulled, (archive.target(), 2));
}

#[test]
fn a_conversion_that_is_damaged_is_made_again() {
    let vm = Vm::new();
    let image = TestImage::small(1);
    let tarball = Files::old_archive(&[(&image, &["app:1"])]).tarball();
    vm.tarball("app", "app.tar", &tarball);
    let mut registry = vm.registry();
    wait_for(&registry, CONVERTED);
    let (name, _) = conversions(&registry).remove(0);
    for file in ["source.json", "index.json"] {
        let path = registry.store(&format!("frozen/{name}/{file}"));
        let whole = std::fs::read(&path).unwrap();
        for damaged in [None, Some(&whole[..whole.len() / 2])] {
            match damaged {
                None => std::fs::remove_file(&path).unwrap(),
                Some(half) => std::fs::write(&path, half).unwrap(),
            }
            registry.die_and_start();
            wait_for(&registry, CONVERTED);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "{file}");
            pull(&registry, "library/app", "1", "");
        }
    }
}

#[test]
fn a_registry_that_is_killed_while_it_converts_converts_at_the_next_start() {
    let vm = Vm::new();
    // a layer that takes long to read, and not to make
    let image = TestImage::small(1).with_layer(&[("zeroes", &vec![0; 200 << 20])]);
    let tarball = Files::old_archive(&[(&image, &["app:1"])]).tarball();
    vm.tarball("app", "app.tgz", &gzip(&tarball));
    drop(tarball);
    let mut registry = vm.registry();
    let deadline = Instant::now() + Duration::from_mins(1);
    for round in 0..3 {
        // a layer is half written
        while size_of(&registry.store("tmp")) < (1 + round) * 10_000_000 {
            assert!(Instant::now() < deadline, "{}", registry.log());
            assert!(!registry.log().contains(CONVERTED), "it was too fast");
            std::thread::sleep(Duration::from_millis(1));
        }
        registry.die_and_start();
        assert!(!registry.log().contains("not served"), "{}", registry.log());
        registry.get("/v2/library/app/manifests/1").assert(404);
    }
    wait_for(&registry, CONVERTED);
    let pulled = pull(&registry, "library/app", "1", "");
    assert_eq!(pulled, (sha256(manifest(&image).as_bytes()), 3));
    assert_eq!(size_of(&registry.store("tmp")), 0);
    assert_eq!(conversions(&registry).len(), 1);
    assert_eq!(registry.verify().0, 0);
}
