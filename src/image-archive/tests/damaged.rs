//! Damaged and unfit images are refused with an error that names what is wrong, before an engine sees anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use common::{Place, failure, layer_name, layout, says};
use image_archive::Platform;
use image_fixture::{Files, Packing, TestImage};

#[test]
fn refuses_a_layer_whose_digest_differs() {
    let (image, mut files) = layout();
    let name = layer_name(&image, 0);
    // In gzip's header, where it changes nothing of what is unpacked.
    files.get_mut(&name)[4] ^= 1;
    let place = Place::new();
    says(
        &failure(&place.layout("l", &files)),
        &["image a:1", &name, "instead of sha256:"],
    );
}

#[test]
fn refuses_a_layer_whose_size_differs() {
    let (image, mut files) = layout();
    let name = layer_name(&image, 1);
    files.get_mut(&name).pop();
    let place = Place::new();
    says(
        &failure(&place.layout("l", &files)),
        &["bytes instead of", &name],
    );
}

#[test]
fn refuses_a_layer_whose_diff_id_differs() {
    let image = TestImage::small(1);
    let mut files = Files::old_archive(&[(&image, &["a:1"])]);
    let layer = files
        .files
        .iter_mut()
        .find(|(name, _)| name.ends_with("/layer.tar"))
        .unwrap();
    layer.1[600] ^= 1;
    let place = Place::new();
    let path = place.file("x.tar", &files.tarball());
    says(&failure(&path), &["has diff ID", &image.diff_ids()[0]]);
}

#[test]
fn refuses_a_config_whose_digest_differs() {
    let image = TestImage::small(1);
    for mut files in [
        Files::old_archive(&[(&image, &["a:1"])]),
        Files::new_archive(&image, &["a:1"]),
    ] {
        let config = files
            .files
            .iter_mut()
            .find(|(_, bytes)| bytes.starts_with(b"{\"architecture\""))
            .unwrap();
        let at = config
            .1
            .windows(4)
            .position(|window| window == b"2026")
            .unwrap();
        config.1[at + 3] = b'7';
        let place = Place::new();
        says(
            &failure(&place.file("x.tar", &files.tarball())),
            &["has digest", "instead of"],
        );
    }
}

#[test]
fn refuses_a_manifest_whose_digest_differs_although_the_older_list_is_good() {
    let image = TestImage::small(1);
    let mut files = Files::new_archive(&image, &["a:1"]);
    let target = files.target();
    let name = format!("blobs/sha256/{}", &target[7..]);
    let manifest = files.get_mut(&name);
    let at = manifest
        .windows(6)
        .position(|window| window == b"\"size\"")
        .unwrap();
    manifest[at - 1] = b' ';
    let place = Place::new();
    let path = place.file("x.tar", &files.tarball());
    assert!(common::open(&path).iter().all(Result::is_err));
}

#[test]
fn refuses_another_count_of_layers_than_the_config_has() {
    let image = TestImage::small(1).with_layer(&[("x", b"x")]);
    let mut files = Files::old_archive(&[(&image, &["a:1"])]);
    let mut manifest: serde_json::Value =
        serde_json::from_slice(files.get("manifest.json")).unwrap();
    manifest[0]["Layers"].as_array_mut().unwrap().pop();
    *files.get_mut("manifest.json") = manifest.to_string().into_bytes();
    let place = Place::new();
    says(
        &failure(&place.file("x.tar", &files.tarball())),
        &["has 1 layers, but its config names 2"],
    );
}

#[test]
fn refuses_an_image_for_another_platform() {
    let mut image = TestImage::small(1);
    image.platform = ("linux".into(), "s390x".into());
    let place = Place::new();
    let host = Platform::host().to_string();
    says(
        &failure(&place.file(
            "x.tar",
            &Files::old_archive(&[(&image, &["a:1"])]).tarball(),
        )),
        &["is for linux/s390x, not for", &host],
    );
    // An index that has other platforms only.
    let mut files = Files::layout(&TestImage::small(1), &["a:1"], Packing::Gzip, false);
    let mut index: serde_json::Value = serde_json::from_slice(files.get("index.json")).unwrap();
    index["manifests"][0]["platform"] =
        serde_json::json!({"os": "windows", "architecture": "amd64"});
    *files.get_mut("index.json") = index.to_string().into_bytes();
    says(
        &failure(&place.layout("l", &files)),
        &["image a:1", "is for windows/amd64"],
    );
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let image = TestImage::small(1).with_layer(&[("x", &[7; 3000])]);
    let place = Place::new();
    let plain = Files::old_archive(&[(&image, &["a:1"])]).tarball();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let bytes = packing.pack(&plain);
        // The last entry is one that nothing needs, followed by zeros that nothing needs.
        let last = if packing == Packing::Plain {
            bytes.len() - 2048
        } else {
            bytes.len() / 2
        };
        for tenth in 0..10 {
            let path = place.file("x.tar", &bytes[..last * tenth / 10]);
            let error = common::attempt(&path).expect_err("a tarball that was cut was taken");
            assert!(error.is_verification(), "{}", common::chain(&error));
        }
    }
}

#[test]
fn a_foreign_layer_and_an_artifact_are_refused() {
    let (_, files) = layout();
    for (from, to, what) in [
        (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "may not be distributed",
        ),
        (
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.cncf.helm.config.v1+json",
            "an artifact of type",
        ),
    ] {
        let mut files = files.clone();
        let target = files.target();
        let manifest = files.remove(&format!("blobs/sha256/{}", &target[7..]));
        let manifest = String::from_utf8(manifest)
            .unwrap()
            .replace(from, to)
            .into_bytes();
        files.push(
            &format!("blobs/sha256/{}", image_fixture::hex(&manifest)),
            &manifest,
        );
        let mut index: serde_json::Value = serde_json::from_slice(files.get("index.json")).unwrap();
        index["manifests"][0]["digest"] = image_fixture::digest(&manifest).into();
        index["manifests"][0]["size"] = manifest.len().into();
        *files.get_mut("index.json") = index.to_string().into_bytes();
        let place = Place::new();
        says(&failure(&place.layout("l", &files)), &[what]);
    }
}

#[test]
fn what_is_no_image_at_all_is_told_what_it_lacks() {
    let place = Place::new();
    for (bytes, what) in [
        (&b""[..], "empty or not a tarball"),
        (b"hello", "is damaged at byte 0"),
        (&[b'x'; 2048], "it is not a tarball"),
        (b"BZh91AY", "bzip2-compressed data"),
        (b"\xfd7zXZ\x00\x00", "xz-compressed data"),
    ] {
        says(&failure(&place.file("x", bytes)), &[what]);
    }
    let mut empty = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    empty
        .append_data(&mut header, "x", std::io::empty())
        .unwrap();
    says(
        &failure(&place.file("x", &empty.into_inner().unwrap())),
        &["neither manifest.json nor"],
    );
    says(&failure(place.path()), &["the directory has no index.json"]);
}
