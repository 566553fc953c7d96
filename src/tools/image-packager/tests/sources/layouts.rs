//! OCI image layouts, of other tools and of enemies.

use image_fixture::{Files, Packing, TestImage};

use crate::common::{Place, image, noise, tool};

fn layout(place: &Place, files: &Files) -> String {
    files.write(&place.beside("layout"));
    format!("oci:{}", place.beside("layout").display())
}

#[test]
fn freezes_plain_gzip_and_zstd_layers_as_they_are() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let place = Place::new();
        let image = image(&[(1, 200_000), (2, 10)]);
        let files = Files::layout(&image, &["team/app:1"], packing, true);
        let ran = place.run(&["freeze", &layout(&place, &files)]).good();
        assert!(
            ran.stdout().contains(&files.target()),
            "the index's digest is kept: {}",
            ran.stdout()
        );
        for layer in &image.layers {
            let blob = format!(
                "blobs/layers/sha256/{}",
                image_fixture::hex(&packing.pack(layer))
            );
            assert_eq!(
                std::fs::read(place.root().join(blob)).unwrap(),
                packing.pack(layer)
            );
        }
        place.assert_whole();
    }
}

#[test]
fn freezes_what_umoci_writes_when_told_what_it_is_called() {
    let place = Place::new();
    let directory = place.beside("layout").display().to_string();
    let files = place.beside("files");
    std::fs::create_dir_all(files.join("data")).unwrap();
    std::fs::write(files.join("data/noise"), noise(1, 100_000)).unwrap();
    let image = format!("{directory}:7");
    tool("umoci", &["init", "--layout", &directory]);
    tool("umoci", &["new", "--image", &image]);
    tool(
        "umoci",
        &[
            "insert",
            "--rootless",
            "--image",
            &image,
            files.to_str().unwrap(),
            "/files",
        ],
    );
    place
        .run(&["freeze", &format!("oci:{image}")])
        .bad(1, &["may be a tag alone", "--as NAME:TAG"]);
    place
        .run(&["freeze", &format!("oci:{image}"), "--as", "team/app:7"])
        .good();
    place.assert_whole();
}

#[test]
fn freezes_what_skopeo_writes() {
    let place = Place::new();
    let bytes = Files::old_archive(&[(&image(&[(1, 100_000)]), &["team/app:1"])]).tarball();
    std::fs::write(place.beside("saved.tar"), bytes).unwrap();
    let archive = format!("docker-archive:{}", place.beside("saved.tar").display());
    let layout = format!("oci:{}:team/app:1", place.beside("layout").display());
    tool("skopeo", &["copy", "-q", &archive, &layout]);
    place.run(&["freeze", &layout]).good();
    place.assert_whole();
}

#[test]
fn refuses_damaged_and_hostile_layouts_and_leaves_the_release_as_it_was() {
    let good = Files::layout(&image(&[(1, 5000)]), &["a/b:1"], Packing::Gzip, false);
    let layer = good
        .files
        .iter()
        .find(|(name, bytes)| name.starts_with("blobs/") && bytes[0] == 0x1f)
        .unwrap()
        .0
        .clone();
    let manifest = format!("blobs/{}", good.target().replace(':', "/"));
    let change = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = good.clone();
        change(files.get_mut(name));
        files
    };
    let cases: Vec<(&str, Files, i32, &str)> = vec![
        (
            "flipped byte",
            change(&layer, &|bytes| bytes[100] ^= 1),
            4,
            "has digest",
        ),
        (
            "cut layer",
            change(&layer, &|bytes| bytes.truncate(1000)),
            4,
            "bytes instead of",
        ),
        (
            "longer layer",
            change(&layer, &|bytes| bytes.extend([0; 100])),
            4,
            "bytes instead of",
        ),
        (
            "changed manifest",
            change(&manifest, &|bytes| bytes[20] ^= 1),
            4,
            "has digest",
        ),
        (
            "large index",
            change("index.json", &|bytes| bytes.extend(vec![b' '; 5 << 20])),
            1,
            "larger than",
        ),
        (
            "no JSON",
            change("index.json", &|bytes| bytes.truncate(10)),
            1,
            "index.json",
        ),
        (
            "other version",
            change("oci-layout", &|bytes| {
                *bytes = br#"{"imageLayoutVersion":"2"}"#.to_vec();
            }),
            1,
            "version",
        ),
    ];
    for (what, files, code, says) in cases {
        let place = Place::new();
        let before = place.tree();
        place
            .run(&["freeze", &layout(&place, &files)])
            .bad(code, &[says]);
        assert_eq!(place.tree(), before, "{what}");
        assert!(
            place.blobs().is_empty(),
            "{what}: nothing lies under a final name"
        );
    }
}

#[test]
fn a_link_that_leads_out_of_the_layout_is_refused() {
    let place = Place::new();
    let files = Files::layout(&TestImage::small(1), &["a/b:1"], Packing::Gzip, false);
    let source = layout(&place, &files);
    let layer = files
        .files
        .iter()
        .find(|(name, bytes)| name.starts_with("blobs/") && bytes[0] == 0x1f)
        .unwrap();
    let path = place.beside("layout").join(&layer.0);
    std::fs::rename(&path, place.beside("secret")).unwrap();
    std::os::unix::fs::symlink(place.beside("secret"), &path).unwrap();
    place.run(&["freeze", &source]).bad(1, &["leads out of it"]);
    assert!(place.blobs().is_empty());
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_refused() {
    let place = Place::new();
    let mut image = image(&[(1, 5000)]);
    let files = Files::layout(&image, &["a/b:1"], Packing::Gzip, false);
    // The same layer, with a config that names another.
    image.layers[0][600] ^= 1;
    let lying = Files::layout(&image, &["a/b:1"], Packing::Gzip, false);
    let config = String::from_utf8(image.config()).unwrap();
    let manifest = String::from_utf8(
        lying
            .get(&format!("blobs/{}", lying.target().replace(':', "/")))
            .to_vec(),
    )
    .unwrap();
    let packed = Packing::Gzip.pack(&crate::common::image(&[(1, 5000)]).layers[0]);
    let wrong = Packing::Gzip.pack(&image.layers[0]);
    let manifest = manifest
        .replace(
            &image_fixture::digest(&wrong),
            &image_fixture::digest(&packed),
        )
        .replace(
            &format!("\"size\":{}", wrong.len()),
            &format!("\"size\":{}", packed.len()),
        );
    let mut mixed = files.clone();
    mixed.push(
        &format!("blobs/sha256/{}", image_fixture::hex(config.as_bytes())),
        config.as_bytes(),
    );
    mixed.push(
        &format!("blobs/sha256/{}", image_fixture::hex(manifest.as_bytes())),
        manifest.as_bytes(),
    );
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [{
        "mediaType": crate::common::MANIFEST, "digest": image_fixture::digest(manifest.as_bytes()), "size": manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": "a/b:1"},
    }]});
    *mixed.get_mut("index.json") = index.to_string().into_bytes();
    place
        .run(&["freeze", &layout(&place, &mixed)])
        .bad(4, &["unpacks to", "but the config of a/b:1 names"]);
    assert!(place.blobs().is_empty());
}

#[test]
fn layers_whose_zstd_windows_engines_take_can_be_read_again_and_larger_ones_are_refused_by_that() {
    // 32 MiB as `zstd -20` has it, 128 MiB as `zstd --ultra -22`, and more than any engine takes.
    for (window, is_good) in [(25, true), (27, true), (30, false)] {
        let place = Place::new();
        let tar = image_fixture::layer(&[("noise", &noise(window.into(), 100_000))]);
        let packed = windowed(&tar, window);
        let image = TestImage {
            layers: vec![tar],
            ..TestImage::empty()
        };
        let mut files = Files::layout(&image, &["team/app:1"], Packing::Zstd, false);
        replace_layer(&mut files, &packed);
        let source = layout(&place, &files);
        let ran = place.run(&["freeze", &source]);
        if is_good {
            ran.good();
            place.assert_whole();
            let archived = place.run(&["freeze", &source, "--layout", "archive"]);
            archived.good();
            place.assert_whole();
        } else {
            ran.bad(4, &["its Zstandard window is larger than the 512 MiB"]);
        }
    }
}

/// One frame, without its length in the header, so that it says its window.
fn windowed(bytes: &[u8], window: u32) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window).unwrap();
    encoder.include_contentsize(false).unwrap();
    // What is flushed before the end cannot be told from a beginning of more.
    encoder.write_all(&bytes[..1000]).unwrap();
    encoder.flush().unwrap();
    encoder.write_all(&bytes[1000..]).unwrap();
    encoder.finish().unwrap()
}

/// Puts other bytes in the place of the only layer.
fn replace_layer(files: &mut Files, layer: &[u8]) {
    let mut index: serde_json::Value = serde_json::from_slice(files.get("index.json")).unwrap();
    let path = |digest: &str| format!("blobs/{}", digest.replace(':', "/"));
    let digest = |bytes: &[u8]| format!("sha256:{}", image_fixture::hex(bytes));
    let target = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let mut manifest: serde_json::Value =
        serde_json::from_slice(files.get(&path(&target))).unwrap();
    manifest["layers"][0]["digest"] = digest(layer).into();
    manifest["layers"][0]["size"] = layer.len().into();
    let manifest = manifest.to_string().into_bytes();
    index["manifests"][0]["digest"] = digest(&manifest).into();
    index["manifests"][0]["size"] = manifest.len().into();
    for bytes in [layer, &manifest] {
        let name = path(&digest(bytes));
        files.files.push((name, bytes.to_vec()));
    }
    *files.get_mut("index.json") = index.to_string().into_bytes();
}
