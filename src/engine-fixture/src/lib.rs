//! A real dockerd of a test's own: with its own data root, socket and containerd, on no network, gone when dropped.
//!
//! It needs root and the engine directory that the environment variable `CONTAINERS_TEST_ENGINE` names. Without them a test
//! fails; it is not skipped.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "it serves tests only"
)]

mod directory;

pub use directory::{PROGRAMS, VARIABLE, engine_directory};

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use docker_engine::{Engine, ImageStore};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(30);

/// A dockerd that runs.
#[derive(Debug)]
pub struct Dockerd {
    child: Child,
    binaries: PathBuf,
    store: ImageStore,
    directory: Option<tempfile::TempDir>,
}

impl Dockerd {
    /// Starts the dockerd of `CONTAINERS_TEST_ENGINE`, with an empty image store of this kind.
    ///
    /// Panics, with dockerd's log, if it does not answer within a minute.
    #[must_use]
    pub fn start(store: ImageStore) -> Self {
        let binaries = engine_directory();
        assert!(
            rustix::process::geteuid().is_root(),
            "a test with a real dockerd needs root"
        );
        // Short, since the path of a socket is limited to 107 bytes.
        let directory = tempfile::Builder::new()
            .prefix("dockerd-")
            .tempdir()
            .expect("making a directory");
        let child = spawn(&binaries, directory.path(), store);
        let dockerd = Self {
            child,
            binaries,
            store,
            directory: Some(directory),
        };
        dockerd.wait();
        dockerd
    }

    /// Ends dockerd in order and starts it again on the same data.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.binaries, self.directory(), self.store);
        self.wait();
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory().join("docker.sock")
    }

    /// The engine behind the socket.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(self.socket())
    }

    /// Its image store.
    #[must_use]
    pub fn store(&self) -> ImageStore {
        self.store
    }

    /// Kills its containerd, if that lives; dockerd starts another. Gives its number.
    #[must_use]
    pub fn kill_containerd(&self) -> Option<i32> {
        let pidfile = self.directory().join("exec/containerd/containerd.pid");
        let pid = std::fs::read_to_string(pidfile).ok()?.trim().parse().ok()?;
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let killed = program.trim() == "containerd"
            && kill_process(Pid::from_raw(pid)?, Signal::KILL).is_ok();
        killed.then_some(pid)
    }

    /// The names of all volumes.
    #[must_use]
    pub fn volumes(&self) -> Vec<String> {
        let entries =
            std::fs::read_dir(self.directory().join("data/volumes")).expect("listing the volumes");
        let directories = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir());
        directories
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// What dockerd wrote.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("dockerd.log")).unwrap_or_default()
    }

    fn directory(&self) -> &Path {
        self.directory
            .as_ref()
            .expect("the directory lives until the drop")
            .path()
    }

    fn wait(&self) {
        if let Err(error) = self.engine().wait_ready(Instant::now() + START) {
            panic!(
                "dockerd of {} does not answer: {error}\n{}",
                self.binaries.display(),
                self.log()
            );
        }
    }

    fn stop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()) else {
            return;
        };
        let Some(pid) = Pid::from_raw(pid) else {
            return;
        };
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + STOP;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // The group: dockerd, its containerd, and whatever either left. A child that ended is only a number here.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        for container in self
            .engine()
            .containers(&docker_engine::Filters::all())
            .unwrap_or_default()
        {
            let _ = self.engine().remove_container(&container.id, true);
        }
        self.stop();
        if let Some(directory) = self.directory.take() {
            unmount_below(directory.path());
            remove_cgroups(&cgroup_of(directory.path()));
            let _ = directory.close();
        }
    }
}

fn spawn(binaries: &Path, directory: &Path, store: ImageStore) -> Child {
    use std::os::unix::process::CommandExt as _;
    let settings = serde_json::json!({
        "data-root": directory.join("data"),
        "exec-root": directory.join("exec"),
        "pidfile": directory.join("docker.pid"),
        "hosts": [format!("unix://{}", directory.join("docker.sock").display())],
        "bridge": "none",
        "iptables": false,
        "ip6tables": false,
        "ip-forward": false,
        "ip-masq": false,
        "cgroup-parent": format!("/{}", cgroup_of(directory)),
        "features": {"containerd-snapshotter": store == ImageStore::Containerd},
    });
    let file = directory.join("daemon.json");
    std::fs::write(&file, settings.to_string()).expect("writing daemon.json");
    let tmp = directory.join("tmp");
    std::fs::create_dir_all(&tmp).expect("making a directory");
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("dockerd.log"))
        .expect("opening a log");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", binaries.display());
    Command::new(binaries.join("dockerd"))
        .arg("--config-file")
        .arg(file)
        .env_clear()
        .env("PATH", path)
        .env("TMPDIR", &tmp)
        .env("HOME", directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second descriptor of the log"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("starting {}/dockerd: {error}", binaries.display()))
}

/// A cgroup of its own, so that it can be removed.
fn cgroup_of(directory: &Path) -> String {
    directory
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// In the one hierarchy of cgroup v2, or in each of v1.
fn remove_cgroups(name: &str) {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    for hierarchy in hierarchies.chain([root.to_owned()]) {
        let cgroup = hierarchy.join(name);
        for child in std::fs::read_dir(&cgroup)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            // The files in it are the kernel's, and go with it.
            let _ = std::fs::remove_dir(child.path());
        }
        let _ = std::fs::remove_dir(cgroup);
    }
}

/// What a dockerd that was killed leaves mounted.
fn unmount_below(directory: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below = |line: &str| {
        line.split(' ')
            .nth(1)
            .map(PathBuf::from)
            .filter(|path| path.starts_with(directory))
    };
    for path in mounts.lines().rev().filter_map(below) {
        let _ = rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH);
    }
}
