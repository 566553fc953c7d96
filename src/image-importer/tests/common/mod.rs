//! A BOSH VM's directories, and the real program run in them.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use docker_engine::ImageStore;
use engine_fixture::Dockerd;
use image_fixture::Files;
use serde_json::Value;
use state_files::ImageMap;

/// A root with a configured job.
pub struct Vm(tempfile::TempDir);

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub report: Value,
    pub stderr: String,
}

impl Vm {
    pub fn new() -> Self {
        let vm = Self(tempfile::Builder::new().prefix("vm-").tempdir().unwrap());
        vm.file(
            "jobs/docker/config/config.json",
            job_fixture::rendered().to_string().as_bytes(),
        );
        std::fs::create_dir_all(vm.path("sys/run/docker")).unwrap();
        vm
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What the importer left for compose-runner.
    pub fn image_map(&self) -> ImageMap {
        ImageMap::left_by_importer(&bosh_job::Paths::new(self.0.path()))
    }

    pub fn socket(&self) -> PathBuf {
        self.path("sys/run/docker/docker.sock")
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn layout(&self, name: &str, files: &Files) -> PathBuf {
        let path = self.path(name);
        files.write(&path);
        path
    }

    /// Lists these paths below the root, as `/var/vcap/…`.
    pub fn list(&self, names: &[&str]) {
        let lines: Vec<String> = names
            .iter()
            .map(|name| format!("/var/vcap/{name}"))
            .collect();
        let lines = lines.join(
            "
",
        );
        self.file(
            "jobs/images/docker-bosh-release-import/images.lst",
            lines.as_bytes(),
        );
    }

    /// Makes dockerd's socket the VM's.
    pub fn attach(&self, socket: &Path) {
        let _ = std::fs::remove_file(self.socket());
        std::os::unix::fs::symlink(socket, self.socket()).unwrap();
    }

    /// Runs the program with `/tmp` out of use.
    pub fn import(&self) -> Ended {
        self.run(&["--json", "--wait", "5"])
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.begin(arguments).end()
    }

    /// Begins a run.
    pub fn begin(&self, arguments: &[&str]) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_image-importer"))
            .arg("--root")
            .arg(self.0.path())
            .args(arguments)
            .env_clear()
            .env("TMPDIR", "/nonexistent")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Running(child.unwrap())
    }
}

/// A run that goes on.
pub struct Running(Child);

impl Running {
    pub fn goes_on(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub fn end(self) -> Ended {
        let output = self.0.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{stderr}");
        let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Ended {
            code: output.status.code(),
            report,
            stderr,
        }
    }
}

impl Ended {
    /// What was done, image by image.
    pub fn actions(&self) -> Vec<&str> {
        let images = self.report["images"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        images
            .iter()
            .map(|image| image["action"].as_str().unwrap())
            .collect()
    }

    #[track_caller]
    pub fn assert(&self, code: i32, actions: &[&str]) -> &Self {
        assert_eq!(
            (self.code, self.actions()),
            (Some(code), actions.to_vec()),
            "{}",
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn says(&self, what: &str) -> &Self {
        assert!(
            self.stderr.contains(what),
            "`{what}` is not in:\n{}",
            self.stderr
        );
        self
    }
}

pub const STORES: [ImageStore; 2] = [ImageStore::GraphDriver, ImageStore::Containerd];

/// Runs a test on each image store that the engine has.
pub fn on_each_store(test: impl Fn(&Dockerd, &Vm)) {
    for store in STORES {
        let dockerd = Dockerd::start(store);
        let info = dockerd.engine().info().unwrap();
        if info.image_store() != store {
            let major: u32 = info
                .server_version
                .split('.')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert!(
                major < 23,
                "engine {} did not take the {store:?} image store",
                info.server_version
            );
            continue;
        }
        let vm = Vm::new();
        vm.attach(&dockerd.socket());
        test(&dockerd, &vm);
    }
}
