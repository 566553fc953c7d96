//! Verifying a part of an image, on several threads, and no deeper than is needed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use common::{Place, chain, layer_name, layout, only, says};
use image_archive::{Depth, Digest, DockerArchive, Image, Plan, Result, Scope, VerifiedImage};
use image_fixture::{Files, Packing, TestImage};

fn verify(image: &Image, scope: Scope) -> Result<VerifiedImage> {
    let verification = image.verification(scope)?;
    let pieces: Vec<usize> = (0..verification.pieces()).collect();
    std::thread::scope(|threads| {
        let run = |piece: &usize| {
            threads.spawn({
                let (verification, piece) = (&verification, *piece);
                move || verification.run(piece)
            })
        };
        let running: Vec<_> = pieces.iter().map(run).collect();
        running
            .into_iter()
            .try_for_each(|piece| piece.join().unwrap())
    })?;
    verification.finish()
}

fn stored() -> Scope {
    Scope {
        depth: Depth::Stored,
        ..Scope::default()
    }
}

#[test]
fn a_layer_that_is_left_out_is_neither_read_nor_written_but_listed() {
    let (image, mut files) = layout();
    files.remove(&layer_name(&image, 0));
    let place = Place::new();
    let found = only(&place.layout("l", &files));
    assert!(verify(&found, Scope::default()).is_err());
    let left_out: Digest = image.diff_ids()[0].parse().unwrap();
    let scope = Scope {
        leave_out: [left_out].into(),
        ..Scope::default()
    };
    let verified = verify(&found, scope).unwrap();
    assert_eq!(verified.layers().len(), 1);
    let plan = Plan {
        leave_out: [left_out].into(),
        ..Plan::default()
    };
    let mut tarball = Vec::new();
    DockerArchive::new(verified, plan)
        .write(&mut tarball)
        .unwrap();
    let mut names = Vec::new();
    let mut listed = serde_json::Value::Null;
    for entry in tar::Archive::new(tarball.as_slice()).entries().unwrap() {
        let entry = entry.unwrap();
        names.push(entry.path().unwrap().display().to_string());
        if names.last().unwrap() == "manifest.json" {
            listed = serde_json::from_reader(entry).unwrap();
        }
    }
    assert!(!names.contains(&layer_name(&image, 0)) && names.contains(&layer_name(&image, 1)));
    assert_eq!(listed[0]["Layers"].as_array().unwrap().len(), 2);
}

#[test]
fn stored_bytes_are_checked_at_any_depth() {
    let (image, mut files) = layout();
    let name = layer_name(&image, 0);
    *files.get_mut(&name).last_mut().unwrap() ^= 1;
    let place = Place::new();
    let found = only(&place.layout("l", &files));
    let error = verify(&found, stored()).expect_err("it was taken");
    says(&chain(&error), &["image a:1", &name, "instead of sha256:"]);
}

#[test]
fn diff_ids_are_checked_as_deep_as_was_asked() {
    let (image, other) = (TestImage::small(1), TestImage::small(2));
    for packing in [Packing::Gzip, Packing::Zstd, Packing::Plain] {
        let mut files = Files::layout(&image, &["a:1"], packing, false);
        files.exchange_layer(
            &packing.pack(&image.layers[0]),
            &packing.pack(&other.layers[0]),
        );
        let place = Place::new();
        let found = only(&place.layout("l", &files));
        assert!(verify(&found, Scope::default()).is_err(), "{packing:?}");
        // What is not compressed has no other digest.
        assert_eq!(verify(&found, stored()).is_ok(), packing != Packing::Plain);
        let scope = Scope {
            unpack_zstd: true,
            ..stored()
        };
        assert_eq!(verify(&found, scope).is_ok(), packing == Packing::Gzip);
    }
}

#[test]
fn a_compressed_layer_without_a_digest_is_always_unpacked() {
    let image = TestImage::small(1);
    let mut files = Files::old_archive(&[(&image, &["a:1"])]);
    let layer = files
        .files
        .iter_mut()
        .find(|(name, _)| name.ends_with("/layer.tar"))
        .unwrap();
    layer.1 = Packing::Gzip.pack(&TestImage::small(2).layers[0]);
    let place = Place::new();
    let found = only(&place.file("x.tar", &files.tarball()));
    let error = verify(&found, stored()).expect_err("it was taken");
    says(&chain(&error), &["has diff ID"]);
}

#[test]
fn what_was_not_read_is_not_verified() {
    let (_, files) = layout();
    let place = Place::new();
    let found = only(&place.layout("l", &files));
    let verification = found.verification(Scope::default()).unwrap();
    assert_eq!(verification.pieces(), 2);
    verification.run(0).unwrap();
    assert!(verification.finish().is_err());
}
