//! One start or stop at a time, and one smoke test.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bosh_job::{Advise, FileLock, Paths, ProcessInfo};
use tracing::warn;

/// How long a stop waits for a start: one that goes well takes a few seconds.
const START: Duration = Duration::from_secs(10);

/// Takes the lock of starts and stops, waiting for another docker-ctl up to `patience`.
pub fn take(paths: &Paths, patience: Duration) -> anyhow::Result<FileLock> {
    let why = "it starts or stops dockerd";
    take_file(&paths.docker_lock(), patience, why)
}

/// Takes the same lock for a stop: a start that takes its time is ended, since it would only have to be undone.
pub fn take_for_stop(paths: &Paths, patience: Duration) -> anyhow::Result<FileLock> {
    let path = paths.docker_lock();
    if let Some(lock) = FileLock::take(&path, START.min(patience))? {
        return Ok(lock);
    }
    if let Some(start) = FileLock::holder(&path).filter(|holder| is_start(holder.info())) {
        warn!(
            pid = start.pid().as_raw_nonzero(),
            "a start of dockerd is under way; ending it for this stop"
        );
        start
            .end(Duration::from_secs(1))
            .context("ending a start of dockerd")?;
    }
    take(paths, patience.saturating_sub(START))
}

fn is_start(process: &ProcessInfo) -> bool {
    process.program() == "docker-ctl" && process.cmdline.iter().any(|word| word == "start")
}

/// Takes the lock `path`, waiting for another docker-ctl up to `patience`; `why` says what that one does.
pub fn take_file(path: &Path, patience: Duration, why: &str) -> anyhow::Result<FileLock> {
    FileLock::take(path, patience)?
        .with_context(|| {
            format!(
                "another docker-ctl has held {} for {} s: {why} just now",
                path.display(),
                patience.as_secs()
            )
        })
        .hint("see what it waits for in docker-ctl.log, then try again")
}
