//! A deployment for a test: real instances on this machine, gone when the test ends. Needs root.

#![allow(dead_code, reason = "each test program uses its own part of it")]
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "this is test code, but no test function, where clippy.toml allows them"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use solo_instance::{
    DiskFate, Exec, Host, HostConfig, Instance, InstanceSpec, NetworkSpec, Progress,
};

pub struct Deployment {
    pub host: Host,
    pub name: String,
}

/// The state directory outlives a run, so that the base tree is made once.
pub fn state_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("solo-instance")
}

pub fn host_at(state_dir: &Path) -> Host {
    Host::open(HostConfig {
        state_dir: state_dir.to_owned(),
        init: vec![env!("CARGO_BIN_EXE_solo-init").into()],
        progress: Progress::new(|line| eprintln!("{line}")),
    })
    .expect("these tests make namespaces, mounts and links: run them as root")
}

impl Deployment {
    /// A deployment with a network and no instance; what a killed run left of it is removed first.
    pub fn new(name: &str) -> Self {
        Self::on(host_at(&state_dir()), name)
    }

    pub fn on(host: Host, name: &str) -> Self {
        host.delete_deployment(name, DiskFate::Delete).unwrap();
        host.network(name, &NetworkSpec::default()).unwrap();
        Self {
            host,
            name: name.to_owned(),
        }
    }

    pub fn spec(&self, index: u32) -> InstanceSpec {
        InstanceSpec {
            deployment: self.name.clone(),
            group: "vm".to_owned(),
            index,
            id: format!("{}-{index}", self.name),
            ip: None,
            persistent_disk_mb: None,
            hostname: None,
            iptables: None,
        }
    }

    pub fn boot(&self, index: u32) -> Instance {
        self.boot_with(self.spec(index))
    }

    pub fn boot_with(&self, spec: InstanceSpec) -> Instance {
        let instance = self.host.create(spec).unwrap();
        instance.boot().unwrap();
        instance
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Err(error) = self.host.delete_deployment(&self.name, DiskFate::Delete) {
            eprintln!("deleting {}: {error}", self.name);
        }
    }
}

/// The output of a shell script inside, which must succeed.
pub fn sh(instance: &Instance, script: &str) -> String {
    let output = instance.exec(Exec::new(["bash", "-c", script])).unwrap();
    assert_eq!(
        output.code(),
        0,
        "{script}: {}{}",
        output.stdout_text(),
        output.stderr_text()
    );
    output.stdout_text().trim_end().to_owned()
}

/// The exit code of a shell script inside.
pub fn code(instance: &Instance, script: &str) -> i32 {
    instance
        .exec(Exec::new(["bash", "-c", script]))
        .unwrap()
        .code()
}

/// Waits until the answer is yes.
pub fn eventually(what: &str, bound: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + bound;
    while !done() {
        assert!(
            Instant::now() < end,
            "{what}: not within {} s",
            bound.as_secs()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
