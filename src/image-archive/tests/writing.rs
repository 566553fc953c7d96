//! What is sent to an engine: exactly what was verified, in the form that both image stores read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use common::{Place, only, verified};
use image_archive::{DockerArchive, Plan, VerifiedImage, ZstdLayers};
use image_fixture::{Files, Packing, TestImage};
use serde_json::Value;

fn image() -> TestImage {
    TestImage::small(1)
        .with_layer(&[("x", b"x")])
        .with_layer(&[("x", b"x")])
}

fn prepared(place: &Place, files: &Files) -> VerifiedImage {
    verified(&only(&place.layout("l", files)))
}

/// The tarball's files, and its length as it was foretold.
fn written(image: VerifiedImage, plan: Plan) -> BTreeMap<String, Vec<u8>> {
    let archive = DockerArchive::new(image, plan);
    let mut direct = Vec::new();
    archive.write(&mut direct).unwrap();
    let mut stream = archive.into_stream().unwrap();
    let length = stream.length();
    let mut streamed = Vec::new();
    stream.read_to_end(&mut streamed).unwrap();
    assert_eq!(streamed, direct);
    assert_eq!(length, direct.len() as u64);
    let mut tarball = tar::Archive::new(direct.as_slice());
    let entries = tarball.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    entries.filter(|(name, _)| !name.ends_with('/')).collect()
}

fn json(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

#[test]
fn every_blob_lies_once_under_its_digest() {
    let image = image();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let place = Place::new();
        let layout = Files::layout(&image, &["a:1"], packing, true);
        let files = written(prepared(&place, &layout), Plan::default());
        for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("blobs/")) {
            assert_eq!(*name, format!("blobs/sha256/{}", image_fixture::hex(bytes)));
        }
        // Two different layers, config, manifest, index.
        assert_eq!(
            files
                .keys()
                .filter(|name| name.starts_with("blobs/"))
                .count(),
            5
        );
        let index = json(&files, "index.json");
        assert_eq!(index["manifests"][0]["digest"], layout.target());
        let annotations = &index["manifests"][0]["annotations"];
        assert_eq!(
            annotations["io.containerd.image.name"],
            "docker.io/library/a:1"
        );
        let item = &json(&files, "manifest.json")[0];
        assert_eq!(item["RepoTags"], serde_json::json!(["a:1"]));
        assert_eq!(item["Layers"].as_array().unwrap().len(), 3);
        for name in item["Layers"].as_array().unwrap() {
            assert!(files.contains_key(name.as_str().unwrap()));
        }
        assert_eq!(files[item["Config"].as_str().unwrap()], image.config());
    }
}

/// An engine takes what came before the end of an archive, and nothing of one that has none.
#[test]
fn a_tarball_that_breaks_off_has_no_end() {
    let place = Place::new();
    let layout = Files::layout(&image(), &["a:1"], Packing::Gzip, true);
    let path = place.layout("l", &layout);
    let image = verified(&only(&path));
    // every blob grows after it was verified
    for blob in std::fs::read_dir(path.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap().path();
        let mut bytes = std::fs::read(&blob).unwrap();
        bytes.push(b'x');
        std::fs::write(&blob, bytes).unwrap();
    }
    let archive = DockerArchive::new(image, Plan::default());
    let mut out = Vec::new();
    archive.write(&mut out).unwrap_err();
    assert!(out.len() > 1024 && !out.ends_with(&[0; 1024]));
}

#[test]
fn zstandard_layers_are_unpacked_for_engines_that_do_not_read_them() {
    let image = image();
    let place = Place::new();
    let layout = Files::layout(&image, &["a:1"], Packing::Zstd, false);
    let plan = Plan {
        zstd: ZstdLayers::Unpack,
        ..Plan::default()
    };
    let files = written(prepared(&place, &layout), plan);
    let item = &json(&files, "manifest.json")[0];
    for (name, layer) in item["Layers"].as_array().unwrap().iter().zip(&image.layers) {
        assert_eq!(files[name.as_str().unwrap()], *layer);
    }
    assert!(
        !files.contains_key("index.json"),
        "the manifest in it would name blobs that are not there"
    );
}

#[test]
fn an_image_of_an_old_tarball_gets_the_manifest_that_was_foretold() {
    let image = image();
    let place = Place::new();
    for (number, packing) in [Packing::Plain, Packing::Gzip].into_iter().enumerate() {
        let tarball = packing.pack(&Files::old_archive(&[(&image, &["a:1"])]).tarball());
        let found = only(&place.file(&number.to_string(), &tarball));
        let target = found.target().unwrap().to_string();
        let files = written(verified(&found), Plan::default());
        assert_eq!(json(&files, "index.json")["manifests"][0]["digest"], target);
        let manifest = json(&files, &format!("blobs/sha256/{}", &target[7..]));
        assert_eq!(manifest["config"]["digest"], image.config_digest());
        assert_eq!(manifest["layers"][0]["digest"], image.diff_ids()[0]);
    }
}

#[test]
fn compressed_layers_of_an_old_tarball_keep_their_compression() {
    let image = image();
    let mut files = Files::old_archive(&[(&image, &["a:1"])]);
    for (_, bytes) in files
        .files
        .iter_mut()
        .filter(|(name, _)| name.ends_with("/layer.tar"))
    {
        *bytes = Packing::Gzip.pack(bytes);
    }
    let place = Place::new();
    let found = only(&place.file("x.tar", &files.tarball()));
    let target = found.target().unwrap().to_string();
    let files = written(verified(&found), Plan::default());
    let manifest = json(&files, &format!("blobs/sha256/{}", &target[7..]));
    assert_eq!(
        manifest["layers"][0]["mediaType"],
        Packing::Gzip.media_type()
    );
    assert_eq!(
        manifest["layers"][0]["digest"],
        image_fixture::digest(&Packing::Gzip.pack(&image.layers[0]))
    );
}

#[test]
fn names_by_tag_and_by_digest_stand_for_their_documents() {
    let image = image();
    let target = Files::layout(&image, &[], Packing::Gzip, true).target();
    let names = ["a:1".to_owned(), format!("b:1@{target}")];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let place = Place::new();
    let prepared = prepared(&place, &Files::layout(&image, &names, Packing::Gzip, true));
    let in_index = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
        let index = json(files, "index.json");
        let manifests = index["manifests"].as_array().unwrap();
        assert!(
            manifests
                .iter()
                .all(|manifest| manifest["digest"] == target)
        );
        let name = |manifest: &Value| {
            manifest["annotations"]["io.containerd.image.name"]
                .as_str()
                .map(str::to_owned)
        };
        manifests.iter().filter_map(name).collect()
    };
    let files = written(prepared.clone(), Plan::default());
    let digested = format!("docker.io/library/b@{target}");
    assert_eq!(
        in_index(&files),
        ["docker.io/library/a:1", "docker.io/library/b:1", &digested]
    );
    assert_eq!(
        json(&files, "manifest.json")[0]["RepoTags"],
        serde_json::json!(["a:1", "b:1"])
    );
    let leave_unnamed: BTreeSet<_> = ["a:1", "b:1"]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    let files = written(
        prepared.clone(),
        Plan {
            leave_unnamed: leave_unnamed.clone(),
            ..Plan::default()
        },
    );
    assert_eq!(in_index(&files), [digested.as_str()]);
    let leave_unnamed = leave_unnamed
        .into_iter()
        .chain([digested.parse().unwrap()])
        .collect();
    let files = written(
        prepared,
        Plan {
            leave_unnamed,
            ..Plan::default()
        },
    );
    assert_eq!(in_index(&files), Vec::<String>::new());
    assert_eq!(
        json(&files, "index.json")["manifests"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn layers_that_the_engine_has_can_be_left_out() {
    let image = image();
    let place = Place::new();
    let layout = Files::layout(&image, &["a:1"], Packing::Gzip, false);
    let leave_out = BTreeSet::from([image.diff_ids()[0].parse().unwrap()]);
    let files = written(
        prepared(&place, &layout),
        Plan {
            leave_out,
            ..Plan::default()
        },
    );
    let left_out = format!(
        "blobs/sha256/{}",
        image_fixture::hex(&Packing::Gzip.pack(&image.layers[0]))
    );
    assert!(!files.contains_key(&left_out));
    assert_eq!(
        json(&files, "manifest.json")[0]["Layers"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}
