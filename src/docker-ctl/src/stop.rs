//! `docker-ctl stop`: dockerd alone when an update goes on, else dockerd and every container.
//!
//! monit does not run it when dockerd is dead already, gives it 48 s, and ignores how it ends; so it must not wait for
//! what is not there, and must never fail for want of something to stop.

use std::time::Duration;

use anyhow::Context;
use bosh_job::{Marker, Paths, Pidfile, Process};
use docker_engine::Engine;
use tracing::{info, warn};

use crate::{directories, dockerd, leftovers, live_restore, lock};

/// How long dockerd may take to stop containers; what then still runs is killed.
const CONTAINERS: Duration = Duration::from_secs(32);
/// How long dockerd may take to end when containers live on.
const ALONE: Duration = Duration::from_secs(25);
/// How long a dockerd may take to end that does not listen any more.
const DEAF: Duration = Duration::from_millis(1200);

/// Stops dockerd.
pub fn run(paths: &Paths) -> anyhow::Result<()> {
    directories::make_run_dir(paths)?;
    let _lock = lock::take(paths, Duration::from_secs(20))?;
    let (keep, going) = (
        Marker::new(paths.keep_containers()),
        Marker::new(paths.going_for_good()),
    );
    let stopped = match dockerd::running(paths) {
        None => {
            info!("dockerd does not run; nothing to stop");
            Ok(())
        }
        Some(process) if keep.is_set() => leave_containers(paths, &process),
        Some(process) => full(paths, &process, CONTAINERS),
    };
    // whoever's number stands in it, it is not a living dockerd's any more
    if dockerd::running(paths).is_none() {
        Pidfile::new(paths.docker_pidfile())
            .remove()
            .context("removing the pidfile")?;
    }
    keep.clear()?;
    going.clear()?;
    stopped
}

/// Ends dockerd and leaves the containers running, for the next start to find.
pub fn leave_containers(paths: &Paths, process: &Process) -> anyhow::Result<()> {
    let engine = Engine::new(paths.socket());
    // a full stop that was cut short may have left it off
    if engine.ping(Duration::from_secs(2)).is_ok()
        && engine
            .info_within(Duration::from_secs(2))
            .is_ok_and(|info| !info.live_restore_enabled)
        && let Err(error) = live_restore::set(paths, process, &engine, true, Duration::from_secs(5))
    {
        warn!("the containers may stop with dockerd: {error:#}");
    }
    end(process, ALONE)?;
    info!("dockerd stopped; its containers run on");
    Ok(())
}

/// Ends dockerd and every container within `limit`, and checks that nothing is left that holds the disk.
pub fn full(paths: &Paths, process: &Process, limit: Duration) -> anyhow::Result<()> {
    let engine = Engine::new(paths.socket());
    match engine.ping(Duration::from_secs(5)) {
        Err(error) if error.is_engine_down() => {
            warn!(
                "dockerd runs and does not listen; ending it, its containers are left to the next start"
            );
            return end(process, DEAF);
        }
        Err(error) => {
            warn!("dockerd hangs; ending it, then its containers: {error}");
            end(process, Duration::from_secs(5))?;
            leftovers::end_all(paths, Duration::from_secs(10))?;
        }
        Ok(_) => {
            match live_restore::set(paths, process, &engine, false, Duration::from_secs(5)) {
                Ok(()) => {
                    end(process, limit)?;
                    leftovers::end_all(paths, Duration::ZERO)?;
                }
                // its containerd hangs, perhaps: then it would wait for that, too
                Err(error) => {
                    warn!("dockerd will not stop its containers itself: {error:#}");
                    end(process, Duration::from_secs(5))?;
                    leftovers::end_all(paths, Duration::from_secs(10))?;
                }
            }
        }
    }
    info!("dockerd and its containers stopped");
    Ok(())
}

fn end(process: &Process, grace: Duration) -> anyhow::Result<()> {
    let pid = process.pid().as_raw_nonzero();
    if process
        .end(grace)
        .with_context(|| format!("ending dockerd ({pid})"))?
    {
        return Ok(());
    }
    anyhow::bail!(
        "dockerd ({pid}) does not end, even by SIGKILL: it is stuck in the kernel, and only a reboot helps"
    )
}
