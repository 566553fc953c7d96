//! `compose-runner start`: what monit calls. It leaves a runner behind and returns.

use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use bosh_job::{Advise as _, ExitCode, FileLock, Options};

use crate::{job::Job, runner};

/// A runner that cannot even begin shows it within this time.
const STARTUP_CHECK: Duration = Duration::from_millis(200);

/// Starts a runner, unless one lives and goes on. The new one waits for the end of a stop that is under way.
pub fn start(job: &Job, options: &Options) -> anyhow::Result<ExitCode> {
    let paths = &job.paths;
    let stops = FileLock::is_held(&paths.compose_stop_lock());
    if let Some(process) = runner::living(paths).filter(|_| !stops) {
        tracing::info!(
            pid = process.pid().as_raw_nonzero().get(),
            "a runner lives already"
        );
        return Ok(ExitCode::Ok);
    }
    if stops {
        tracing::info!("the services are being stopped; the runner starts after that");
    }
    let program = std::env::current_exe().context("finding this program's own file")?;
    let mut child = Command::new(&program)
        .arg("run")
        .arg("--detach-from")
        .arg(std::process::id().to_string())
        .arg("--root")
        .arg(&options.root)
        .arg("--config")
        .arg(options.config_path())
        .stdin(Stdio::null())
        .current_dir("/")
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    thread::sleep(STARTUP_CHECK);
    match child.try_wait().context("checking on the runner")? {
        Some(status) if !status.success() => {
            let ended = crate::child::ended(status);
            Err(anyhow!("the runner {ended} at once"))
                .hint("its last words are above, in compose-runner.log")
        }
        // It writes the pidfile once it is on its own: monit reports a process whose parent changes as failing.
        _ => Ok(ExitCode::Ok),
    }
}
