//! The registry as a process that monit watches: prepared, started, stopped, and asked whether it answers.

mod post_start;
mod settings;
mod sockets;
mod user;

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bosh_job::{Advise as _, ExitCode, Pid, Pidfile, Process, ProcessInfo, logging};
use tracing::{info, warn};

pub use post_start::answers;
pub use settings::check;
pub use sockets::Sockets;
pub use user::{become_user, raise_file_limit};

use crate::admin;
use crate::config::Config;
use user::User;

/// How long those who are being answered at a stop have for it.
pub const GRACE: Duration = Duration::from_secs(20);
/// How long a stop waits until it kills, and then for the end; monit's timeout of the stop has to be longer.
const STOP: Duration = Duration::from_secs(22);
/// After so long a registry that does not answer yet is shown to monit, which then looks itself.
const LAUNCH: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);
/// Where the job's scripts send what the registry says.
const LOG: &str = "/var/vcap/sys/log/registry/registry.log";

/// The registry of one configuration.
pub struct Job<'a> {
    file: &'a Path,
    config: &'a Config,
}

impl<'a> Job<'a> {
    /// With the file that the configuration was read from: the process is known by it.
    pub fn new(file: &'a Path, config: &'a Config) -> Self {
        Self { file, config }
    }

    /// Checks the properties, and makes the directories with their owner.
    pub fn prepare(&self, user: &str) -> anyhow::Result<()> {
        check(self.config)?;
        let user = User::find(user)?;
        user.own_store(&self.config.store)?;
        let run = self.run_dir();
        if !run.is_dir() {
            bosh_job::make_dir(run, 0o750)?;
        }
        Ok(())
    }

    /// Starts the registry and waits until it answers. One that runs already stays.
    pub fn start(&self, user: &str) -> anyhow::Result<()> {
        logging::restrict_log(Path::new(LOG));
        self.prepare(user)?;
        let process = match self.running() {
            Some(process) => process,
            None => self.launch(user)?,
        };
        let begun = Instant::now();
        let runtime = admin::runtime()?;
        loop {
            if !process.is_alive() {
                bail!("the registry ended as it started: what it logged above says why");
            }
            let asked = admin::ask(&self.config.admin_socket, "/health");
            let asked = admin::within(Duration::from_secs(2), asked);
            let Err(error) = runtime.block_on(asked) else {
                break;
            };
            if begun.elapsed() >= LAUNCH {
                warn!(why = %format!("{error:#}"), "the registry does not answer yet");
                break;
            }
            std::thread::sleep(LOOK);
        }
        self.pidfile()
            .write(process.pid())
            .context("writing the pidfile")?;
        info!(pid = process.pid().as_raw_nonzero(), "started");
        Ok(())
    }

    /// Starts it by a program that ends at once: monit shows a process whose parent changes as failing.
    fn launch(&self, user: &str) -> anyhow::Result<Process> {
        let launched = self
            .this_program("launch", user)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .and_then(|mut launcher| {
                let mut said = String::new();
                if let Some(stdout) = &mut launcher.stdout {
                    stdout.read_to_string(&mut said)?;
                }
                launcher.wait()?;
                Ok(said)
            })
            .context("starting the registry")?;
        let pid = launched.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.context("the registry was not started: what was logged above says why")?;
        Process::open(pid).context("the registry ended as it started: its log above says why")
    }

    /// The launcher: starts the registry, and gives its number.
    pub fn launch_and_leave(&self, user: &str) -> anyhow::Result<u32> {
        let log = std::io::stderr()
            .as_fd()
            .try_clone_to_owned()
            .context("taking the log")?;
        let registry = self
            .this_program("serve", user)?
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::inherit())
            .spawn()
            .context("starting the registry")?;
        Ok(registry.id())
    }

    /// Ends the registry: its requests have [`GRACE`], then it is killed.
    pub fn stop(&self) -> anyhow::Result<()> {
        let Some(process) = self.running() else {
            info!("the registry does not run; nothing to stop");
            return self.pidfile().remove().context("removing the pidfile");
        };
        let has_ended = process.end(STOP).context("ending the registry")?;
        if !has_ended {
            return Err(anyhow::anyhow!(
                "the registry (process {}) is still there after SIGKILL",
                process.pid().as_raw_nonzero()
            ))
            .hint("the kernel waits for its disk: see `dmesg`")
            .exits(ExitCode::Failed);
        }
        // not that of a registry which was started meanwhile
        if self.pidfile().read() == Some(process.pid()) {
            self.pidfile().remove().context("removing the pidfile")?;
        }
        info!("stopped");
        Ok(())
    }

    /// The registry of this configuration, if it runs.
    fn running(&self) -> Option<Process> {
        let file = self.file.to_string_lossy();
        let is_ours = |info: &ProcessInfo| {
            info.program() == "image-registry"
                && info.has_argument("serve")
                && info.has_argument(&file)
        };
        let by_pidfile = self.pidfile().living(is_ours);
        by_pidfile.or_else(|| Process::find(is_ours).pop())
    }

    fn this_program(&self, command: &str, user: &str) -> anyhow::Result<Command> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut run = Command::new(program);
        run.arg("--config").arg(self.file);
        run.args([command, "--user", user]);
        Ok(run)
    }

    fn run_dir(&self) -> &Path {
        self.config.admin_socket.parent().unwrap_or(Path::new("/"))
    }

    fn pidfile(&self) -> Pidfile {
        let path: PathBuf = self.run_dir().join("registry.pid");
        Pidfile::new(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_and_stop_end_within_monit_s_timeouts() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs/registry/monit");
        let monit = std::fs::read_to_string(file).unwrap();
        let timeout = |program: &str| {
            let line = monit.lines().find(|line| line.contains(program)).unwrap();
            let (_, seconds) = line.rsplit_once("with timeout ").unwrap();
            Duration::from_secs(seconds.trim_end_matches(" seconds").parse().unwrap())
        };
        assert!(GRACE < STOP);
        assert!(STOP + bosh_job::stop_bounds::AFTER_SIGKILL < timeout("stop program"));
        assert!(LAUNCH + Duration::from_secs(5) < timeout("start program"));
    }
}
