//! Whether the process of a container lives, by what the kernel says and not by what the engine says.
//!
//! An engine that has lost its containerd for a while misses what ended meanwhile: it subscribes to containerd's events again and
//! never compares (moby, `libcontainerd/remote`, `processEventStream`), so that it calls a container `running` whose process
//! is gone. In doubt nothing is said: where dockerd counts processes in another PID namespace, or `/proc` does not show them.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use procfs::ProcError;
use rustix::process::Pid;

use crate::{Pidfile, ProcessInfo};

/// The processes of the containers of one dockerd, as the kernel shows them here.
#[derive(Debug)]
pub struct ContainerProcesses {
    visible: bool,
}

/// Why the process that the engine names is not the container's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// There is none of that number.
    NoProcess(i32),
    /// It has ended, and its parent does not notice.
    Ended(i32),
    /// The number belongs to another process by now: its program.
    Another(i32, String),
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProcess(pid) => write!(f, "its process {pid} is gone"),
            Self::Ended(pid) => write!(f, "its process {pid} has ended"),
            Self::Another(pid, program) if program.is_empty() => {
                write!(
                    f,
                    "its process is gone: {pid} is the number of another by now"
                )
            }
            Self::Another(pid, program) => {
                write!(
                    f,
                    "its process is gone: {pid} is the number of a {program} by now"
                )
            }
        }
    }
}

impl ContainerProcesses {
    /// Those of the dockerd whose own pidfile this is.
    #[must_use]
    pub fn of(dockerd: &Pidfile) -> Self {
        let visible = dockerd.read().is_some_and(|pid| {
            let is_dockerd = |info: ProcessInfo| info.is_alive() && info.program() == "dockerd";
            ProcessInfo::read(pid).is_some_and(is_dockerd) && counts_as_we_do(pid)
        });
        Self { visible }
    }

    /// Why a container that the engine calls running is dead. Nothing if it lives, and nothing if that cannot be told.
    ///
    /// The first process of a container is in a cgroup with the container's ID in its path, is a child of the container's shim, and
    /// has files of the container mounted. It may leave the cgroup, and the shim may die: any of these is enough. A runtime that
    /// isolates containers otherwise (gVisor, Kata Containers) names a process of its own, with the ID among its arguments.
    #[must_use]
    pub fn gone(&self, pid: i64, id: &str) -> Option<Gone> {
        let number = i32::try_from(pid).ok().filter(|pid| *pid > 0)?;
        if !self.visible || id.is_empty() {
            return None;
        }
        let dir = PathBuf::from(format!("/proc/{number}"));
        let stat = match procfs::process::Process::new(number).and_then(|process| process.stat()) {
            Ok(stat) => stat,
            Err(ProcError::NotFound(_)) => return Some(Gone::NoProcess(number)),
            Err(ProcError::Io(error, _)) if is_absent(&error) => {
                return Some(Gone::NoProcess(number));
            }
            Err(_) => return None,
        };
        if matches!(stat.state, 'Z' | 'X' | 'x') {
            // The first thread may have ended before the others.
            let threads = fs::read_dir(dir.join("task")).map_or(0, Iterator::count);
            return (threads <= 1).then_some(Gone::Ended(number));
        }
        let cgroups = match fs::read_to_string(dir.join("cgroup")) {
            Ok(cgroups) => cgroups,
            Err(error) => return is_absent(&error).then_some(Gone::NoProcess(number)),
        };
        if cgroups.trim().is_empty()
            || names(&cgroups, id)
            || has_argument(number, id)
            || has_argument(stat.ppid, id)
        {
            return None;
        }
        let mounts = fs::read_to_string(dir.join("mountinfo")).ok()?;
        let own = ["hostname", "hosts", "resolv.conf"];
        let has_own = own
            .iter()
            .any(|file| mounts.contains(&format!("/{id}/{file}")));
        let program = || {
            let info = Pid::from_raw(number).and_then(ProcessInfo::read);
            info.map_or_else(String::new, |info| info.program().to_owned())
        };
        (!has_own).then(|| Gone::Another(number, program()))
    }
}

/// Whether `/proc` shows the PID namespace of this program, and the process of that number is in it, too.
fn counts_as_we_do(pid: Pid) -> bool {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let link = |path: String| fs::read_link(Path::new(&path)).ok();
    let number = link("/proc/self".to_owned());
    let namespace = link("/proc/self/ns/pid".to_owned());
    number.is_some_and(|number| number == Path::new(&own.to_string()))
        && namespace.is_some()
        && namespace == link(format!("/proc/{}/ns/pid", pid.as_raw_nonzero()))
}

fn is_absent(error: &std::io::Error) -> bool {
    // ESRCH: it ended while it was looked at
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

fn names(cgroups: &str, id: &str) -> bool {
    cgroups
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| word == id)
}

/// Whether a process has the ID among its arguments, as the container's shim has.
fn has_argument(pid: i32, id: &str) -> bool {
    let process = Some(pid)
        .filter(|pid| *pid > 0)
        .and_then(Pid::from_raw)
        .and_then(ProcessInfo::read);
    process.is_some_and(|process| process.cmdline.iter().any(|argument| argument == id))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A program of another name that sleeps, and is ended when it goes.
    struct Running(Child);

    impl Running {
        fn pid(&self) -> i32 {
            self.0.id().try_into().unwrap()
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn dockerd(directory: &Path) -> (Running, Pidfile) {
        let program = directory.join("dockerd");
        // by another process: what this one has open for writing cannot be executed by a test beside it
        let copied = Command::new("cp").arg("/bin/sleep").arg(&program).status();
        assert!(copied.unwrap().success());
        let running = Running(
            Command::new(&program)
                .arg("60")
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let pidfile = Pidfile::new(directory.join("dockerd.pid"));
        pidfile
            .write(Pid::from_raw(running.pid()).unwrap())
            .unwrap();
        // until the program has taken the place of this one
        for _ in 0..1000 {
            let info = ProcessInfo::read(Pid::from_raw(running.pid()).unwrap()).unwrap();
            if info.program() == "dockerd" {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        (running, pidfile)
    }

    fn id() -> String {
        "0a".repeat(32)
    }

    #[test]
    fn a_number_without_a_process_or_with_a_stranger_is_no_container() {
        let directory = tempfile::tempdir().unwrap();
        let (_dockerd, pidfile) = dockerd(directory.path());
        let processes = ContainerProcesses::of(&pidfile);
        let mut ended = Running(Command::new("true").spawn().unwrap());
        let pid = ended.pid();
        while ProcessInfo::read(Pid::from_raw(pid).unwrap()).is_some_and(|info| info.is_alive()) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(
            processes.gone(pid.into(), &id()),
            Some(Gone::Ended(pid)),
            "nobody has reaped it"
        );
        ended.0.wait().unwrap();
        assert_eq!(
            processes.gone(pid.into(), &id()),
            Some(Gone::NoProcess(pid))
        );
        let stranger = Running(Command::new("sleep").arg("60").spawn().unwrap());
        let gone = processes.gone(stranger.pid().into(), &id()).unwrap();
        assert!(
            matches!(gone, Gone::Another(pid, _) if pid == stranger.pid()),
            "{gone:?}"
        );
        assert_eq!(
            Gone::Another(7, "sleep".to_owned()).to_string(),
            "its process is gone: 7 is the number of a sleep by now"
        );
    }

    #[test]
    fn a_process_that_left_its_cgroup_is_still_known_by_its_shim_and_one_of_a_runtime_by_its_arguments()
     {
        let directory = tempfile::tempdir().unwrap();
        let (_dockerd, pidfile) = dockerd(directory.path());
        let script = "sleep 60 & echo $!; wait";
        let mut shim = Command::new("sh")
            .args(["-c", script, "shim", "-namespace", "moby", "-id", &id()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(shim.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        let child: i64 = line.trim().parse().unwrap();
        let gone = ContainerProcesses::of(&pidfile).gone(child, &id());
        let sandbox = ContainerProcesses::of(&pidfile).gone(shim.id().into(), &id());
        let pid = Pid::from_raw(child.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        shim.wait().unwrap();
        assert_eq!((gone, sandbox), (None, None));
    }

    #[test]
    fn nothing_is_said_of_a_dockerd_that_cannot_be_seen_or_of_a_container_without_a_process() {
        let directory = tempfile::tempdir().unwrap();
        let nobody = Pidfile::new(directory.path().join("none.pid"));
        assert_eq!(ContainerProcesses::of(&nobody).gone(1 << 22, &id()), None);
        let me = Pidfile::new(directory.path().join("me.pid"));
        me.write(rustix::process::getpid()).unwrap();
        let of_me = ContainerProcesses::of(&me);
        assert_eq!(of_me.gone(1 << 22, &id()), None, "that is no dockerd");
        let (_dockerd, pidfile) = dockerd(directory.path());
        let processes = ContainerProcesses::of(&pidfile);
        for pid in [0, -1, i64::MAX] {
            assert_eq!(processes.gone(pid, &id()), None, "{pid}");
        }
    }

    #[test]
    fn a_dockerd_in_another_pid_namespace_says_nothing_of_numbers_here() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("dockerd");
        let copied = Command::new("cp").arg("/bin/sleep").arg(&program).status();
        assert!(copied.unwrap().success());
        let parent = Running(
            Command::new("unshare")
                .args(["--pid", "--fork", "--kill-child", "--"])
                .arg(&program)
                .arg("60")
                .spawn()
                .unwrap(),
        );
        let of_parent = |info: &ProcessInfo| {
            info.parent == parent.pid() && info.program() == "dockerd" && info.is_alive()
        };
        let found = (0..1000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            ProcessInfo::all().into_iter().find(of_parent)
        });
        let pidfile = Pidfile::new(directory.path().join("dockerd.pid"));
        pidfile
            .write(found.expect("unshare needs root").pid)
            .unwrap();
        assert_eq!(ContainerProcesses::of(&pidfile).gone(1 << 22, &id()), None);
    }

    #[test]
    fn an_id_in_the_path_of_a_cgroup_is_found_in_each_way_of_writing_it() {
        let id = id();
        for cgroups in [
            format!("0::/docker/{id}\n"),
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("0::/../docker/{id}/init.scope\n"),
            format!("5:memory:/shop/{id}\n1:name=systemd:/shop/{id}\n"),
        ] {
            assert!(names(&cgroups, &id), "{cgroups}");
        }
        assert!(!names("0::/system.slice/cron.service\n", &id));
    }
}
