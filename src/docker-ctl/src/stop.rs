//! `docker-ctl stop`: dockerd alone when an update goes on, else dockerd and every container.
//!
//! monit does not run it when dockerd is dead already, gives it 48 s, and ignores how it ends; so it must not wait for
//! what is not there, and must never fail for want of something to stop.

use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::stop_bounds::{
    AFTER_SIGKILL, BY_FORCE, CONTAINERS, DOCKERD_ALONE, LOCK, LOST_SERVICES, WHOLE,
};
use bosh_job::{FileLock, Paths, Pidfile, Process};
use docker_engine::{Engine, Filters};
use state_files::Marker;
use tracing::{info, warn};

use crate::guard::{self, StopPlan};
use crate::project::PROJECT_LABEL;
use crate::{cleanup, dead_containers, directories, dockerd, live_restore, lock, project};
use state_files::AppliedProject;

/// What of [`CONTAINERS`] is kept for dockerd itself, after the recipe's services.
const REST: Duration = Duration::from_secs(8);
/// Before another try to stop services that still run; it doubles.
const REPEAT: Duration = Duration::from_secs(1);
/// How long a dockerd may take to end that does not listen any more.
const UNRESPONSIVE_GRACE: Duration = Duration::from_millis(1200);
/// How long a dockerd that is starting may take until it listens.
const STARTING: Duration = Duration::from_secs(10);

/// How long a dockerd that listens has to answer, at least.
const PING: Duration = Duration::from_secs(1);

/// Stops dockerd.
pub fn run(paths: &Paths) -> anyhow::Result<()> {
    let deadline = Instant::now() + WHOLE;
    directories::make_run_dir(paths)?;
    let _lock = lock::take_for_stop(paths, LOCK)?;
    let (keep, going) = (
        Marker::new(paths.keep_containers()),
        Marker::new(paths.deleting()),
    );
    let stopped = match dockerd::running(paths) {
        None => {
            info!("dockerd does not run; nothing to stop");
            Ok(())
        }
        Some(process) if keep.is_set() => leave_containers(paths, &process, true, deadline),
        Some(process) => {
            // Where the runner was killed in the middle of it, its stop program goes on, and dockerd is wanted until then.
            FileLock::take(&paths.compose_stop_lock(), before(deadline, LOST_SERVICES))?;
            full(paths, &process, deadline.min(Instant::now() + CONTAINERS))
        }
    };
    // it is not a living dockerd's any more
    if dockerd::running(paths).is_none() {
        Pidfile::new(paths.docker_pidfile())
            .remove()
            .context("removing the pidfile")?;
    }
    keep.clear()?;
    going.clear()?;
    stopped
}

/// Ends dockerd and leaves the containers running, for the next start to find; under a guard, if another program makes that start.
pub fn leave_containers(
    paths: &Paths,
    process: &Process,
    guarded: bool,
    deadline: Instant,
) -> anyhow::Result<()> {
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
    let plan = guarded.then(|| StopPlan::of(&engine));
    let left = deadline.saturating_duration_since(Instant::now());
    end(
        process,
        DOCKERD_ALONE.min(left.saturating_sub(AFTER_SIGKILL)),
    )?;
    if let Some(plan) = plan
        && let Err(error) = plan.and_then(|plan| guard::begin(paths, &plan))
    {
        warn!("the containers run on even if the job is leaving this instance: {error:#}");
    }
    info!("dockerd stopped; its containers run on");
    Ok(())
}

/// Ends dockerd and every container until `deadline`, and checks that nothing is left that holds the disk.
pub fn full(paths: &Paths, process: &Process, deadline: Instant) -> anyhow::Result<()> {
    let engine = Engine::new(paths.socket());
    let left = || deadline.saturating_duration_since(Instant::now());
    // The pidfile names a dockerd that has answered: one that it does not name may still be starting.
    let is_starting = Pidfile::new(paths.docker_pidfile()).read() != Some(process.pid());
    if is_starting
        && let Err(error) = engine.wait_ready(Instant::now() + before(deadline, STARTING))
    {
        warn!("a dockerd that is starting does not answer: {error}");
    }
    match engine.ping(before(deadline, Duration::from_secs(5)).max(PING)) {
        Err(error) if error.is_engine_down() => {
            warn!(
                "dockerd runs and does not listen; ending it, its containers are left to the next start"
            );
            return end(process, UNRESPONSIVE_GRACE);
        }
        Err(error) => {
            warn!("dockerd hangs; ending it, then its containers: {error}");
            by_force(paths, process, deadline)?;
        }
        Ok(_) => {
            if let Err(error) = stop_recipe(paths, &engine, left().saturating_sub(REST)) {
                warn!("the recipe's services are not stopped in order: {error:#}");
            }
            let limit = Duration::from_secs(5).min(left().saturating_sub(AFTER_SIGKILL));
            match live_restore::set(paths, process, &engine, false, limit) {
                Ok(()) => {
                    end(process, left())?;
                    cleanup::end_all(paths, Duration::ZERO)?;
                }
                // its containerd hangs, perhaps: then it would wait for that, too
                Err(error) => {
                    warn!("dockerd will not stop its containers itself: {error:#}");
                    by_force(paths, process, deadline)?;
                }
            }
        }
    }
    info!("dockerd and its containers stopped");
    Ok(())
}

/// What a step may take: `most`, and no more than leaves time to end all by force.
fn before(deadline: Instant, most: Duration) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    most.min(left.saturating_sub(BY_FORCE))
}

/// Ends a dockerd that stops nothing itself, then its containers.
fn by_force(paths: &Paths, process: &Process, deadline: Instant) -> anyhow::Result<()> {
    let left = || deadline.saturating_duration_since(Instant::now());
    end(process, (BY_FORCE / 2).min(left() / 2))?;
    cleanup::end_all(paths, BY_FORCE.min(left()))
}

/// Stops the recipe's services in order, if compose-runner has not: it was killed, or dockerd was asked to stop without it.
fn stop_recipe(paths: &Paths, engine: &Engine, limit: Duration) -> anyhow::Result<()> {
    let Some(project) = AppliedProject::name(paths) else {
        return Ok(());
    };
    let running = Filters::default().label(format!("{PROJECT_LABEL}={}", project.as_str()));
    if engine.containers(&running)?.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + limit;
    // it would send no stop signal, and kill the services without their grace; engine 29 takes 15 s to reach the next one
    if !engine.wait_for_containerd(Instant::now() + limit * 3 / 4, || false) {
        warn!("dockerd does not reach its containerd; stopping the services all the same");
    }
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut pause = REPEAT;
    loop {
        info!(%project, "stopping the recipe's services");
        let stopped = project::compose(paths, &project, &["stop"], left());
        // a process that is gone is stopped, whatever the engine says
        if dead_containers::living(paths, engine, &running)?.is_empty() {
            return Ok(());
        }
        if left() <= pause {
            return stopped;
        }
        if let Err(error) = &stopped {
            warn!("services still run, stopping them again: {error:#}");
        }
        std::thread::sleep(pause);
        pause *= 2;
    }
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
