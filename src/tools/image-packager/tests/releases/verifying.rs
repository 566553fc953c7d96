//! `verify` finds whatever was changed, names the file, and reports everything at once.

use std::fs;
use std::path::PathBuf;

use image_fixture::{Packing, TestImage};
use image_packager::release::{Layout, Problem};

use crate::common::{Place, fetched, large, stdout};

/// Two images that share a layer, which is large where that makes a difference.
fn filled(layout: Layout) -> Place {
    let place = Place::new();
    let base = match layout {
        Layout::Split => large(TestImage::empty(), 1, 17),
        _ => TestImage::small(1),
    };
    let image = base.clone().with_layer(&[("own", b"redis")]);
    let redis = fetched(&image, "redis:7", Packing::Plain, true);
    let image = base.with_layer(&[("own", b"app")]);
    let app = fetched(&image, "app:1", Packing::Plain, false);
    place.put(&[&redis, &app], Some(layout));
    place
}

fn problems(place: &Place) -> Vec<Problem> {
    place.open().verify().problems
}

/// Files that `new` made for people, who may change them.
fn is_ours(path: &str) -> bool {
    ![
        "README.md",
        "manifests/example.yml",
        ".gitignore",
        "config/final.yml",
    ]
    .contains(&path)
}

#[test]
fn what_was_put_is_well() {
    for layout in [Layout::Split, Layout::Single, Layout::Archive] {
        assert_eq!(problems(&filled(layout)), [], "{layout}");
    }
}

#[test]
fn a_byte_flipped_in_any_file_is_found_and_the_file_is_named() {
    for layout in [Layout::Split, Layout::Archive] {
        let place = filled(layout);
        for (path, bytes) in place.tree() {
            let name = path.display().to_string();
            let blob_or_document = name.contains("blobs/") || name.starts_with("src/");
            if !is_ours(&name) || bytes.is_empty() {
                continue;
            }
            let mut flipped = bytes.clone();
            let at = flipped.len() / 2;
            flipped[at] ^= 1;
            place.write(&name, &flipped);
            let output = place.run(&["verify"]);
            assert_eq!(output.status.code(), Some(4), "{name}");
            // The lock and the list of blobs may contradict others rather than themselves.
            if blob_or_document || name.starts_with("packages/") || name.starts_with("jobs/") {
                let said = stdout(&output);
                let named = name.split("/blobs/").next().unwrap();
                assert!(said.contains(named), "{name}:\n{said}");
            }
            place.write(&name, &bytes);
        }
        assert_eq!(problems(&place), []);
    }
}

#[test]
fn any_file_that_is_deleted_is_missed() {
    for layout in [Layout::Split, Layout::Archive] {
        let place = filled(layout);
        for (path, bytes) in place.tree() {
            let name = path.display().to_string();
            if !is_ours(&name) || name == "images.lock" {
                continue;
            }
            fs::remove_file(place.root().join(&path)).unwrap();
            let found = problems(&place);
            assert!(!found.is_empty(), "{name}");
            place.write(&name, &bytes);
        }
    }
}

#[test]
fn what_was_added_by_hand_is_found() {
    for name in [
        "packages/redis-7-image/pre_packaging",
        "jobs/redis-7-image/templates/more.erb",
        "src/images/redis-7-image/blobs/sha256/00",
        "src/layer-v1/more",
        &format!("packages/layer-v1-{}/spec", "0".repeat(64)),
    ] {
        let place = filled(Layout::Split);
        place.write(name, "by hand");
        let found = problems(&place);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(name.starts_with(&found[0].file), "{found:?}");
    }
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let place = filled(Layout::Split);
    let mut expected = vec!["config/blobs.yml".to_owned()];
    for name in ["jobs/app-1-image/spec", "packages/redis-7-image/packaging"] {
        place.write(name, format!("{}#\n", place.read(name)));
        expected.push(name.to_owned());
    }
    let blob: PathBuf = place
        .tree()
        .into_keys()
        .find(|path| path.starts_with("blobs"))
        .unwrap();
    fs::remove_file(place.root().join(&blob)).unwrap();
    expected.insert(0, blob.display().to_string());
    let listed = place.read("config/blobs.yml");
    place.write("config/blobs.yml", listed.replacen("size: 1", "size: 2", 1));
    let output = place.run(&["verify", "--json"]);
    assert_eq!(output.status.code(), Some(4));
    let verdict: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let files: Vec<&str> = verdict["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["file"].as_str().unwrap())
        .collect();
    for file in &expected {
        assert!(files.contains(&file.as_str()), "{file} is not in {files:?}");
    }
}

#[test]
fn an_uploaded_blob_that_is_not_here_is_to_be_synced() {
    let place = filled(Layout::Split);
    let listed = place
        .read("config/blobs.yml")
        .replace("  sha:", "  object_id: id\n  sha:");
    place.write("config/blobs.yml", listed);
    fs::remove_dir_all(place.root().join("blobs")).unwrap();
    let found = problems(&place);
    assert!(found.len() >= 3);
    for problem in found
        .iter()
        .filter(|problem| problem.file.starts_with("blobs/"))
    {
        assert_eq!(problem.hint.as_deref(), Some("run `bosh sync-blobs`"));
    }
}

#[test]
fn a_layer_whose_unpacked_bytes_are_not_the_configs_is_found() {
    let place = Place::new();
    let mut image = TestImage::small(1);
    let good = fetched(&image, "a:1", Packing::Gzip, false);
    // The config of another image with as many layers: every stored digest is right.
    image.layers = TestImage::small(2).layers;
    let mut bad = fetched(&image, "a:1", Packing::Gzip, false);
    let manifest = String::from_utf8(bad.frozen.documents[0].1.clone()).unwrap();
    let manifest = manifest
        .replace(
            &bad.frozen.layers[0].digest.to_string(),
            &good.frozen.layers[0].digest.to_string(),
        )
        .replace(
            &format!("\"size\":{}", bad.frozen.layers[0].size),
            &format!("\"size\":{}", good.frozen.layers[0].size),
        );
    let digest = image_archive::Digest::of(manifest.as_bytes());
    bad.frozen.documents[0].0.digest = digest;
    bad.frozen.documents[0].0.size = manifest.len() as u64;
    bad.frozen.documents[0].1 = manifest.into_bytes();
    bad.frozen.digest = digest;
    bad.frozen.layers = good.frozen.layers.clone();
    bad.layers = good.layers.clone();
    place.put(&[&bad], None);
    let found = problems(&place);
    assert!(found[0].problem.contains("diff ID"), "{found:?}");
}
