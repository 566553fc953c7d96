//! A toy deployment through the real program, removed when its test ends.
//!
//! The tests need root, like the program: without it they fail and say so.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Standard output of a command that must have succeeded.
    pub fn ok(self) -> String {
        assert_eq!(
            self.code, 0,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self.stdout
    }

    /// Standard error of a command that must have failed.
    pub fn error(self) -> String {
        assert_eq!(
            self.code, 1,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self.stderr
    }
}

/// Runs bosh-solo.
pub fn solo(arguments: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_bosh-solo"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Where the toy releases lie.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// Copies a tree, links as links.
pub fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}

/// A deployment of the toy releases.
pub struct Toy {
    pub name: String,
    pub manifest: Value,
    pub directory: TempDir,
}

impl Toy {
    /// One instance with the job `recorder`.
    pub fn new(name: &str) -> Self {
        let name = format!("solo-{name}");
        let directory = tempfile::tempdir().unwrap();
        // What an aborted run left.
        solo(&["-n", "-d", &name, "delete-deployment", "--force"]);
        let manifest = json!({
            "name": name,
            "releases": [{"name": "toy", "version": "create", "path": data("toy")}],
            "stemcells": [{"alias": "default", "os": "ubuntu-jammy", "version": "latest"}],
            "update": {
                "canaries": 1, "max_in_flight": 1,
                "canary_watch_time": "1000-20000", "update_watch_time": "1000-20000",
            },
            "instance_groups": [{
                "name": "g", "instances": 1, "azs": ["z1"], "vm_type": "default", "stemcell": "default",
                "networks": [{"name": "default"}],
                "jobs": [{"name": "recorder", "release": "toy", "properties": {"secret": "((password))"}}],
            }],
            "variables": [{"name": "password", "type": "password"}],
        });
        Self {
            name,
            manifest,
            directory,
        }
    }

    /// The one instance group.
    pub fn group(&mut self) -> &mut Value {
        &mut self.manifest["instance_groups"][0]
    }

    /// Sets a property of the recorder.
    pub fn set(&mut self, property: &str, value: Value) {
        self.group()["jobs"][0]["properties"][property] = value;
    }

    /// A copy of the toy release that a test may change.
    pub fn own_release(&mut self) -> PathBuf {
        let release = self.directory.path().join("toy");
        copy_tree(&data("toy"), &release);
        self.manifest["releases"][0]["path"] = json!("toy");
        release
    }

    /// bosh-solo about this deployment.
    pub fn solo(&self, arguments: &[&str]) -> Outcome {
        let mut all = vec!["-n", "-d", &self.name];
        all.extend(arguments);
        solo(&all)
    }

    pub fn deploy(&self) -> Outcome {
        self.deploy_with(&[])
    }

    /// Writes the manifest to a file.
    fn write_manifest(&self) -> PathBuf {
        let path = self.directory.path().join("manifest.yml");
        fs::write(&path, self.manifest.to_string()).unwrap();
        path
    }

    /// Begins to deploy and gives it up after a while, as Ctrl-C does.
    pub fn interrupt_deploy(&self, after: Duration) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bosh-solo"))
            .args(["-n", "-d", &self.name, "deploy"])
            .arg(self.write_manifest())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(after);
        let pid = child.id().to_string();
        // It may have ended before.
        let _ = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        child.wait().unwrap();
    }

    /// Deploys the manifest from standard input.
    pub fn deploy_from_input(&self) -> Outcome {
        let manifest = fs::File::open(self.write_manifest()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_bosh-solo"))
            .args(["-n", "deploy", "-"])
            .current_dir(self.directory.path())
            .stdin(manifest)
            .output()
            .unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn deploy_with(&self, flags: &[&str]) -> Outcome {
        let path = self.write_manifest();
        let mut arguments = vec!["deploy", path.to_str().unwrap()];
        arguments.extend(flags);
        self.solo(&arguments)
    }

    /// Runs a shell command on `g/0` and returns what it prints.
    pub fn ssh(&self, command: &str) -> String {
        self.solo(&["ssh", "g/0", "-c", command]).ok()
    }

    /// The calls that the recorder wrote down since the last look; `PATH` and `TMPDIR`, which every
    /// script has, are checked and left out.
    pub fn calls(&self) -> Vec<String> {
        let agent = "PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/var/vcap/data/tmp ";
        self.ssh("cd /var/vcap/data/recorder; cat record; rm -f record")
            .lines()
            .map(|line| {
                if !["start", "stop"].contains(&line) {
                    assert!(line.ends_with(agent), "{line}");
                }
                line.replace(agent, "").trim_end().to_owned()
            })
            .collect()
    }

    /// The state of `g/0` as `instances` shows it.
    pub fn state(&self) -> String {
        let text = self.solo(&["instances", "--json"]).ok();
        let table: Value = serde_json::from_str(&text).unwrap();
        table["Tables"][0]["Rows"][0]["process_state"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Toy {
    /// Waits until `g/0` is in a state, for 30 seconds at most.
    pub fn wait_for_state(&self, state: &str) {
        for _ in 0..60 {
            if self.state() == state {
                return;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!(
            "{} did not become {state} but is {}",
            self.name,
            self.state()
        );
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        let outcome = self.solo(&["delete-deployment", "--force"]);
        // A second panic while the first unwinds would hide it.
        let fine = outcome.code == 0 || std::thread::panicking();
        assert!(fine, "deleting {}:\n{}", self.name, outcome.stderr);
    }
}
