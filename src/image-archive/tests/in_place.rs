//! Layouts that are read where they lie: what they list, and where the bytes of each blob are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use image_archive::{InPlace, Layouts, Limits, Place, Platform};
use image_fixture::{Files, Layout, Packing, TestImage, hex, named};
use serde_json::json;

fn open(path: &Path) -> image_archive::Result<Option<InPlace>> {
    InPlace::open(
        path,
        &Layouts::default(),
        &Platform::host(),
        Limits::DEFAULT,
    )
}

/// Digest and names of each entry, or what is wrong with it.
fn listed(layout: &InPlace) -> Vec<Result<(String, Vec<String>), String>> {
    let listed = layout.listed(&Platform::host()).unwrap();
    let shown = listed.into_iter().map(|entry| match entry {
        Ok(entry) => Ok((
            entry.descriptor.digest.to_string(),
            entry.references.iter().map(ToString::to_string).collect(),
        )),
        Err(error) => Err(error.to_string()),
    });
    shown.collect()
}

fn bytes(place: &Place) -> Vec<u8> {
    let file = std::fs::read(&place.path).unwrap();
    let begin = usize::try_from(place.offset).unwrap();
    file[begin..begin + usize::try_from(place.size).unwrap()].to_vec()
}

#[test]
fn each_blob_has_a_place_in_a_directory_and_in_a_tarball() {
    let image = TestImage::small(1).with_layer(&[("more", &[2; 3_000])]);
    let files = Files::layout(&image, &["redis:7"], Packing::Gzip, true);
    let directory = tempfile::tempdir().unwrap();
    let tarball = directory.path().join("redis.tar");
    std::fs::write(&tarball, files.tarball()).unwrap();
    let layout = directory.path().join("redis");
    files.write(&layout);
    for path in [layout, tarball] {
        let opened = open(&path).unwrap().unwrap();
        let name = "docker.io/library/redis:7".to_owned();
        assert_eq!(listed(&opened), [Ok((files.target(), vec![name]))]);
        let blobs = files
            .files
            .iter()
            .filter(|(name, _)| name.contains("blobs/"));
        for (name, content) in blobs {
            assert_eq!(bytes(&opened.place(name).unwrap().unwrap()), *content);
            assert_eq!(opened.document(name).unwrap().as_ref(), Some(content));
        }
        let other = format!("blobs/sha256/{}", hex(b"another"));
        assert_eq!(opened.place(&other).unwrap(), None);
        assert_eq!(opened.document(&other).unwrap(), None);
    }
}

#[test]
fn what_cannot_be_given_out_as_it_lies_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let image = TestImage::small(1);
    let path = directory.path().join("x.tar");
    let old = Files::old_archive(&[(&image, &["app:1"])]).tarball();
    std::fs::write(&path, old).unwrap();
    assert!(open(&path).unwrap().is_none());
    let layout = Files::layout(&image, &["app:1"], Packing::Plain, false).tarball();
    for packing in [Packing::Gzip, Packing::Zstd] {
        std::fs::write(&path, packing.pack(&layout)).unwrap();
        assert!(open(&path).unwrap().is_none());
    }
    std::fs::write(&path, b"no tarball").unwrap();
    assert!(open(&path).is_err());
    assert!(open(directory.path()).is_err(), "it has no index.json");
}

#[test]
fn names_out_of_dockers_manifest_count_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tar");
    let mut files = Files::new_archive(&TestImage::small(1), &["app:1"]);
    let list = files.get_mut("manifest.json");
    let text = String::from_utf8(list.clone()).unwrap();
    *list = text
        .replace(r#""app:1""#, r#""app:1","app:2""#)
        .into_bytes();
    std::fs::write(&path, files.tarball()).unwrap();
    let names = ["docker.io/library/app:1", "docker.io/library/app:2"];
    let names = names.map(str::to_owned).to_vec();
    let opened = open(&path).unwrap().unwrap();
    assert_eq!(listed(&opened), [Ok((files.target(), names))]);
}

#[test]
fn of_the_manifests_of_one_name_the_one_for_this_machine_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let mut layout = Layout::default();
    let mut entries = Vec::new();
    for architecture in ["s390x", &TestImage::empty().platform.1] {
        let mut entry = layout.document(manifest, &json!({"for": architecture}));
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entries.push(named(entry, "app:1"));
    }
    let unnamed = layout.document(manifest, &json!({"unnamed": true}));
    let alone = named(layout.document(manifest, &json!({"x": 1})), "1");
    let strange = json!({"mediaType": manifest, "digest": "md5:00", "size": 1});
    layout
        .files(&[entries.clone(), vec![unnamed.clone(), alone, strange]].concat())
        .write(directory.path());
    let opened = open(directory.path()).unwrap().unwrap();
    let mut found = listed(&opened);
    let wrong: Vec<String> = found
        .extract_if(.., |entry| entry.is_err())
        .map(Result::unwrap_err)
        .collect();
    assert!(wrong.len() == 2 && wrong[0].contains("md5:00"), "{wrong:?}");
    assert!(wrong[1].contains("that may be a tag alone"), "{wrong:?}");
    let digest = |entry: &serde_json::Value| entry["digest"].as_str().unwrap().to_owned();
    let name = vec!["docker.io/library/app:1".to_owned()];
    let expected = [
        (digest(&entries[1]), name),
        (digest(&unnamed), Vec::new()),
        (digest(&entries[0]), Vec::new()),
    ];
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, expected);
}
