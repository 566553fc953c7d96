//! Which manifest of an index is meant: containerd's choice, and nothing else need be understood.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{Place, chain, failure, only, says, source, verified};
use image_archive::{Image, Layouts, Limits, Platform, Result, Source};
use image_fixture::{Layout, Packing, TestImage, named};
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A layout, and the images that it gets.
#[derive(Default)]
struct Blobs(Layout);

impl Blobs {
    /// An image whose config says this, and is of this type.
    fn image_of(&mut self, seed: u8, config: &Value, config_type: &str) -> Value {
        let image = TestImage::small(seed);
        let mut full: Value = serde_json::from_slice(&image.config()).unwrap();
        for key in ["os", "architecture"] {
            full.as_object_mut().unwrap().remove(key);
        }
        for (key, value) in config.as_object().unwrap() {
            full[key] = value.clone();
        }
        let layer = self.0.layer(&image, 0, Packing::Gzip);
        self.0.image(&full, config_type, &[layer], MANIFEST)
    }

    fn image(&mut self, seed: u8, platform: &str) -> Value {
        let config = parts(platform);
        self.image_of(seed, &config, CONFIG)
    }

    /// The same, as an entry of an index.
    fn entry(&mut self, seed: u8, platform: &str) -> Value {
        let mut image = self.image(seed, platform);
        image["platform"] = parts(platform);
        image
    }

    fn artifact(&mut self, config_type: &str) -> Value {
        let layer = self.0.put("application/spdx+json", b"{\"spdx\":1}");
        self.0.image(&json!({}), config_type, &[layer], MANIFEST)
    }

    fn write(&self, place: &Place, name: &str, entries: &[Value]) -> PathBuf {
        place.layout(name, &self.0.files(entries))
    }
}

fn parts(platform: &str) -> Value {
    let mut parts = platform.split('/');
    let mut value = json!({"os": parts.next(), "architecture": parts.next()});
    if let Some(variant) = parts.next() {
        value["variant"] = json!(variant);
    }
    value
}

fn platform(text: &str) -> Platform {
    serde_json::from_value(parts(text)).unwrap()
}

/// The first image of a layout, for this platform.
fn first(path: &Path, wanted: &str) -> Result<Image> {
    let source = Source::open(
        path,
        &Layouts::default(),
        &platform(wanted),
        Limits::DEFAULT,
    );
    source.unwrap().into_images().remove(0)
}

/// The manifest that is chosen in a layout of one index, after all of it was verified.
fn chosen(
    blobs: &mut Blobs,
    entries: &[Value],
    wanted: &str,
) -> std::result::Result<String, String> {
    let place = Place::new();
    let target = named(blobs.0.index(entries), "x:1");
    let path = blobs.write(&place, "layout", &[target]);
    let image = first(&path, wanted).map_err(|error| chain(&error))?;
    let verified = image.verify().map_err(|error| chain(&error))?;
    let last = verified.documents().last().unwrap().0.digest;
    Ok(last.to_string())
}

#[track_caller]
fn assert_chosen(blobs: &mut Blobs, entries: &[Value], wanted: &str, right: &Value) {
    let found = chosen(blobs, entries, wanted).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        Value::from(found),
        right["digest"],
        "{wanted} of {entries:?}"
    );
}

#[test]
fn the_better_variant_is_meant_whatever_comes_first() {
    let mut blobs = Blobs::default();
    let blobs = &mut blobs;
    let plain = blobs.entry(1, "linux/amd64");
    let (v2, v3) = (
        blobs.entry(2, "linux/amd64/v2"),
        blobs.entry(3, "linux/amd64/v3"),
    );
    let x86 = blobs.entry(4, "linux/386");
    let all = [x86.clone(), v3.clone(), v2.clone(), plain.clone()];
    assert_chosen(blobs, &all, "linux/amd64", &plain);
    assert_chosen(blobs, &all, "linux/amd64/v3", &v3);
    assert_chosen(blobs, &all[2..], "linux/amd64/v3", &v2);
    assert_chosen(
        blobs,
        std::slice::from_ref(&plain),
        "linux/amd64/v3",
        &plain,
    );
    assert_chosen(blobs, &all[..1], "linux/amd64", &x86);
    assert_chosen(blobs, &all[1..2], "linux/amd64", &v3);
    let arm: Vec<Value> = ["v5", "v7", "v6"]
        .iter()
        .zip(5..)
        .map(|(variant, seed)| blobs.entry(seed, &format!("linux/arm/{variant}")))
        .collect();
    assert_chosen(blobs, &arm, "linux/arm", &arm[1]);
    assert_chosen(blobs, &arm, "linux/arm64", &arm[1]);
    assert_chosen(blobs, &arm[..1], "linux/arm/v7", &arm[0]);
    let error = chosen(blobs, &arm[1..], "linux/arm/v5").unwrap_err();
    says(
        &error,
        &["linux/arm/v6, linux/arm/v7", "not for linux/arm/v5"],
    );
}

#[test]
fn indexes_lie_in_indexes() {
    let mut blobs = Blobs::default();
    let blobs = &mut blobs;
    let image = blobs.entry(1, "linux/amd64");
    let other = blobs.entry(2, "linux/s390x");
    let once = blobs.0.index(&[other.clone(), image.clone()]);
    assert_chosen(blobs, std::slice::from_ref(&once), "linux/amd64", &image);
    let twice = blobs.0.index(&[once]);
    assert_chosen(blobs, &[other, twice.clone()], "linux/amd64", &image);
    let mut deep = twice;
    for _ in 0..4 {
        deep = blobs.0.index(&[deep]);
    }
    says(
        &chosen(blobs, &[deep], "linux/amd64").unwrap_err(),
        &["too many indexes lie in indexes"],
    );
}

#[test]
fn what_is_no_image_is_passed_over() {
    let mut blobs = Blobs::default();
    let blobs = &mut blobs;
    let image = blobs.entry(1, "linux/amd64");
    let silent = blobs.image(2, "linux/amd64");
    let sbom = blobs.artifact("application/vnd.oci.empty.v1+json");
    let signature = blobs.artifact(CONFIG);
    let mut attestation = blobs.artifact(CONFIG);
    attestation["platform"] = parts("unknown/unknown");
    let mut unknown_type = image.clone();
    unknown_type["mediaType"] = json!("application/vnd.oci.artifact.manifest.v1+json");
    let mut called = image.clone();
    called["artifactType"] = json!("application/spdx+json");
    let mut like_the_image = sbom.clone();
    like_the_image["platform"] = parts("linux/amd64");
    for other in [
        sbom.clone(),
        signature,
        attestation,
        unknown_type,
        called,
        like_the_image,
    ] {
        assert_chosen(
            blobs,
            &[other.clone(), image.clone()],
            "linux/amd64",
            &image,
        );
        assert_chosen(blobs, &[other, silent.clone()], "linux/amd64", &silent);
    }
    let error = chosen(blobs, &[sbom], "linux/amd64").unwrap_err();
    says(
        &error,
        &["artifact of type `application/vnd.oci.empty.v1+json`"],
    );
}

#[test]
fn only_what_is_chosen_need_be_understood() {
    let mut blobs = Blobs::default();
    let blobs = &mut blobs;
    let image = blobs.entry(1, "linux/amd64");
    let strange = |platform: Value| {
        let digest = format!("sha512:{}", "a".repeat(128));
        json!({"mediaType": MANIFEST, "digest": digest, "size": 7, "platform": platform})
    };
    let others = [
        strange(parts("linux/arm64")),
        json!({"mediaType": MANIFEST, "platform": parts("linux/ppc64le")}),
        json!({"mediaType": MANIFEST, "digest": "sha256:", "size": -1, "platform": parts("linux/386")}),
        json!("nonsense"),
        json!({"platform": {"os": 7}}),
    ];
    for other in others {
        assert_chosen(blobs, &[other, image.clone()], "linux/amd64", &image);
    }
    let error = chosen(
        blobs,
        &[strange(parts("linux/amd64")), image],
        "linux/amd64",
    )
    .unwrap_err();
    says(&error, &["sha512:"]);
}

#[test]
fn what_an_entry_does_not_say_its_config_tells() {
    let mut blobs = Blobs::default();
    let blobs = &mut blobs;
    let (arm64, amd64) = (blobs.image(1, "linux/arm64"), blobs.image(2, "linux/amd64"));
    let both = [arm64.clone(), amd64.clone()];
    assert_chosen(blobs, &both, "linux/amd64", &amd64);
    assert_chosen(blobs, &both, "linux/arm64", &arm64);
    let mut empty = amd64.clone();
    empty["platform"] = json!({"os": "", "architecture": null});
    assert_chosen(blobs, &[arm64.clone(), empty], "linux/amd64", &amd64);
    // What the index names goes before what it leaves open.
    let named = blobs.entry(3, "linux/amd64");
    assert_chosen(blobs, &[amd64, named.clone()], "linux/amd64", &named);
    says(
        &chosen(blobs, &[arm64], "linux/amd64").unwrap_err(),
        &["is for linux/arm64, not for linux/amd64"],
    );
}

#[test]
fn the_index_goes_before_the_config_and_what_a_config_leaves_open_fits() {
    let mut blobs = Blobs::default();
    let blobs = &mut blobs;
    let mut contradicts = blobs.image(1, "linux/arm64");
    contradicts["platform"] = parts("linux/amd64");
    let right = contradicts.clone();
    assert_chosen(blobs, &[contradicts], "linux/amd64", &right);
    for (seed, config) in [
        (2, json!({})),
        (3, json!({"architecture": "amd64"})),
        (4, json!({"os": "linux", "architecture": null})),
        (5, json!({"os": "Linux", "architecture": "x86_64"})),
    ] {
        let place = Place::new();
        let image = blobs.image_of(seed, &config, "application/octet-stream");
        let path = blobs.write(&place, "layout", &[named(image, "x:1")]);
        verified(&first(&path, "linux/amd64").unwrap());
    }
}

#[test]
fn a_platform_that_index_json_names_is_a_choice_that_was_made() {
    let place = Place::new();
    let mut blobs = Blobs::default();
    let (plain, v3) = (
        blobs.entry(1, "linux/amd64"),
        blobs.entry(2, "linux/amd64/v3"),
    );
    let mut target = named(blobs.0.index(&[plain, v3.clone()]), "x:1");
    target["platform"] = parts("linux/amd64/v3");
    let path = blobs.write(&place, "layout", &[target]);
    let image = first(&path, "linux/amd64").unwrap();
    let digests: Vec<String> = image
        .document_digests()
        .map(|digest| digest.to_string())
        .collect();
    // An engine would look for another one in the index, so it gets the manifest.
    assert_eq!(Value::from(digests), json!([v3["digest"]]));
}

#[test]
fn of_entries_of_one_name_the_best_is_taken_and_artifacts_beside_images_are_passed_over() {
    if Platform::host().architecture != "amd64" {
        return;
    }
    let place = Place::new();
    let mut blobs = Blobs::default();
    let entries: Vec<Value> = [
        blobs.entry(1, "linux/amd64/v3"),
        blobs.entry(2, "linux/amd64"),
        blobs.entry(3, "linux/arm64"),
        blobs.artifact(CONFIG),
        json!({"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": "sha256:", "size": 1}),
    ]
    .into_iter()
    .map(|entry| named(entry, "x:1"))
    .collect();
    let path = blobs.write(&place, "layout", &entries);
    let digest = only(&path).target().unwrap().to_string();
    assert_eq!(Value::from(digest), entries[1]["digest"]);
    let path = blobs.write(&place, "artifact", &entries[3..4]);
    says(
        &failure(&path),
        &["application/spdx+json", "instead of an image"],
    );
    let path = blobs.write(&place, "chart", &entries[4..]);
    let error = source(&path);
    says(&chain(&error.unwrap_err()), &["helm"]);
}

#[test]
fn nulls_are_what_is_empty() {
    let place = Place::new();
    let mut blobs = Blobs::default();
    let image = TestImage::empty();
    let config = blobs.0.put(CONFIG, &image.config());
    let manifest =
        json!({"schemaVersion": 2, "config": config, "layers": null, "annotations": null});
    let mut target = named(blobs.0.document(MANIFEST, &manifest), "x:1");
    target["platform"] = Value::Null;
    verified(&only(&blobs.write(&place, "layout", &[target])));
}
