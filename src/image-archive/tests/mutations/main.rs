//! Ten thousand seeded mutations of valid inputs for each parser: nothing that was changed is taken for the image that it was,
//! an error is a line that names what it is about, and neither takes longer or more memory than what was sent is worth.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them"
)]

#[path = "../common/mod.rs"]
mod common;
mod documents;
mod harness;

use std::io::Read;

use common::Place;
use fastrand::Rng;
use harness::{ROUNDS, Tally, fast_place, image, mutate, mutate_tarball, swallow};
use image_archive::{DockerArchive, Error, Plan, Reference};
use image_fixture::{Files, Packing, TestImage};

#[test]
fn references() {
    let valid = [
        "redis",
        "redis:7.2",
        "quay.io/a/b-c:x_y",
        "localhost:5000/a/b",
        "[::1]:5000/x:1",
    ];
    let digest = image_fixture::digest(b"x");
    let mut random = Rng::with_seed(1);
    let mut past = 0;
    for round in 0..ROUNDS {
        let mut bytes = valid[round % valid.len()].as_bytes().to_vec();
        if round % 3 == 0 {
            bytes.extend_from_slice(format!("@{digest}").as_bytes());
        }
        if random.bool() {
            mutate(&mut random, &mut bytes);
        } else {
            let at = random.usize(..bytes.len());
            bytes[at] = b"az09.-_:/@A"[random.usize(..11)];
        }
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        if let Ok(reference) = text.parse::<Reference>() {
            past += 1;
            assert_eq!(
                reference.to_string().parse::<Reference>().unwrap(),
                reference,
                "{text}"
            );
            assert_eq!(
                reference.familiar().parse::<Reference>().unwrap(),
                reference,
                "{text}"
            );
        }
    }
    assert!(past >= ROUNDS / 3, "only {past} were references");
}

#[test]
fn plain_tarballs() {
    let image = image();
    let forms = [
        Files::old_archive(&[(&image, &["a:1"])]).tarball(),
        Files::new_archive(&image, &["a:1"]).tarball(),
    ];
    let (_place, path) = fast_place();
    let mut random = Rng::with_seed(2);
    let mut tally = Tally::new();
    for round in 0..ROUNDS {
        let mut bytes = forms[round % 2].clone();
        mutate_tarball(&mut random, &mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        tally.note(&image.config_digest(), &swallow(&path), |error| {
            matches!(error, Error::NotAnImage { .. } | Error::Damaged { .. })
        });
    }
    tally.finish("plain tarballs");
}

#[test]
fn compressed_tarballs() {
    let image = image();
    let forms = [
        Files::old_archive(&[(&image, &["a:1"])]).tarball(),
        Files::new_archive(&image, &["a:1"]).tarball(),
    ];
    let (_place, path) = fast_place();
    let mut random = Rng::with_seed(3);
    let mut tally = Tally::new();
    for round in 0..ROUNDS {
        let mut bytes = forms[round % 2].clone();
        let packing = if round % 4 < 2 {
            Packing::Gzip
        } else {
            Packing::Zstd
        };
        // Under the compression, so that what is inside is reached, or on top of it.
        if round % 5 == 0 {
            bytes = packing.pack(&bytes);
            mutate(&mut random, &mut bytes);
        } else {
            mutate_tarball(&mut random, &mut bytes);
            bytes = packing.pack(&bytes);
        }
        std::fs::write(&path, &bytes).unwrap();
        tally.note(&image.config_digest(), &swallow(&path), |error| {
            matches!(error, Error::NotAnImage { .. } | Error::Damaged { .. })
        });
    }
    tally.finish("compressed tarballs");
}

#[test]
fn layouts() {
    let image = image();
    let (place, _) = fast_place();
    let mut forms = Vec::new();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        for nested in [false, true] {
            let files = Files::layout(&image, &["a:1"], packing, nested);
            let path = place.layout(&forms.len().to_string(), &files);
            forms.push((path, files));
        }
    }
    let mut random = Rng::with_seed(4);
    let mut tally = Tally::new();
    for round in 0..ROUNDS {
        let (path, files) = &forms[round % forms.len()];
        let (name, original) = &files.files[random.usize(..files.files.len())];
        let mut bytes = original.clone();
        mutate(&mut random, &mut bytes);
        std::fs::write(path.join(name), &bytes).unwrap();
        tally.note(
            &image.config_digest(),
            &swallow(path),
            |error| matches!(error, Error::Json { name, .. } if name == "index.json" || name == "oci-layout"),
        );
        std::fs::write(path.join(name), original).unwrap();
    }
    tally.finish("layouts");
}

#[test]
fn a_stream_that_is_dropped_or_cut_ends_its_thread() {
    let image = TestImage::empty().with_layer(&[("big", &vec![1; 1 << 20])]);
    let place = Place::new();
    let path = place.layout("l", &Files::layout(&image, &["a:1"], Packing::Plain, false));
    let verified = common::verified(&common::only(&path));
    let mut stream = DockerArchive::new(verified.clone(), Plan::default())
        .into_stream()
        .unwrap();
    stream.read_exact(&mut [0; 5000]).unwrap();
    drop(stream);
    // What changes after it was verified is not sent as if it were whole.
    let layer = path
        .join("blobs/sha256")
        .join(image_fixture::hex(&image.layers[0]));
    std::fs::write(&layer, &image.layers[0][..500_000]).unwrap();
    let mut stream = DockerArchive::new(verified, Plan::default())
        .into_stream()
        .unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("sending an archive of a:1"),
        "{error}"
    );
}
