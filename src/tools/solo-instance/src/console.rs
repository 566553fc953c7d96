//! The start of a machine: the chain of programs that makes its namespaces, and the talk with its PID 1.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::command;
use crate::enter;
use crate::error::{Error, Result};
use crate::plan::AGENT_PATH;
use crate::process;

/// A PID 1 that is being started.
pub(crate) struct Console {
    /// The process that waits for PID 1 on this machine, and dies with it.
    keeper: i32,
    stdin: ChildStdin,
    words: Receiver<String>,
    log: PathBuf,
    instance: String,
}

impl Console {
    /// Starts PID 1 of an instance: in its cgroups, in namespaces of its own, in a session of its own.
    pub(crate) fn start(
        init: &[OsString],
        cgroup: &Cgroup,
        plan: &Path,
        log: &Path,
        instance: String,
    ) -> Result<Self> {
        let chain = chain(init, cgroup, plan)?;
        let errors = File::create(log).map_err(Error::io("making", log))?;
        let mut child = Command::new(&chain[0])
            .args(&chain[1..])
            .env_clear()
            .env("PATH", AGENT_PATH)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|source| Error::Spawn {
                program: chain[0].to_string_lossy().into_owned(),
                source,
            })?;
        let gone = || Error::Boot {
            instance: instance.clone(),
            why: "its standard streams are missing".to_owned(),
        };
        let stdin = child.stdin.take().ok_or_else(gone)?;
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let keeper = i32::try_from(child.id()).unwrap_or_default();
        let (sender, words) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout)
                .lines()
                .map_while(std::result::Result::ok)
            {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        take_in(child);
        Ok(Self {
            keeper,
            stdin,
            words,
            log: log.to_owned(),
            instance,
        })
    }

    /// Waits until PID 1 says `word`.
    pub(crate) fn expect(&self, word: &str) -> Result<()> {
        match self.words.recv_timeout(Duration::from_mins(1)) {
            Ok(said) if said == word => Ok(()),
            Ok(said) => Err(self.failed(&format!("its PID 1 said {said:?} in place of {word:?}"))),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(self.failed(&format!("its PID 1 did not say {word:?} within 60 s")))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(self.failed("its PID 1 ended")),
        }
    }

    /// Tells PID 1 to go on.
    pub(crate) fn go(&mut self) -> Result<()> {
        writeln!(self.stdin, "go")
            .map_err(|e| self.failed(&format!("its PID 1 does not listen: {e}")))
    }

    /// The PID of PID 1 on this machine.
    pub(crate) fn init_pid(&self) -> Result<i32> {
        match process::children(self.keeper).as_slice() {
            [pid] => Ok(*pid),
            other => Err(self.failed(&format!("there is no single PID 1 but {other:?}"))),
        }
    }

    /// The error, with the last words on the console.
    pub(crate) fn failed(&self, what: &str) -> Error {
        let log = fs::read(&self.log).unwrap_or_default();
        let last = command::last_lines(&String::from_utf8_lossy(&log), 10);
        let why = if last.is_empty() {
            what.to_owned()
        } else {
            format!("{what}: {last}")
        };
        Error::Boot {
            instance: self.instance.clone(),
            why,
        }
    }
}

/// Enter the cgroups; there, make the cgroup namespace; move to where processes live; make the other namespaces.
fn chain(init: &[OsString], cgroup: &Cgroup, plan: &Path) -> Result<Vec<OsString>> {
    let unshare = command::find("unshare")?.into_os_string();
    let setsid = command::find("setsid")?.into_os_string();
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();

    let boot = [init, &words(&["boot"]), &[plan.into()]].concat();
    let options = [
        "--mount",
        "--net",
        "--pid",
        "--uts",
        "--ipc",
        "--fork",
        "--kill-child",
        "--",
    ];
    let namespaces = [vec![unshare.clone()], words(&options), boot].concat();
    let living = [init, &enter::arguments(cgroup.entries(), namespaces)].concat();
    let cgroup_namespace = [vec![setsid, unshare], words(&["--cgroup", "--"]), living].concat();
    Ok([
        init,
        &enter::arguments(cgroup.root_entries(), cgroup_namespace),
    ]
    .concat())
}

/// Waits for a child in the background, so that it is no zombie when it ends while this process still runs.
fn take_in(mut child: Child) {
    thread::spawn(move || drop(child.wait()));
}
