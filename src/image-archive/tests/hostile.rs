//! Hostile images are refused with an error that names what is wrong, within bounds of time and memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::io::Write as _;
use std::time::{Duration, Instant};

use common::{Place, failure, layer_name, layout, says};
use image_archive::{Layouts, Limits, Platform, Source};
use image_fixture::{Files, Packing, TestImage};

#[test]
fn refuses_names_and_links_that_lead_out_of_a_tarball() {
    let image = TestImage::small(1);
    let place = Place::new();
    let mut files = Files::old_archive(&[(&image, &["a:1"])]);
    files
        .links
        .push(("aa/layer.tar".into(), "../../../../etc/passwd".into()));
    let mut manifest: serde_json::Value =
        serde_json::from_slice(files.get("manifest.json")).unwrap();
    manifest[0]["Layers"][0] = "aa/layer.tar".into();
    *files.get_mut("manifest.json") = manifest.to_string().into_bytes();
    says(
        &failure(&place.file("x.tar", &files.tarball())),
        &["leads out of it"],
    );
    for (name, refusal) in [
        ("../../etc/passwd", "leads out of it"),
        // Its root is that of the tarball, as it is for Docker.
        ("/etc/passwd", "is missing in"),
    ] {
        manifest[0]["Config"] = name.into();
        *files.get_mut("manifest.json") = manifest.to_string().into_bytes();
        says(
            &failure(&place.file("x.tar", &files.tarball())),
            &[name, refusal],
        );
    }
    // A chain of links that never ends.
    files.links = vec![
        ("aa/layer.tar".into(), "../bb".into()),
        ("bb".into(), "aa/layer.tar".into()),
    ];
    manifest[0]["Config"] = "bb".into();
    *files.get_mut("manifest.json") = manifest.to_string().into_bytes();
    says(
        &failure(&place.file("x.tar", &files.tarball())),
        &["links lead to links"],
    );
}

#[test]
fn refuses_links_that_lead_out_of_a_layout() {
    let (image, mut files) = layout();
    let place = Place::new();
    let name = layer_name(&image, 0);
    let outside = place.file("outside", &files.remove(&name));
    let path = place.layout("l", &files);
    std::os::unix::fs::symlink(outside, path.join(&name)).unwrap();
    says(&failure(&path), &["leads out of it", &name]);
    std::fs::remove_file(path.join(&name)).unwrap();
    std::fs::create_dir(path.join(&name)).unwrap();
    says(&failure(&path), &["which is no file"]);
}

#[test]
fn an_error_is_a_line_whatever_an_image_or_a_layer_is_called() {
    const HOSTILE: &str = "x\u{1b}[31m\ny:1";
    let image = TestImage::small(1);
    let place = Place::new();
    let mut files = Files::layout(&image, &["a:1"], Packing::Plain, false);
    let mut index: serde_json::Value = serde_json::from_slice(files.get("index.json")).unwrap();
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = HOSTILE.into();
    *files.get_mut("index.json") = index.to_string().into_bytes();
    let mut errors = vec![failure(&place.layout("named", &files))];
    index["manifests"][0]["mediaType"] = HOSTILE.into();
    *files.get_mut("index.json") = index.to_string().into_bytes();
    errors.push(failure(&place.layout("typed", &files)));

    // other bytes than the config names, and a layer that is cut
    for layer in [
        b"other".to_vec(),
        Packing::Gzip.pack(&[7; 600])[..20].to_vec(),
    ] {
        let mut files = Files::old_archive(&[(&image, &["a:1"])]);
        let mut manifest: serde_json::Value =
            serde_json::from_slice(files.get("manifest.json")).unwrap();
        manifest[0]["Layers"][0] = HOSTILE.into();
        *files.get_mut("manifest.json") = manifest.to_string().into_bytes();
        files.push(HOSTILE, &layer);
        errors.push(failure(&place.file("x.tar", &files.tarball())));
    }
    for error in errors {
        says(&error, &["x\\u{1b}[31m\\ny:1"]);
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}

#[test]
fn refuses_device_nodes_and_pipes_in_a_tarball() {
    for (kind, what) in [
        (tar::EntryType::Block, "a device node"),
        (tar::EntryType::Fifo, "a named pipe"),
    ] {
        let mut tarball = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        tarball
            .append_data(&mut header, "manifest.json", std::io::empty())
            .unwrap();
        let place = Place::new();
        says(
            &failure(&place.file("x.tar", &tarball.into_inner().unwrap())),
            &[what],
        );
    }
}

#[test]
fn refuses_documents_larger_than_any_real_one() {
    let image = TestImage::small(1);
    let place = Place::new();
    let filler = " ".repeat(5 << 20);
    let mut files = Files::old_archive(&[(&image, &["a:1"])]);
    files
        .get_mut("manifest.json")
        .extend_from_slice(filler.as_bytes());
    says(
        &failure(&place.file("x.tar", &files.tarball())),
        &["manifest.json", "larger than 4194304 bytes"],
    );
    let gzipped = Packing::Gzip.pack(&files.tarball());
    says(
        &failure(&place.file("x.tgz", &gzipped)),
        &["manifest.json", "larger than 4194304 bytes"],
    );
    let mut files = Files::layout(&image, &["a:1"], Packing::Gzip, false);
    files
        .get_mut("index.json")
        .extend_from_slice(filler.as_bytes());
    says(
        &failure(&place.layout("l", &files)),
        &["index.json", "larger than 4194304 bytes"],
    );
}

#[test]
fn refuses_names_that_would_fill_the_memory() {
    // A GNU long name that claims 3 GB, and one of a few MB that is really there.
    for (claimed, present) in [(3_u64 << 30, 0), (4 << 20, 4 << 20)] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(claimed);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.resize(512 + present, b'a');
        let place = Place::new();
        says(&failure(&place.file("x.tar", &bytes)), &["a name of"]);
    }
}

#[test]
fn refuses_more_files_than_any_image_has() {
    let mut tarball = tar::Builder::new(Vec::new());
    for number in 0..200 {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        tarball
            .append_data(&mut header, format!("{number}"), std::io::empty())
            .unwrap();
    }
    let place = Place::new();
    let path = place.file("x.tar", &tarball.into_inner().unwrap());
    let limits = Limits {
        entries: 100,
        ..Limits::DEFAULT
    };
    let error = Source::open(&path, &Layouts::default(), &Platform::host(), limits)
        .err()
        .unwrap();
    says(&common::chain(&error), &["the list of files"]);
}

#[test]
fn a_gzip_bomb_costs_bounded_time_and_no_memory() {
    // 1 GiB of zeros in about 1 MB, as a layer and as a whole tarball.
    let zeros = vec![0; 1 << 20];
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..256 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let image = TestImage::small(1);
    let mut files = Files::layout(&image, &["a:1"], Packing::Gzip, false);
    *files.get_mut(&layer_name(&image, 0)) = bomb.clone();
    let place = Place::new();
    let began = Instant::now();
    says(&failure(&place.layout("l", &files)), &["bytes instead of"]);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "the size tells before anything is unpacked"
    );
    let limits = Limits {
        unpacked: 16 << 20,
        ratio: 10,
        ..Limits::DEFAULT
    };
    let path = place.file("x.tgz", &bomb);
    let error = Source::open(&path, &Layouts::default(), &Platform::host(), limits)
        .err()
        .unwrap();
    says(&common::chain(&error), &["neither a docker-archive"]);
    let mut header = tar::Header::new_gnu();
    header.set_size(250 << 20);
    header.set_path("x").unwrap();
    header.set_cksum();
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(header.as_bytes()).unwrap();
    for _ in 0..255 {
        bomb.write_all(&zeros).unwrap();
    }
    let path = place.file("y.tgz", &bomb.finish().unwrap());
    let error = Source::open(&path, &Layouts::default(), &Platform::host(), limits)
        .err()
        .unwrap();
    says(
        &common::chain(&error),
        &["it unpacks to more than any image"],
    );
}

#[test]
fn a_layer_that_unpacks_without_end_is_stopped() {
    let mut image = TestImage::empty();
    image.layers.push(vec![0; 64 << 20]);
    let place = Place::new();
    let limits = Limits {
        unpacked: 1 << 20,
        ratio: 10,
        ..Limits::DEFAULT
    };
    for packing in [Packing::Gzip, Packing::Zstd] {
        let path = place.layout("l", &Files::layout(&image, &["a:1"], packing, false));
        let source = Source::open(&path, &Layouts::default(), &Platform::host(), limits).unwrap();
        let error = source.images()[0].as_ref().unwrap().verify().err().unwrap();
        says(
            &common::chain(&error),
            &["unpacked layer", "is larger than"],
        );
        std::fs::remove_dir_all(path).unwrap();
    }
}
