//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

use std::error::Error as _;
use std::path::{Path, PathBuf};

use image_archive::{Error, Image, Layouts, Limits, Platform, Result, Source, VerifiedImage};
use image_fixture::{Files, Packing, TestImage};

/// A directory for tarballs and layouts.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn within(directory: &Path) -> Self {
        Self(tempfile::tempdir_in(directory).unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn layout(&self, name: &str, files: &Files) -> PathBuf {
        let path = self.0.path().join(name);
        files.write(&path);
        path
    }
}

pub fn source(path: &Path) -> Result<Source> {
    Source::open(
        path,
        &Layouts::default(),
        &Platform::host(),
        Limits::DEFAULT,
    )
}

pub fn open(path: &Path) -> Vec<Result<Image>> {
    source(path).unwrap().into_images()
}

pub fn only(path: &Path) -> Image {
    let mut images = open(path);
    assert_eq!(images.len(), 1, "{images:?}");
    images.remove(0).unwrap()
}

pub fn verified(image: &Image) -> VerifiedImage {
    image
        .verify()
        .unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// What opening and verifying everything at `path` ends with.
pub fn attempt(path: &Path) -> Result<()> {
    for image in source(path)?.into_images() {
        let image = image?;
        image.target()?;
        image.verify()?;
    }
    Ok(())
}

/// The error that it must end with, with its causes.
pub fn failure(path: &Path) -> String {
    chain(&attempt(path).expect_err("it was taken"))
}

pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(" / ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Asserts that each of `parts` is in the error.
#[track_caller]
pub fn says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

/// A layout of two layers.
pub fn layout() -> (TestImage, Files) {
    let image = TestImage::small(1).with_layer(&[("x", b"x")]);
    let files = Files::layout(&image, &["a:1"], Packing::Gzip, false);
    (image, files)
}

/// The name of a layer's blob in it.
pub fn layer_name(image: &TestImage, number: usize) -> String {
    format!(
        "blobs/sha256/{}",
        image_fixture::hex(&Packing::Gzip.pack(&image.layers[number]))
    )
}
