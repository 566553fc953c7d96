//! A VM with jobs and packages that bring images, and a registry on it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image_fixture::Files;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Registry;

/// Directories as on a BOSH VM: packages are links to where they are installed.
pub struct Vm {
    directory: TempDir,
}

impl Vm {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A path below its `/var/vcap`.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Installs a version of a package, and gives the directory to put its files into.
    pub fn package(&self, name: &str, version: &str) -> PathBuf {
        let installed = self.path(&format!("data/packages/{name}/{version}"));
        std::fs::create_dir_all(&installed).unwrap();
        std::fs::create_dir_all(self.path("packages")).unwrap();
        let link = self.path(&format!("packages/{name}"));
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&installed, link).unwrap();
        installed
    }

    /// A package with a layout, which a job lists.
    pub fn layout(&self, name: &str, files: &Files) {
        files.write(&self.package(name, "1"));
        self.list(name, &format!("/var/vcap/packages/{name}\n"));
    }

    /// A package with a tarball, which a job lists.
    pub fn tarball(&self, name: &str, file: &str, bytes: &[u8]) {
        std::fs::write(self.package(name, "1").join(file), bytes).unwrap();
        self.list(name, &format!("/var/vcap/packages/{name}/{file}\n"));
    }

    /// A job with this list.
    pub fn list(&self, job: &str, text: &str) {
        let directory = self.path(&format!("jobs/{job}/docker-bosh-release-import"));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("images.lst"), text).unwrap();
    }

    /// A registry with the login `ci`, which may do everything.
    pub fn registry(&self) -> Registry {
        let everything = json!([{"rights": ["pull", "push", "delete"]}]);
        self.registry_with(
            json!({"users": [{"name": "ci", "password": "hunter2", "grants": everything}]}),
        )
    }

    /// A registry with more of a configuration.
    pub fn registry_with(&self, mut config: Value) -> Registry {
        config["frozen"] = json!({"jobs": self.path("jobs")});
        Registry::with(config)
    }
}

/// Waits for a line of the registry's log.
pub fn wait_for(registry: &Registry, text: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !registry.log().contains(text) {
        assert!(Instant::now() < deadline, "no {text:?}: {}", registry.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Bytes of all files below a directory.
pub fn size_of(directory: &Path) -> u64 {
    let mut size = 0;
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        size += if metadata.is_dir() {
            size_of(&entry.path())
        } else {
            metadata.len()
        };
    }
    size
}

/// Pulls an image as a client does, and holds every digest and size against what names it. The digest of what the name stands
/// for, and how many blobs the image has.
pub fn pull(
    registry: &Registry,
    repository: &str,
    reference: &str,
    suffix: &str,
) -> (String, usize) {
    let address = |kind: &str, what: &str| format!("/v2/{repository}/{kind}/{what}{suffix}");
    let answer = registry.get(&address("manifests", reference));
    let digest = answer
        .assert(200)
        .header("docker-content-digest")
        .to_owned();
    assert_eq!(crate::client::sha256(&answer.body), digest);
    let mut document = answer.json();
    assert_eq!(answer.header("content-type"), document["mediaType"]);
    if let Some(children) = document["manifests"].as_array() {
        let child = children
            .iter()
            .filter(|child| child["platform"]["os"] == "linux")
            .find_map(|child| {
                let child = child["digest"].as_str().unwrap();
                let answer = registry.get(&address("manifests", child));
                (answer.status == 200).then(|| answer.json())
            });
        document = child.unwrap();
    }
    let config = std::iter::once(&document["config"]);
    let blobs: Vec<_> = config
        .chain(document["layers"].as_array().unwrap())
        .collect();
    for blob in &blobs {
        let digest = blob["digest"].as_str().unwrap();
        let answer = registry.get(&address("blobs", digest));
        assert_eq!(crate::client::sha256(&answer.assert(200).body), digest);
        assert_eq!(blob["size"], answer.body.len());
    }
    (digest, blobs.len())
}
