//! `compose-runner start`: what monit calls. It leaves a runner behind and returns.

use std::{
    fs, io,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use bosh_job::{
    Advise as _, ExitCode, Options, Pid, Pidfile,
    verdict::{State, Verdict},
};

use crate::job::{Job, living};

/// A runner that cannot even begin shows it within this time.
const FIRST_BREATH: Duration = Duration::from_millis(200);

/// Starts a runner, unless one lives.
pub fn start(job: &Job, options: &Options) -> anyhow::Result<ExitCode> {
    let paths = &job.paths;
    if let Some(process) = living(paths) {
        tracing::info!(
            pid = process.pid().as_raw_nonzero().get(),
            "a runner lives already"
        );
        return Ok(ExitCode::Ok);
    }
    // The word of an earlier runner must not be taken for this one's.
    match fs::remove_file(paths.verdict()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", paths.verdict().display()));
        }
        _ => {}
    }
    let program = std::env::current_exe().context("finding this program's own file")?;
    let mut child = Command::new(&program)
        .args(["run", "--daemon"])
        .arg("--root")
        .arg(&options.root)
        .arg("--config")
        .arg(options.config_path())
        .stdin(Stdio::null())
        .current_dir("/")
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let pid = Pid::from_child(&child);
    let mut starting = Verdict::new(State::Starting, ExitCode::Ok, Vec::new(), Vec::new());
    starting.pid = pid.as_raw_nonzero().get();
    let pidfile = Pidfile::new(paths.compose_pidfile());
    let noted = pidfile.write(pid).and_then(|()| {
        // The runner may have been quicker, and have said more already.
        if paths.verdict().exists() {
            Ok(())
        } else {
            starting.write(&paths.verdict())
        }
    });
    thread::sleep(FIRST_BREATH);
    if let Some(status) = child.try_wait().context("looking after the runner")? {
        let _ = pidfile.remove();
        let ended = crate::child::ended(status);
        return Err(anyhow!("the runner {ended} at once"))
            .hint("its last words are above, in compose-runner.log");
    }
    noted.context("noting the runner's process")?;
    Ok(ExitCode::Ok)
}
