//! Which of an image's platforms is frozen.

use image_fixture::{Files, Packing, TestImage};
use registry_fixture::{Pushed, Registry};
use serde_json::json;

use crate::common::{INDEX, MANIFEST, Place, image, push, push_files};

/// An index of images for these platforms, and an attestation.
pub fn index(registry: &Registry, platforms: &[(&str, Option<&str>)]) -> Pushed {
    let mut manifests = Vec::new();
    for (number, (architecture, variant)) in platforms.iter().enumerate() {
        let mut image: TestImage = image(&[(number as u64, 1000)]);
        image.platform.1 = (*architecture).into();
        let files = Files::layout(&image, &["x:1"], Packing::Gzip, false);
        let pushed = push_files(registry, &files, "team/app:one", MANIFEST, &files.target());
        let mut platform = json!({"os": "linux", "architecture": architecture});
        if let Some(variant) = variant {
            platform["variant"] = json!(variant);
        }
        manifests.push(json!({"mediaType": MANIFEST, "digest": pushed.digest, "size": pushed.size, "platform": platform}));
    }
    let mut attestation = manifests[0].clone();
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    manifests.insert(0, attestation);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
    registry.push_manifest("team/app", "1", INDEX, index.as_bytes())
}

#[test]
fn linux_on_amd64_unless_another_is_asked_for() {
    let registry = Registry::start();
    let pushed = index(
        &registry,
        &[("s390x", None), ("amd64", None), ("arm64", Some("v8"))],
    );
    for (arguments, expected) in [
        (&[][..], "platform: linux/amd64"),
        (&["--platform", "linux/s390x"], "platform: linux/s390x"),
        (&["--platform", "linux/aarch64"], "platform: linux/arm64"),
    ] {
        let place = Place::new();
        place
            .run(&[&["freeze", &pushed.reference], arguments].concat())
            .good();
        assert!(place.lock().contains(expected), "{}", place.lock());
        place.assert_whole();
    }
}

#[test]
fn a_platform_that_is_missing_is_refused_with_those_that_are_there() {
    let registry = Registry::start();
    let pushed = index(&registry, &[("arm64", Some("v8")), ("s390x", None)]);
    let place = Place::new();
    let ran = place.run(&["freeze", &pushed.reference]);
    ran.bad(
        1,
        &[
            "is for linux/arm64/v8, linux/s390x, not for linux/amd64",
            "--platform",
        ],
    );
    let ran = place.run(&["freeze", &pushed.reference, "--platform", "linux/arm/v5"]);
    ran.bad(1, &["not for linux/arm/v5"]);
    place
        .run(&["freeze", &pushed.reference, "--platform", "amd64"])
        .bad(2, &["is not a platform"]);
}

#[test]
fn an_image_without_an_index_is_held_to_its_config() {
    let registry = Registry::start();
    let mut image = image(&[(1, 1000)]);
    image.platform.1 = "arm64".into();
    let reference = push(&registry, &image, "team/app:1", Packing::Gzip).reference;
    let place = Place::new();
    place
        .run(&["freeze", &reference])
        .bad(1, &["is for linux/arm64, not for linux/amd64"]);
    place
        .run(&["freeze", &reference, "--platform", "linux/arm64/v8"])
        .good();
}
