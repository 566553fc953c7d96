//! A release of a test's own, and images to put into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image_archive::{Descriptor, Digest, Index, Manifest, Platform, Reference};
use image_fixture::{Files, Packing, TestImage};
use image_packager::image::Frozen;
use image_packager::release::{Access, Changes, Layout, PutOptions, Release, scaffold};

/// Bytes that no compression makes smaller.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// A layer of this many bytes and a little more.
pub fn large(image: TestImage, seed: u64, megabytes: usize) -> TestImage {
    image.with_layer(&[("noise", &noise(seed, megabytes << 20))])
}

/// What a source would make of an image, and its layers' bytes.
pub struct Fetched {
    pub frozen: Frozen,
    pub layers: BTreeMap<Digest, Vec<u8>>,
}

pub fn fetched(image: &TestImage, reference: &str, packing: Packing, nested: bool) -> Fetched {
    let files = Files::layout(image, &[reference], packing, nested);
    let blob = |digest: &Digest| files.get(&digest.blob_path()).to_vec();
    let listed: Index = serde_json::from_slice(files.get("index.json")).unwrap();
    let first = Descriptor {
        annotations: None,
        ..listed.manifests[0].clone()
    };
    let mut documents = vec![(first.clone(), blob(&first.digest))];
    if nested {
        let index: Index = serde_json::from_slice(&documents[0].1).unwrap();
        let own = index.manifests.last().unwrap().clone();
        documents.push((own.clone(), blob(&own.digest)));
    }
    let manifest: Manifest = serde_json::from_slice(&documents.last().unwrap().1).unwrap();
    let layers = manifest
        .layers
        .iter()
        .map(|layer| (layer.digest, blob(&layer.digest)))
        .collect();
    let config = blob(&manifest.config.digest);
    let frozen = Frozen {
        reference: reference.parse().unwrap(),
        digest: first.digest,
        platform: Platform::host(),
        documents,
        config: (manifest.config, config),
        layers: manifest.layers,
        note: None,
    };
    Fetched { frozen, layers }
}

pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// With a release in it that `new` made.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        scaffold(directory.path(), "images", false).unwrap();
        Self { directory }
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("images")
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn open(&self) -> Release {
        Release::open(&self.root(), Access::Write).unwrap()
    }

    pub fn put(&self, images: &[&Fetched], layout: Option<Layout>) -> Changes {
        let mut release = self.open();
        for image in images {
            keep_layers(&release, image);
        }
        let frozen: Vec<Frozen> = images.iter().map(|image| image.frozen.clone()).collect();
        let options = PutOptions {
            layout,
            ..PutOptions::default()
        };
        release.put(&frozen, &options).unwrap()
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Every file of the release but git's, with its bytes.
    pub fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        walk(&self.root(), &self.root(), &mut found);
        found
    }

    /// The real program, in the release.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run_in(&self.root(), arguments)
    }
}

pub fn keep_layers(release: &Release, image: &Fetched) {
    for layer in &image.frozen.layers {
        if release.has_layer(&layer.digest, layer.size) {
            continue;
        }
        let part = release.part_path(&layer.digest).unwrap();
        fs::write(&part, &image.layers[&layer.digest]).unwrap();
        release.keep_layer(&part, layer).unwrap();
    }
}

pub fn run_in(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_image-packager"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn walk(root: &Path, directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap();
        if relative.starts_with(".git") || relative.starts_with(".image-packager") {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            found.insert(relative.to_owned(), fs::read(&path).unwrap());
        }
    }
}
