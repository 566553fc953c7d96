//! Processes, recognised by what they run before anything is done to them.
//!
//! A number from a pidfile may belong to anybody by now. So a process is opened first (a pidfd, which cannot change
//! hands), then looked at, and signals go to what was opened.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

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
        let dir = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let stat = std::fs::read_to_string(dir.join("stat")).ok()?;
        let (state, parent, start_time) = parse_stat(&stat)?;
        let cmdline = std::fs::read(dir.join("cmdline")).unwrap_or_default();
        Some(Self {
            pid,
            parent,
            exe: std::fs::read_link(dir.join("exe")).unwrap_or_default(),
            cmdline: split_cmdline(&cmdline),
            start_time,
            state,
        })
    }

    /// All processes that this one may see.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|number| Self::read(Pid::from_raw(number)?))
            .collect()
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

/// State, parent and start time out of `/proc/PID/stat`. The name in parentheses may hold anything, also parentheses.
pub(crate) fn parse_stat(stat: &str) -> Option<(char, i32, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // start time is field 22; state was field 3 and the parent field 4
    let start_time = fields.nth(17)?.parse().ok()?;
    Some((state, parent, start_time))
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
        Ok(self.wait_until_gone(Duration::from_secs(5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(parse_stat(stat), Some(('S', 3, 4242)));
        assert_eq!(parse_stat("7 (a"), None);
        assert_eq!(parse_stat("7 (a) S 3"), None);
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
