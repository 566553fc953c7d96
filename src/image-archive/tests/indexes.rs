//! The index of a compressed tarball is a cache: it saves reading, and proves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::path::{Path, PathBuf};

use common::Place;
use image_archive::{Layouts, Limits, Platform, Result, Source};
use image_fixture::{Files, Packing, TestImage};

fn open(path: &Path, indexes: &Path) -> Result<Source> {
    Source::open_indexed(
        path,
        &Layouts::default(),
        &Platform::host(),
        Limits::DEFAULT,
        indexes,
    )
}

fn tarball(image: &TestImage) -> Vec<u8> {
    Packing::Gzip.pack(&Files::old_archive(&[(image, &["x:1"])]).tarball())
}

/// The digests of all images that are found and verified.
fn verified(path: &Path, indexes: &Path) -> Result<Vec<String>> {
    let images = open(path, indexes)?.into_images().into_iter();
    images
        .map(|image| Ok(image?.verify()?.image().config_digest().to_string()))
        .collect()
}

fn index_of(indexes: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(indexes).unwrap();
    let file = files.next().expect("there is an index").unwrap().path();
    assert!(files.next().is_none(), "there is one index");
    file
}

#[test]
fn a_tarball_is_opened_by_its_index_and_verified_by_its_bytes() {
    let place = Place::new();
    let image = TestImage::small(1);
    let path = place.file("x.tgz", &tarball(&image));
    let indexes = place.path().join("indexes");
    for _ in 0..2 {
        assert_eq!(verified(&path, &indexes).unwrap(), [image.config_digest()]);
    }
    // The same size and times, as far as a file system tells, but other bytes.
    let index = std::fs::read(index_of(&indexes)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();
    let _ = open(&path, &indexes);
    std::fs::write(index_of(&indexes), index).unwrap();
    assert!(verified(&path, &indexes).is_err());
}

#[test]
fn a_new_tarball_takes_the_place_of_the_old_one_and_its_index() {
    let place = Place::new();
    let indexes = place.path().join("indexes");
    for seed in 1..4 {
        let image = TestImage::small(seed);
        let path = place.file("x.tgz", &tarball(&image));
        assert_eq!(verified(&path, &indexes).unwrap(), [image.config_digest()]);
        index_of(&indexes);
    }
}

#[test]
fn a_plain_tarball_needs_no_index_and_a_directory_that_cannot_be_made_is_no_error() {
    let place = Place::new();
    let image = TestImage::small(1);
    let plain = Files::old_archive(&[(&image, &["x:1"])]).tarball();
    let path = place.file("x.tar", &plain);
    let indexes = place.path().join("indexes");
    assert_eq!(verified(&path, &indexes).unwrap(), [image.config_digest()]);
    assert!(!indexes.exists());
    let path = place.file("x.tgz", &tarball(&image));
    let impossible = path.join("indexes");
    assert_eq!(
        verified(&path, &impossible).unwrap(),
        [image.config_digest()]
    );
}

#[test]
fn two_thousand_mutations_of_an_index_never_make_another_image_of_it() {
    let place = Place::new();
    let image = TestImage::small(1);
    let path = place.file("x.tgz", &tarball(&image));
    let indexes = place.path().join("indexes");
    verified(&path, &indexes).unwrap();
    let file = index_of(&indexes);
    let valid = std::fs::read(&file).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    let mut used = 0;
    for _ in 0..2000 {
        let mut bytes = valid.clone();
        for _ in 0..random.usize(1..3) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] = random.u8(b'0'..=b'9'),
                2 => bytes.insert(at, random.u8(b'0'..=b'9')),
                _ => drop(bytes.remove(at)),
            }
        }
        std::fs::write(&file, &bytes).unwrap();
        if let Ok(digests) = verified(&path, &indexes) {
            for digest in digests {
                assert_eq!(digest, image.config_digest());
            }
        }
        used += usize::from(std::fs::read(&file).unwrap() == bytes);
    }
    assert!(used > 500, "only {used} mutations were used");
}
