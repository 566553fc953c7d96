//! What freezes verifies: one rule says which manifest of an index is meant, and what a release has can be read again.

use image_fixture::{Files, Packing, TestImage};
use registry_fixture::{Pushed, Registry};
use serde_json::{Value, json};

use crate::common::{INDEX, MANIFEST, Place, image, push_files};

/// An image of a repository, as an entry of an index.
fn entry(registry: &Registry, seed: u64, config: (&str, &str), platform: Option<Value>) -> Value {
    let mut image: TestImage = image(&[(seed, 1000)]);
    image.platform = (config.0.into(), config.1.into());
    let files = Files::layout(&image, &["x:1"], Packing::Gzip, false);
    let pushed = push_files(registry, &files, "team/app:one", MANIFEST, &files.target());
    described(&pushed, MANIFEST, platform)
}

fn described(pushed: &Pushed, media_type: &str, platform: Option<Value>) -> Value {
    let mut entry = json!({"mediaType": media_type, "digest": pushed.digest, "size": pushed.size});
    if let Some(platform) = platform {
        entry["platform"] = platform;
    }
    entry
}

fn index(registry: &Registry, tag: &str, entries: &[Value]) -> Pushed {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    registry.push_manifest("team/app", tag, INDEX, index.as_bytes())
}

#[expect(clippy::unnecessary_wraps, reason = "entries may have no platform")]
fn amd64(variant: &str) -> Option<Value> {
    let mut platform = json!({"os": "linux", "architecture": "amd64"});
    if !variant.is_empty() {
        platform["variant"] = json!(variant);
    }
    Some(platform)
}

/// Freezes, in every layout, and verifies and exports what came of it. Gives the lock.
fn freeze(reference: &str, arguments: &[&str]) -> String {
    let mut lock = String::new();
    for layout in ["split", "archive"] {
        let place = Place::new();
        place
            .run(&[&["freeze", reference, "--layout", layout], arguments].concat())
            .good();
        place.assert_whole();
        let out = place.beside("out.tar").display().to_string();
        place.run(&["export", reference, "--output", &out]).good();
        let exported = format!("docker-archive:{out}");
        let again = ["freeze", &exported, "--as", "again:1"];
        place.run(&[&again, arguments].concat()).good();
        lock = place.lock();
    }
    lock
}

#[test]
fn the_variant_that_is_asked_for_is_the_one_that_is_verified() {
    let registry = Registry::start();
    let v3 = entry(&registry, 3, ("linux", "amd64"), amd64("v3"));
    let plain = entry(&registry, 1, ("linux", "amd64"), amd64(""));
    let v2 = entry(&registry, 2, ("linux", "amd64"), amd64("v2"));
    let pushed = index(&registry, "1", &[v3.clone(), v2.clone(), plain.clone()]);
    for (platform, right) in [
        ("linux/amd64", &plain),
        ("linux/amd64/v2", &v2),
        ("linux/amd64/v3", &v3),
        ("linux/amd64/v4", &v3),
    ] {
        let lock = freeze(&pushed.reference, &["--platform", platform]);
        let manifest = format!("manifest: {}", right["digest"].as_str().unwrap());
        assert!(lock.contains(&manifest), "{platform}: {lock}");
    }
}

#[test]
fn an_update_asks_for_the_variant_that_the_index_named() {
    let registry = Registry::start();
    let v3 = entry(&registry, 3, ("linux", "amd64"), amd64("v3"));
    let plain = entry(&registry, 1, ("linux", "amd64"), amd64(""));
    let pushed = index(&registry, "1", &[plain.clone(), v3]);
    let place = Place::new();
    place
        .run(&["freeze", &pushed.reference, "--platform", "linux/amd64/v3"])
        .good();
    let newer = entry(&registry, 4, ("linux", "amd64"), amd64("v3"));
    index(&registry, "1", &[plain, newer.clone()]);
    place.run(&["update"]).good();
    let manifest = format!("manifest: {}", newer["digest"].as_str().unwrap());
    assert!(place.lock().contains(&manifest), "{}", place.lock());
    assert!(place.lock().contains("platform: linux/amd64/v3"));
    place.assert_whole();
}

#[test]
fn indexes_in_indexes_are_frozen_with_all_of_them() {
    let registry = Registry::start();
    let image = entry(&registry, 1, ("linux", "amd64"), amd64(""));
    let inner = index(&registry, "inner", &[image]);
    let middle = index(&registry, "middle", &[described(&inner, INDEX, None)]);
    let outer = index(&registry, "1", &[described(&middle, INDEX, None)]);
    let lock = freeze(&outer.reference, &[]);
    for pushed in [&inner, &middle, &outer] {
        assert!(lock.contains(&pushed.digest), "{lock}");
    }
    // Asked for again, nothing is to be done; and by another name it is the same.
    let place = Place::new();
    place.run(&["freeze", &outer.reference]).good();
    let again = place.run(&["freeze", &outer.reference]).good();
    assert!(again.stdout().contains("unchanged"), "{}", again.stdout());
}

#[test]
fn what_is_no_image_is_passed_over() {
    let registry = Registry::start();
    let image = entry(&registry, 1, ("linux", "amd64"), amd64(""));
    let empty = registry.push_blob("team/app", b"{}");
    let artifact = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [{"mediaType": "application/spdx+json", "digest": empty, "size": 2}],
    })
    .to_string();
    let artifact = registry.push_manifest("team/app", "sbom", MANIFEST, artifact.as_bytes());
    for (number, other) in [
        described(&artifact, MANIFEST, None),
        described(&artifact, MANIFEST, amd64("")),
    ]
    .into_iter()
    .enumerate()
    {
        let pushed = index(&registry, &format!("{number}"), &[other, image.clone()]);
        let lock = freeze(&pushed.reference, &[]);
        assert!(lock.contains(image["digest"].as_str().unwrap()), "{lock}");
    }
}

#[test]
fn what_a_config_says_or_leaves_open_is_taken_as_docker_takes_it() {
    let registry = Registry::start();
    for (number, (config, platform, asked)) in [
        (("", ""), None, "linux/amd64"),
        (("", "amd64"), None, "linux/amd64"),
        (("linux", "x86_64"), None, "linux/amd64"),
        (("linux", "arm64"), amd64(""), "linux/amd64"),
        (("linux", "amd64"), amd64(""), "linux/amd64/v2"),
        (
            ("linux", "arm"),
            Some(json!({"os": "linux", "architecture": "arm", "variant": "v6"})),
            "linux/arm/v6",
        ),
        (
            ("linux", "arm"),
            Some(json!({"os": "linux", "architecture": "arm", "variant": "v5"})),
            "linux/arm/v7",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let is_index = platform.is_some();
        let entry = entry(&registry, number as u64, config, platform);
        let reference = if is_index {
            index(&registry, &format!("{number}"), &[entry]).reference
        } else {
            by_digest(&registry, &entry)
        };
        freeze(&reference, &["--platform", asked]);
        if is_index {
            // The index, which said what it is for, goes.
            let place = Place::new();
            place
                .run(&[
                    "freeze",
                    &reference,
                    "--platform",
                    asked,
                    "--recompress",
                    "zstd",
                ])
                .good();
            place.assert_whole();
        }
    }
}

fn by_digest(registry: &Registry, entry: &Value) -> String {
    format!(
        "{}/team/app@{}",
        registry.address(),
        entry["digest"].as_str().unwrap()
    )
}

#[test]
fn a_release_on_a_read_only_file_system_is_verified_and_exported() {
    let registry = Registry::start();
    let image = entry(&registry, 1, ("linux", "amd64"), amd64(""));
    let pushed = index(&registry, "1", &[image]);
    let place = Place::new();
    place.run(&["freeze", &pushed.reference]).good();
    let out = place.beside("out.tar").display().to_string();
    let script = r#"mount --bind "$PWD" "$PWD" && mount -o remount,bind,ro "$PWD" && cd "$PWD" && ! touch x 2>/dev/null &&
        "$0" verify && "$0" export "$1" --output "$2""#;
    let program = env!("CARGO_BIN_EXE_image-packager");
    let ran = std::process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .args([program, &pushed.reference, &out])
        .current_dir(place.root())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
}
