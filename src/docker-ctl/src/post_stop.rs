//! `docker-ctl post-stop`: the last word of a stop that BOSH asked for.
//!
//! monit does not run the stop program of a process that is dead. So a dockerd that died before `bosh stop` or a recreate would leave
//! its containers running on a disk that BOSH is about to take away.

use std::time::{Duration, Instant};

use bosh_job::Paths;
use state_files::Marker;
use tracing::info;

use crate::{cleanup, directories, dockerd, lock, stop};

/// How long containers without a dockerd may take to end; nobody knows their grace periods any more.
const CONTAINERS: Duration = Duration::from_secs(30);

/// Ends what is left, if drain has said that this is a full stop.
pub fn run(paths: &Paths) -> anyhow::Result<()> {
    directories::make_run_dir(paths)?;
    let _lock = lock::take(paths, Duration::from_mins(1))?;
    let marker = Marker::new(paths.full_stop());
    if !marker.is_set() {
        info!("not a full stop: what runs goes on");
        return Ok(());
    }
    match dockerd::running(paths) {
        Some(process) => stop::full(paths, &process, Instant::now() + CONTAINERS)?,
        None => cleanup::end_all(paths, CONTAINERS)?,
    }
    marker.clear()?;
    Ok(())
}
