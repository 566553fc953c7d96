//! dockerd itself: recognising it, becoming it, waiting for it.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::command::last_lines;
use bosh_job::{Advise, ExitCode, Paths, Pidfile, Process, ProcessInfo};
use docker_engine::Engine;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::info;

use crate::daemon_environment::DaemonEnvironment;

/// Open files that dockerd and every container may have: monit hands down a limit that is too low for many databases.
const OPEN_FILES: u64 = 1_048_576;
/// Lines of dockerd's log that an error shows.
const LOG_LINES: usize = 20;

/// Whether a process is the dockerd of this root.
fn is_ours(info: &ProcessInfo, daemon_json: &str) -> bool {
    info.program() == "dockerd" && info.has_argument(daemon_json)
}

/// The dockerd of this root, by its pidfile, or by a look at all processes if somebody removed that.
pub fn running(paths: &Paths) -> Option<Process> {
    let daemon_json = paths.daemon_json().to_string_lossy().into_owned();
    let ours = |info: &ProcessInfo| is_ours(info, &daemon_json);
    Pidfile::new(paths.docker_pidfile())
        .living(ours)
        .or_else(|| Process::find(ours).into_iter().next())
}

/// Every other dockerd with this data root: one that an older release started with options of its own.
pub fn others(paths: &Paths) -> Vec<Process> {
    let daemon_json = paths.daemon_json().to_string_lossy().into_owned();
    let data_root = paths.data_root().to_string_lossy().into_owned();
    Process::find(|info| {
        info.program() == "dockerd" && info.has_argument(&data_root) && !is_ours(info, &daemon_json)
    })
}

/// The environment of dockerd, but for the proxies that go with its settings: nothing of monit's.
pub fn environment(paths: &Paths) -> Vec<(&'static str, String)> {
    let tmp = paths.tmp().display().to_string();
    vec![
        (
            "PATH",
            format!(
                "{}:{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                paths.docker_bin_dir().display(),
                paths.helpers_dir().display()
            ),
        ),
        ("HOME", paths.cli_dir().display().to_string()),
        ("TMPDIR", tmp.clone()),
        ("DOCKER_TMPDIR", tmp),
    ]
}

/// Becomes dockerd, in a session of its own, so that nothing that happens to monit's process group reaches it.
pub fn exec(paths: &Paths) -> anyhow::Result<ExitCode> {
    rustix::process::setsid().context("starting a session")?;
    raise_open_files();
    let program = paths.docker_bin("dockerd");
    let error = Command::new(&program)
        .arg("--config-file")
        .arg(paths.daemon_json())
        .exec();
    Err(error).with_context(|| format!("executing {}", program.display()))
}

/// Raises the limit as far as it goes; with less, dockerd runs too.
fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    let maximum = now
        .maximum
        .map_or(OPEN_FILES, |maximum| maximum.max(OPEN_FILES));
    let wanted = Rlimit {
        current: Some(OPEN_FILES),
        maximum: Some(maximum),
    };
    if setrlimit(Resource::Nofile, wanted).is_err() {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: now.maximum,
                maximum: now.maximum,
            },
        );
    }
}

/// A dockerd that was started and may not be up yet.
pub struct Started {
    child: Child,
    log_begin: u64,
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

/// Starts dockerd on the `daemon.json` that is in place. Its output goes to the end of its log.
pub fn spawn(paths: &Paths) -> anyhow::Result<Started> {
    let log_path = paths.log_file("dockerd");
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(&log_path)
        .with_context(|| format!("opening {}", log_path.display()))?;
    let log_begin = log.metadata()?.len();
    let this_program = std::env::current_exe().context("finding this program")?;
    let child = Command::new(this_program)
        .arg("--root")
        .arg(paths.root())
        .arg("exec-dockerd")
        .env_clear()
        .envs(environment(paths))
        .envs(DaemonEnvironment::read_beside(&paths.daemon_json())?.variables())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting dockerd")?;
    info!(pid = child.id(), "dockerd started");
    Ok(Started { child, log_begin })
}

impl Started {
    /// Waits until the engine answers.
    pub fn wait_until_up(&mut self, paths: &Paths, deadline: Instant) -> Result<(), Failure> {
        let engine = Engine::new(paths.socket());
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                let lines = self.log_lines(paths);
                let error =
                    anyhow::anyhow!("dockerd ended as it started ({status}){}", quoted(&lines));
                return Err(match status.signal() {
                    Some(_) => Failure::Killed(error),
                    None => Failure::Ended(error),
                });
            }
            let Err(error) = engine.ping(Duration::from_secs(2)) else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                let lines = self.log_lines(paths);
                let silent = Err::<(), _>(error)
                    .context(format!("dockerd does not answer in time{}", quoted(&lines)))
                    .hint("it goes on starting: see dockerd.log, then `monit start docker` again");
                return silent.map_err(Failure::Silent);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
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

    fn process(exe: &str, cmdline: &[&str]) -> ProcessInfo {
        let mut info = ProcessInfo::read(rustix::process::getpid()).unwrap();
        info.exe = exe.into();
        info.cmdline = cmdline.iter().map(|word| (*word).to_owned()).collect();
        info
    }

    #[test]
    fn knows_its_own_dockerd_by_program_and_configuration() {
        let own = "/r/data/docker/etc/daemon.json";
        assert!(is_ours(
            &process("/x/dockerd", &["/x/dockerd", "--config-file", own]),
            own
        ));
        assert!(is_ours(
            &process("/x/dockerd (deleted)", &["dockerd", "--config-file", own]),
            own
        ));
        assert!(!is_ours(
            &process(
                "/x/dockerd",
                &["dockerd", "--config-file", "/etc/docker/daemon.json"]
            ),
            own
        ));
        assert!(!is_ours(&process("/usr/bin/vi", &["vi", own]), own));
    }

    #[test]
    fn a_log_that_was_cut_meanwhile_is_read_from_its_begin() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("dockerd.log");
        std::fs::write(&log, "old\nnew\n").unwrap();
        assert_eq!(read_from(&log, 4).unwrap(), "new\n");
        assert_eq!(read_from(&log, 400).unwrap(), "old\nnew\n");
    }
}
