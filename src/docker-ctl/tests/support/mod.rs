//! A VM in a temporary directory, on which the real docker-ctl is run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "it serves tests only")]
#![allow(dead_code, reason = "no test uses all of it")]

pub mod containers;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bosh_job::{Paths, Pid, ProcessInfo};
use docker_engine::{Engine, ImageStore};
use serde_json::Value;

/// A directory that stands for /var/vcap, short, since the path of a socket is limited to 107 bytes.
pub struct Vm {
    dir: tempfile::TempDir,
}

/// How a run of docker-ctl ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
}

impl Run {
    /// The run, if it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }
}

impl Vm {
    /// One whose job has no property set.
    pub fn new() -> Self {
        let vm = Self {
            dir: tempfile::Builder::new().prefix("vm").tempdir().unwrap(),
        };
        for dir in [
            "jobs/docker/config",
            "packages/containers/bin",
            "packages/docker/bin",
            "packages/docker-compose/bin",
            "sys/run/docker",
        ] {
            std::fs::create_dir_all(vm.dir.path().join(dir)).unwrap();
        }
        vm.set(&[]);
        vm
    }

    /// One with the engine that `CONTAINERS_TEST_ENGINE` names.
    pub fn with_engine() -> Self {
        let vm = Self::new();
        let engine = engine_fixture::engine_directory();
        std::fs::remove_dir(vm.paths().docker_bin_dir()).unwrap();
        vm.change_engine(&engine);
        vm
    }

    /// Puts another engine in the place of the one that is there, as an update of the package does.
    pub fn change_engine(&self, engine: &Path) {
        let bin = self.paths().docker_bin_dir();
        if bin.is_symlink() {
            std::fs::remove_file(&bin).unwrap();
        }
        std::os::unix::fs::symlink(std::fs::canonicalize(engine).unwrap(), bin).unwrap();
    }

    pub fn paths(&self) -> Paths {
        Paths::new(self.dir.path())
    }

    pub fn engine(&self) -> Engine {
        Engine::new(self.paths().socket())
    }

    /// 20 of an engine 20.10.
    pub fn engine_major(&self) -> u32 {
        let version = self.engine().version().unwrap().version;
        version.split('.').next().unwrap().parse().unwrap()
    }

    /// Renders the configuration again, with these properties set.
    pub fn set(&self, properties: &[(&str, Value)]) {
        let mut value = job_fixture::rendered();
        for (name, property) in properties {
            value["properties"][*name] = property.clone();
        }
        self.render(&serde_json::to_vec(&value).unwrap());
    }

    pub fn render(&self, bytes: &[u8]) {
        std::fs::write(self.paths().job_config(), bytes).unwrap();
    }

    /// docker-ctl with these arguments and monit's empty environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docker-ctl"));
        command
            .env_clear()
            .env("PATH", "/bin:/usr/bin:/sbin:/usr/sbin")
            .arg("--root")
            .arg(self.dir.path())
            .args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        run(&mut self.command(args))
    }
}

pub fn run(command: &mut Command) -> Run {
    let begun = Instant::now();
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Run {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
        elapsed: begun.elapsed(),
    }
}

impl Vm {
    /// The `docker` client of the engine under test; what it printed, if it ended well.
    #[track_caller]
    pub fn docker(&self, args: &[&str]) -> String {
        let host = format!("unix://{}", self.paths().socket().display());
        let mut command = Command::new(self.paths().docker_bin("docker"));
        command.env_clear().env("HOME", self.paths().root());
        let run = run(command.arg("--host").arg(host).args(args)).ok();
        run.stdout.trim().to_owned()
    }
}

/// A static busybox.
pub fn busybox() -> Vec<u8> {
    let named = std::env::var_os("CONTAINERS_TEST_BUSYBOX").map(PathBuf::from);
    let places = named
        .into_iter()
        .chain(["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from));
    let Some(found) = places.into_iter().find(|path| path.is_file()) else {
        panic!("no busybox: install busybox-static, or name one in CONTAINERS_TEST_BUSYBOX")
    };
    std::fs::read(found).unwrap()
}

/// Runs a line of shell, which must succeed.
#[track_caller]
pub fn sh(line: &str) -> String {
    let run = run(Command::new("/bin/sh").args(["-ec", line])).ok();
    run.stdout.trim().to_owned()
}

/// The number in a pidfile.
pub fn pid(path: &Path) -> Pid {
    Pid::from_raw(
        std::fs::read_to_string(path)
            .unwrap()
            .trim()
            .parse()
            .unwrap(),
    )
    .unwrap()
}

pub fn is_alive(pid: Pid) -> bool {
    ProcessInfo::read(pid).is_some_and(|info| info.is_alive())
}

/// Starts dockerd with the image store that the properties ask for, and says whether it has it. An engine before 24 has
/// only the graph drivers' store, and the job then refuses the other one by name.
pub fn start_if_it_has(vm: &Vm, store: ImageStore) -> bool {
    let version = Command::new(vm.paths().docker_bin("dockerd"))
        .arg("--version")
        .output();
    let version = String::from_utf8(version.unwrap().stdout).unwrap();
    let major = version
        .split(' ')
        .nth(2)
        .and_then(|number| number.split('.').next());
    let major: u32 = major.unwrap().parse().unwrap();
    vm.run(&["start"]).ok();
    let has = store == ImageStore::GraphDriver || major >= 24;
    if has {
        assert_eq!(vm.engine().info().unwrap().image_store(), store);
    } else {
        let wait = vm.run(&["wait"]);
        assert!(
            wait.code == 2 && wait.stderr.contains("`image_store`"),
            "{wait:#?}"
        );
        vm.run(&["stop"]).ok();
    }
    has
}

/// Goes into namespaces of its own: nothing that dockerd does to networks, mounts and processes is seen outside or is
/// left. Runs this test again inside, and says whether this is the inside.
pub fn inside(test: &str) -> bool {
    const MARK: &str = "DOCKER_CTL_TEST_INSIDE";
    if std::env::var_os(MARK).is_some() {
        assert!(
            Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status()
                .unwrap()
                .success()
        );
        return true;
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes namespaces and needs root"
    );
    let output = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "--",
        ])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

/// A program, as a shell script.
pub fn script(path: &Path, text: &str) {
    let source = path.with_extension("source");
    std::fs::write(&source, format!("#!/bin/sh\n{text}\n")).unwrap();
    install(&source, path);
}

/// A copy of a program.
///
/// Another process writes it: a process that another test's thread forks just then would hold the file open for writing
/// for a moment, and what is open for writing cannot be executed (`ETXTBSY`).
pub fn install(source: &Path, program: &Path) {
    let status = Command::new("install").arg(source).arg(program).status();
    assert!(status.unwrap().success());
}
