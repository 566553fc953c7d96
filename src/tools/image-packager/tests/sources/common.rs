//! A release of a test's own, the real program in it, and images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image_fixture::{Files, Packing, TestImage};
use registry_fixture::{Pushed, Registry};
use serde_json::Value;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Bytes that no compression makes smaller.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// An image of layers of so many bytes and a little more.
pub fn image(layers: &[(u64, usize)]) -> TestImage {
    (layers.iter()).fold(TestImage::empty(), |image, (seed, length)| {
        image.with_layer(&[("noise", &noise(*seed, *length))])
    })
}

/// A directory with a release in it.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        image_packager::release::scaffold(directory.path(), "images", false).unwrap();
        Self { directory }
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("images")
    }

    /// Outside the release.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A text file beside the release.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.beside(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The program, in the release, with nothing of the caller's that could change what it does.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-packager"));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.command(arguments).output().unwrap())
    }

    /// What `--json` says, whether or not the program succeeded.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&ran.0.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.stdout(), ran.stderr()))
    }

    pub fn lock(&self) -> String {
        std::fs::read_to_string(self.root().join("images.lock")).unwrap_or_default()
    }

    /// Every file of the release that the BOSH CLI or git would see, but for blobs without an entry in blobs.yml.
    pub fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        walk(&self.root(), &mut found);
        found.retain(|path, _| !path.starts_with(self.root().join("blobs")));
        found
    }

    /// The blobs of layers.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let mut found = BTreeMap::new();
        walk(&self.root().join("blobs/layers"), &mut found);
        found.into_keys().collect()
    }

    /// `verify` finds nothing wrong.
    pub fn assert_whole(&self) {
        let verified = self.run(&["verify"]);
        assert!(
            verified.succeeded(),
            "{}{}",
            verified.stdout(),
            verified.stderr()
        );
    }
}

fn walk(directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.ends_with(".git") || path.ends_with(".image-packager") {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
}

/// How the program ended.
pub struct Ran(pub Output);

impl Ran {
    pub fn succeeded(&self) -> bool {
        self.0.status.success()
    }

    pub fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Succeeded; else the test fails with what the program said.
    pub fn good(self) -> Self {
        assert!(self.succeeded(), "{}{}", self.stdout(), self.stderr());
        self
    }

    /// Failed with this code, saying all of this.
    pub fn bad(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(
            self.code(),
            Some(code),
            "{}{}",
            self.stdout(),
            self.stderr()
        );
        for text in says {
            assert!(
                self.stderr().contains(text),
                "`{text}` is not in: {}",
                self.stderr()
            );
        }
        self
    }
}

/// Runs another tool; the test fails if it is not there or fails.
pub fn tool(name: &str, arguments: &[&str]) {
    let ran = Command::new(name)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{name} is needed: {error}; ci/setup installs it"));
    assert!(
        ran.status.success(),
        "{name} {arguments:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// Pushes an image's blobs and manifest.
pub fn push(registry: &Registry, image: &TestImage, name: &str, packing: Packing) -> Pushed {
    let files = Files::layout(image, &[name], packing, false);
    push_files(registry, &files, name, MANIFEST, &files.target())
}

/// Pushes all blobs of a layout, and one of them as manifest under a name.
pub fn push_files(
    registry: &Registry,
    files: &Files,
    name: &str,
    media_type: &str,
    target: &str,
) -> Pushed {
    let (repository, tag) = name.rsplit_once(':').unwrap();
    for (path, bytes) in &files.files {
        if path.starts_with("blobs/") {
            registry.push_blob(repository, bytes);
        }
    }
    let bytes = files.get(&format!("blobs/{}", target.replace(':', "/")));
    registry.push_manifest(repository, tag, media_type, bytes)
}
