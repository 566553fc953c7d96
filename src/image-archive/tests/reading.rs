//! Every form of image that real tools write is found, verified and sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use common::{Place, chain, only, open, says, verified};
use image_archive::{Layouts, Limits, Platform, Reference, Source};
use image_fixture::{Files, Packing, TestImage};

fn names(references: &[Reference]) -> Vec<String> {
    references.iter().map(ToString::to_string).collect()
}

#[test]
fn reads_a_tarball_of_docker_save_before_25() {
    let (a, b) = (
        TestImage::small(1).with_layer(&[("x", b"x")]),
        TestImage::small(1).with_layer(&[("y", b"y")]),
    );
    let place = Place::new();
    let tarball = Files::old_archive(&[(&a, &["a:1", "a:2"]), (&b, &["quay.io/b:1"])]).tarball();
    let images: Vec<_> = open(&place.file("x.tar", &tarball))
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        names(images[0].references()),
        ["docker.io/library/a:1", "docker.io/library/a:2"]
    );
    assert_eq!(names(images[1].references()), ["quay.io/b:1"]);
    assert_eq!(images[0].config_digest().to_string(), a.config_digest());
    assert_eq!(images[1].config_digest().to_string(), b.config_digest());
    // The second image's lower layer is a link to the first's.
    let layers: Vec<String> = images[1]
        .verify()
        .unwrap()
        .layers()
        .iter()
        .map(|layer| layer.diff_id.to_string())
        .collect();
    assert_eq!(layers, b.diff_ids());
}

#[test]
fn reads_compressed_tarballs() {
    let image = TestImage::small(1).with_layer(&[("x", b"x")]);
    let place = Place::new();
    let plain = Files::old_archive(&[(&image, &["a:1"])]).tarball();
    for (name, packing) in [
        ("a.tgz", Packing::Gzip),
        ("a.tar.zst", Packing::Zstd),
        ("a.tar", Packing::Plain),
    ] {
        let image = only(&place.file(name, &packing.pack(&plain)));
        assert_eq!(verified(&image).layers().len(), 2, "{name}");
    }
}

#[test]
fn reads_a_tarball_without_tags() {
    let image = TestImage::small(1);
    let place = Place::new();
    let found = only(&place.file("x.tar", &Files::old_archive(&[(&image, &[])]).tarball()));
    assert!(found.references().is_empty());
    assert_eq!(found.name(), image.config_digest());
    verified(&found);
}

#[test]
fn reads_an_image_without_layers() {
    let image = TestImage::empty();
    let place = Place::new();
    verified(&only(
        &place.file("x.tar", &Files::new_archive(&image, &["a:1"]).tarball()),
    ));
    verified(&only(&place.file(
        "y.tar",
        &Files::old_archive(&[(&image, &["a:1"])]).tarball(),
    )));
}

#[test]
fn a_tarball_of_docker_save_since_25_keeps_its_manifest() {
    let image = TestImage::small(1);
    let mut files = Files::new_archive(&image, &["a:1"]);
    // Docker writes the tag alone into one annotation, and the name into another.
    let index = String::from_utf8(files.get("index.json").to_vec()).unwrap();
    let index = index.replace(
        r#""org.opencontainers.image.ref.name":"a:1""#,
        r#""io.containerd.image.name":"docker.io/library/a:1","org.opencontainers.image.ref.name":"1""#,
    );
    *files.get_mut("index.json") = index.into_bytes();
    let place = Place::new();
    let found = only(&place.file("x.tar", &files.tarball()));
    assert_eq!(names(found.references()), ["docker.io/library/a:1"]);
    assert_eq!(found.target().unwrap().to_string(), files.target());
    verified(&found);
}

#[test]
fn reads_layouts_of_every_compression_with_and_without_an_index() {
    let image = TestImage::small(1).with_layer(&[("x", b"x")]);
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        for nested in [false, true] {
            let files = Files::layout(&image, &["a:1", "b:1"], packing, nested);
            let place = Place::new();
            let found = only(&place.layout("layout", &files));
            assert_eq!(found.target().unwrap().to_string(), files.target());
            assert_eq!(found.config_digest().to_string(), image.config_digest());
            assert_eq!(
                names(found.references()),
                ["docker.io/library/a:1", "docker.io/library/b:1"]
            );
            assert_eq!(verified(&found).layers().len(), 2);
        }
    }
}

#[test]
fn takes_a_blob_that_a_layout_lacks_from_another() {
    let image = TestImage::small(1).with_layer(&[("x", b"x")]);
    let mut files = Files::layout(&image, &["a:1"], Packing::Gzip, false);
    let blob = format!(
        "blobs/sha256/{}",
        image_fixture::hex(&Packing::Gzip.pack(&image.layers[0]))
    );
    let mut lent = Files::default();
    lent.push(&blob, &files.remove(&blob));
    let place = Place::new();
    let (first, second) = (place.layout("first", &files), place.layout("second", &lent));
    let error = only(&first).verify().unwrap_err();
    assert!(
        common::chain(&error).contains("is missing in"),
        "{}",
        common::chain(&error)
    );
    assert!(error.hint().unwrap().contains("packages"));
    let layouts = Layouts::new([second, first.clone()]);
    let source = Source::open(&first, &layouts, &Platform::host(), Limits::DEFAULT).unwrap();
    verified(source.images()[0].as_ref().unwrap());
}

#[test]
fn opening_a_layout_reads_no_layer() {
    let image = TestImage::small(1);
    let mut files = Files::layout(&image, &["a:1"], Packing::Gzip, true);
    files.remove(&format!(
        "blobs/sha256/{}",
        image_fixture::hex(&Packing::Gzip.pack(&image.layers[0]))
    ));
    let place = Place::new();
    let found = only(&place.layout("layout", &files));
    assert_eq!(found.target().unwrap().to_string(), files.target());
}

#[test]
fn a_reference_may_have_the_digest_of_index_or_manifest() {
    let image = TestImage::small(1);
    let place = Place::new();
    let target = Files::layout(&image, &["x:1"], Packing::Gzip, true).target();
    for name in [format!("a@{target}"), format!("a:1@{target}")] {
        let files = Files::layout(&image, &[&name], Packing::Gzip, true);
        let found = only(&place.layout(&name.replace([':', '@'], "-"), &files));
        assert_eq!(found.references()[0].familiar(), name);
    }
    let wrong = format!("a@{}", image_fixture::digest(b"other"));
    let files = Files::layout(&image, &[&wrong], Packing::Gzip, true);
    let error = common::failure(&place.layout("wrong", &files));
    assert!(error.contains("its digest is of another image"), "{error}");
}

#[test]
fn a_tag_alone_is_no_name() {
    let place = Place::new();
    let files = Files::layout(&TestImage::small(1), &["latest"], Packing::Gzip, false);
    let error = common::failure(&place.layout("layout", &files));
    assert!(
        error.contains("`latest`: that may be a tag alone"),
        "{error}"
    );
}

#[test]
fn what_an_image_of_an_old_tarball_is_called_in_the_containerd_store_never_changes() {
    let mut image = TestImage::empty().with_layer(&[("x", b"x")]);
    image.platform.1 = "amd64".into();
    let place = Place::new();
    let path = place.file(
        "x.tar",
        &Files::old_archive(&[(&image, &["a:1"])]).tarball(),
    );
    let amd64 = Platform {
        os: "linux".into(),
        architecture: "amd64".into(),
        variant: None,
        os_features: None,
    };
    let source = Source::open(&path, &Layouts::default(), &amd64, Limits::DEFAULT).unwrap();
    let found = source.images()[0].as_ref().unwrap();
    let golden = "sha256:c049559ab4f0060c21118789152c86b2135e70922391a45095f6bdb834a7e727";
    assert_eq!(found.target().unwrap().to_string(), golden);
}

#[test]
fn names_in_a_tarball_may_be_absolute_as_docker_takes_them() {
    let place = Place::new();
    let image = TestImage::small(1);
    let mut files = Files::old_archive(&[(&image, &["a:1"])]);
    let mut manifest: serde_json::Value =
        serde_json::from_slice(files.get("manifest.json")).unwrap();
    let layer = manifest[0]["Layers"][0].as_str().unwrap().to_owned();
    manifest[0]["Layers"][0] = "/linked/layer.tar".into();
    manifest[0]["Config"] = format!("/{}", manifest[0]["Config"].as_str().unwrap()).into();
    *files.get_mut("manifest.json") = manifest.to_string().into_bytes();
    files
        .links
        .push(("linked/layer.tar".into(), format!("/{layer}")));
    let image = only(&place.file("x.tar", &files.tarball()));
    verified(&image);
}

#[test]
fn a_tarball_whose_list_is_empty_is_whole_and_without_images_unless_a_layout_is_beside_the_list() {
    let place = Place::new();
    for list in ["[]", "null"] {
        let mut files = Files::default();
        files.files.push(("manifest.json".into(), list.into()));
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            let path = place.file("x.tar", &packing.pack(&files.tarball()));
            let error = Source::open(
                &path,
                &Layouts::default(),
                &Platform::host(),
                Limits::DEFAULT,
            );
            says(&chain(&error.unwrap_err()), &["lists no images"]);
        }
        let mut files = Files::layout(&TestImage::small(1), &["a:1"], Packing::Gzip, true);
        files.files.push(("manifest.json".into(), list.into()));
        let image = only(&place.file("y.tar", &files.tarball()));
        assert_eq!(names(image.references()), ["docker.io/library/a:1"]);
    }
}
