//! Starting dockerd: by a launcher, which is its parent as long as nobody knows whether it comes up, and then ends.
//!
//! A parent alone learns how dockerd ended. But monit reports a process whose parent changes as failing for a cycle, so the pidfile that
//! it reads is written when dockerd is on its own.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::command::last_lines;
use bosh_job::{Advise, ExitCode, Paths, Pid, Pidfile, Process, logging};
use docker_engine::Engine;
use tracing::info;

use crate::daemon_environment::DaemonEnvironment;
use crate::dockerd::environment;

/// Lines of dockerd's log that an error shows.
const LOG_LINES: usize = 20;
/// A dockerd that has lived for this long is no longer told by how it ends, but monit learns of it: until then monit waits, and does
/// nothing else.
const LAUNCH: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

/// A dockerd that was started and may not be up yet.
pub struct Started {
    process: Option<Process>,
    pid: Pid,
    /// Until dockerd is on its own.
    launcher: Option<Launcher>,
    begun: Instant,
    log_begin: u64,
}

struct Launcher {
    child: Child,
    reports: BufReader<ChildStdout>,
}

/// Why a dockerd did not come up.
pub enum Failure {
    /// It ended: another configuration may do better.
    Ended(anyhow::Error),
    /// A signal killed it, which says nothing of its configuration: another try may do better.
    Killed(anyhow::Error),
    /// It is there and does not answer in time.
    Silent(anyhow::Error),
}

impl From<Failure> for anyhow::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ended(error) | Failure::Killed(error) | Failure::Silent(error) => error,
        }
    }
}

/// How a dockerd ended.
enum End {
    Known(ExitStatus),
    /// Nobody was its parent any more.
    Unknown,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(status) => status.fmt(f),
            Self::Unknown => f.write_str("nobody saw how"),
        }
    }
}

/// Starts dockerd on the `daemon.json` that is in place. Its output goes to the end of its log.
pub fn start(paths: &Paths) -> anyhow::Result<Started> {
    // dockerd does not start while any process of the number in it lives
    Pidfile::new(paths.dockerd_pidfile())
        .remove()
        .context("removing dockerd's own pidfile")?;
    let log_path = paths.log_file("dockerd");
    let log =
        logging::open_log(&log_path).with_context(|| format!("opening {}", log_path.display()))?;
    let log_begin = log.metadata()?.len();
    let mut child = this_program(paths, "launch-dockerd")?
        .env_clear()
        .envs(environment(paths))
        .envs(DaemonEnvironment::read_beside(&paths.daemon_json())?.variables())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("starting dockerd")?;
    let mut reports = BufReader::new(child.stdout.take().context("the launcher has no output")?);
    let mut line = String::new();
    reports
        .read_line(&mut line)
        .context("asking the launcher for dockerd's number")?;
    let pid = line.trim().parse().ok().and_then(Pid::from_raw);
    let pid = pid.context("the launcher of dockerd did not say its number; see dockerd.log")?;
    info!(pid = pid.as_raw_nonzero(), "dockerd started");
    Ok(Started {
        process: Process::open(pid),
        pid,
        launcher: Some(Launcher { child, reports }),
        begun: Instant::now(),
        log_begin,
    })
}

/// The launcher: starts dockerd and says its number on stdout, then how it ended. Ends when its stdin does, and leaves dockerd.
pub fn launch(paths: &Paths) -> anyhow::Result<ExitCode> {
    // its stderr is dockerd's log
    let log = std::io::stderr().as_fd().try_clone_to_owned()?;
    let mut dockerd = this_program(paths, "exec-dockerd")?
        .stdin(Stdio::null())
        .stdout(log)
        .spawn()
        .context("starting dockerd")?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", dockerd.id())?;
    stdout.flush()?;
    let released = std::thread::spawn(|| {
        // nothing is ever written to it
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
    });
    while !released.is_finished() {
        if let Some(status) = dockerd.try_wait()? {
            writeln!(stdout, "{}", status.into_raw())?;
            return Ok(ExitCode::Ok);
        }
        std::thread::sleep(LOOK);
    }
    Ok(ExitCode::Ok)
}

fn this_program(paths: &Paths, command: &str) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut run = Command::new(program);
    run.arg("--root").arg(paths.root()).arg(command);
    Ok(run)
}

impl Started {
    /// Waits until the engine answers.
    pub fn wait_until_up(&mut self, paths: &Paths, deadline: Instant) -> Result<(), Failure> {
        let engine = Engine::new(paths.socket());
        loop {
            if let Some(how) = self.end() {
                let lines = self.log_lines(paths);
                let error =
                    anyhow::anyhow!("dockerd ended as it started ({how}){}", quoted(&lines));
                return Err(match how {
                    End::Known(status) if status.signal().is_some() => Failure::Killed(error),
                    End::Known(_) | End::Unknown => Failure::Ended(error),
                });
            }
            let Err(error) = engine.ping(Duration::from_secs(2)) else {
                return self.leave(paths).map_err(Failure::Silent);
            };
            if Instant::now() >= deadline {
                self.leave(paths).map_err(Failure::Silent)?;
                let lines = self.log_lines(paths);
                let silent = Err::<(), _>(error)
                    .context(format!("dockerd does not answer in time{}", quoted(&lines)))
                    .hint("it goes on starting: see dockerd.log; docker-ctl status says when it is up");
                return silent.map_err(Failure::Silent);
            }
            if self.launcher.is_some() && self.begun.elapsed() >= LAUNCH {
                self.leave(paths).map_err(Failure::Silent)?;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How dockerd ended, if it did.
    fn end(&mut self) -> Option<End> {
        if let Some(launcher) = &mut self.launcher {
            // It ends by itself after dockerd alone.
            if !matches!(launcher.child.try_wait(), Ok(Some(_))) {
                return None;
            }
            let mut report = String::new();
            let read = launcher.reports.read_to_string(&mut report);
            self.launcher = None;
            if let Some(status) = read.ok().and_then(|_| report.trim().parse().ok()) {
                return Some(End::Known(ExitStatus::from_raw(status)));
            }
        }
        // The launcher was killed, or has been left.
        let lives = self.process.as_ref().is_some_and(Process::is_alive);
        (!lives).then_some(End::Unknown)
    }

    /// Leaves dockerd on its own, and tells monit of it.
    fn leave(&mut self, paths: &Paths) -> anyhow::Result<()> {
        if let Some(mut launcher) = self.launcher.take() {
            drop(launcher.child.stdin.take());
            launcher
                .child
                .wait()
                .context("waiting for the launcher of dockerd")?;
        }
        Pidfile::new(paths.docker_pidfile())
            .write(self.pid)
            .context("writing the pidfile")
    }

    /// What dockerd has written since this start.
    fn log_lines(&self, paths: &Paths) -> Vec<String> {
        read_from(&paths.log_file("dockerd"), self.log_begin)
            .map(|text| last_lines(&text, LOG_LINES))
            .unwrap_or_default()
    }
}

fn read_from(path: &Path, begin: u64) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    // rotated meanwhile (copytruncate): then all of it is new
    let begin = if begin > file.metadata()?.len() {
        0
    } else {
        begin
    };
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(1 << 20).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!("; its last lines: {}", lines.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_cut_meanwhile_is_read_from_its_begin() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("dockerd.log");
        std::fs::write(&log, "old\nnew\n").unwrap();
        assert_eq!(read_from(&log, 4).unwrap(), "new\n");
        assert_eq!(read_from(&log, 400).unwrap(), "old\nnew\n");
    }
}
