//! Processes, recognised by what they run before anything is done to them.
//!
//! A number from a pidfile may belong to anybody by now. So a process is opened first (a pidfd, which cannot change
//! hands), then looked at, and signals go to what was opened.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::stop_bounds::AFTER_SIGKILL;

/// What `/proc` says about a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: Pid,
    /// The number of its parent.
    pub parent: i32,
    /// The file it runs; with ` (deleted)` at the end when a package update has replaced it. Empty for a kernel thread.
    pub exe: PathBuf,
    /// Its arguments, the program's name first.
    pub cmdline: Vec<String>,
    /// When it started, in clock ticks since boot: tells a process from a later one of the same number.
    pub start_time: u64,
    /// State letter of `proc(5)`.
    state: char,
}

impl ProcessInfo {
    /// Looks at a process; `None` if there is none.
    #[must_use]
    pub fn read(pid: Pid) -> Option<Self> {
        Self::of(&procfs::process::Process::new(pid.as_raw_nonzero().get()).ok()?)
    }

    /// All processes that this one may see.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let entries = procfs::process::all_processes().into_iter().flatten();
        entries.filter_map(|entry| Self::of(&entry.ok()?)).collect()
    }

    /// procfs holds the directory of the process, so that all of this is about one.
    fn of(process: &procfs::process::Process) -> Option<Self> {
        let stat = process.stat().ok()?;
        let mut cmdline = Vec::new();
        // procfs's own reading of it fails over an argument that is no text
        if let Ok(mut file) = process.open_relative("cmdline") {
            let _ = file.read_to_end(&mut cmdline);
        }
        Some(Self {
            pid: Pid::from_raw(process.pid)?,
            parent: stat.ppid,
            exe: process.exe().unwrap_or_default(),
            cmdline: split_cmdline(&cmdline),
            start_time: stat.starttime,
            state: stat.state,
        })
    }

    /// Whether it still runs: a process that has ended and was not reaped has an entry too.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// File name of what it runs, without the mark of a deleted file.
    #[must_use]
    pub fn program(&self) -> &str {
        let name = self
            .exe
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.strip_suffix(" (deleted)").unwrap_or(name)
    }

    /// Whether one of its arguments is `argument`, or ends in `=argument`.
    #[must_use]
    pub fn has_argument(&self, argument: &str) -> bool {
        self.cmdline.iter().skip(1).any(|own| {
            own == argument
                || own
                    .strip_suffix(argument)
                    .is_some_and(|option| option.ends_with('='))
        })
    }
}

fn split_cmdline(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// A living process, held so that signals can reach no other.
#[derive(Debug)]
pub struct Process {
    info: ProcessInfo,
    handle: OwnedFd,
}

impl Process {
    /// Opens a living process and looks at it; `None` if there is none.
    #[must_use]
    pub fn open(pid: Pid) -> Option<Self> {
        let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let info = ProcessInfo::read(pid).filter(ProcessInfo::is_alive)?;
        Some(Self { info, handle })
    }

    /// All living processes that `is_ours` recognises.
    pub fn find(is_ours: impl Fn(&ProcessInfo) -> bool) -> Vec<Self> {
        ProcessInfo::all()
            .into_iter()
            .filter(&is_ours)
            .filter_map(|info| Self::open(info.pid))
            .filter(|process| is_ours(&process.info))
            .collect()
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> &ProcessInfo {
        &self.info
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.info.pid
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        ProcessInfo::read(self.info.pid)
            .is_some_and(|now| now.start_time == self.info.start_time && now.is_alive())
    }

    /// Sends a signal. That it has ended already is no error.
    ///
    /// # Errors
    /// The kernel refuses, for want of rights.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has ended; `false` if it still runs at the end of `limit`.
    #[must_use]
    pub fn wait_until_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// SIGTERM, then SIGKILL after `grace`; `false` if it outlives even that by five seconds (stuck in the kernel).
    ///
    /// # Errors
    /// The kernel refuses a signal.
    pub fn end(&self, grace: Duration) -> io::Result<bool> {
        self.signal(Signal::TERM)?;
        if self.wait_until_gone(grace) {
            return Ok(true);
        }
        self.signal(Signal::KILL)?;
        Ok(self.wait_until_gone(AFTER_SIGKILL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_or_without_letters_does_not_confuse_the_fields() {
        use std::os::unix::{ffi::OsStrExt, process::CommandExt};
        let dir = tempfile::tempdir().unwrap();
        for name in [&b"a) S 3 (b"[..], b"a\nb", b"\xff"] {
            let program = dir.path().join(std::ffi::OsStr::from_bytes(name));
            std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
            let mut child = std::process::Command::new(&program)
                .arg0("sleep")
                .arg("60")
                .spawn()
                .unwrap();
            // its arguments are there a moment after it has been started
            let read = || ProcessInfo::read(Pid::from_child(&child));
            let end = Instant::now() + Duration::from_secs(5);
            let mut info = read();
            while info.as_ref().is_some_and(|info| !info.has_argument("60")) && Instant::now() < end
            {
                info = read();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let info = info.unwrap();
            assert!(info.is_alive() && info.has_argument("60"), "{info:?}");
            assert_eq!(info.parent, i32::try_from(std::process::id()).unwrap());
        }
    }

    #[test]
    fn knows_this_process() {
        let me = ProcessInfo::read(Pid::from_raw(std::process::id().try_into().unwrap()).unwrap())
            .unwrap();
        assert!(me.is_alive());
        assert_eq!(me.exe, std::env::current_exe().unwrap());
        assert!(ProcessInfo::all().iter().any(|info| info.pid == me.pid));
    }

    #[test]
    fn an_argument_counts_alone_or_behind_an_equals_sign() {
        let mut me =
            ProcessInfo::read(Pid::from_raw(std::process::id().try_into().unwrap()).unwrap())
                .unwrap();
        me.cmdline = ["x", "--config", "/a/b", "--c=/d"]
            .map(String::from)
            .to_vec();
        assert!(me.has_argument("/a/b"));
        assert!(me.has_argument("/d"));
        assert!(!me.has_argument("b"));
        assert!(!me.has_argument("x"));
    }

    #[test]
    fn ends_a_process_that_ignores_sigterm() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "trap '' TERM; echo; while :; do sleep 0.1; done"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
        let process = Process::open(Pid::from_child(&child)).unwrap();
        assert!(process.end(Duration::from_millis(200)).unwrap());
        assert!(!process.is_alive());
        child.wait().unwrap();
        process.signal(Signal::TERM).unwrap();
    }
}
