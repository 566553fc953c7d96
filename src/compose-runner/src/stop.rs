//! `compose-runner stop`: what monit calls. In an update it ends the runner alone. Else it has the runner stop the services
//! and end, waits for that, and does it itself where there is no runner, or one that hangs or is killed meanwhile.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use bosh_job::stop_bounds::{BESIDE_SERVICES, LAST_COPY};
use bosh_job::{Advise as _, ExitCode, FileLock, Options, Paths, Pidfile, Process, Signal};
use state_files::Marker;

use crate::{
    cancel::Cancel,
    collecting::Collecting,
    health_socket::HealthSocket,
    job::{Job, end_leftovers},
    runner::{self, RunnerPlace},
    services_stop::ServicesStop,
};

/// A runner has this long to end by itself, or to begin to stop the services.
const RUNNER: Duration = Duration::from_secs(2);
/// Between two looks at the runner.
const LOOK: Duration = Duration::from_millis(20);

/// Stops.
pub fn stop(job: anyhow::Result<Job>, options: &Options) -> anyhow::Result<ExitCode> {
    let paths = options.paths();
    if Marker::new(paths.keep_containers()).is_set() {
        end_runner(&paths)?;
        tracing::info!("this is an update: the services go on");
        return Ok(ExitCode::Ok);
    }
    let job = job
        .inspect_err(|error| {
            tracing::warn!(
                "the configuration cannot be read, stopping what was brought up last: {error:#}"
            );
        })
        .ok();
    let services = ServicesStop::new(job.as_ref(), &paths);
    let Some(taken) = after_runner(&paths, &services)? else {
        return Ok(ExitCode::Ok);
    };
    if Instant::now() >= services.deadline {
        // The runner has said which services still run.
        return Ok(ExitCode::Failed);
    }
    take_over(taken, job.as_ref(), &services).map(|()| ExitCode::Ok)
}

/// The runner's place, with the lock that says that the services are being stopped: a runner that starts meanwhile waits for
/// both, and does not take this program for a runner that goes on. Given up in this order.
struct TakenOver {
    place: RunnerPlace,
    _stopping: FileLock,
}

impl TakenOver {
    fn try_take(paths: &Paths) -> anyhow::Result<Option<Self>> {
        let Some(stopping) = FileLock::try_take(&paths.compose_stop_lock())? else {
            return Ok(None);
        };
        let place = RunnerPlace::try_take(paths)?;
        Ok(place.map(|place| Self {
            place,
            _stopping: stopping,
        }))
    }
}

/// Tells the runner to stop the services, and waits for its end. The runner's place, if services are left to stop.
fn after_runner(paths: &Paths, services: &ServicesStop) -> anyhow::Result<Option<TakenOver>> {
    let mut told: Option<(Process, Instant)> = None;
    loop {
        if let Some(taken) = TakenOver::try_take(paths)? {
            // An engine that does not answer is told by the stop itself.
            let is_over =
                told.is_some() && services.running().is_ok_and(|services| services.is_empty());
            return Ok((!is_over).then_some(taken));
        }
        let Some((process, since)) = &told else {
            // Nobody to tell: another stop has taken over.
            if let Some(process) = runner::living(paths) {
                process
                    .signal(Signal::USR1)
                    .context("telling the runner to stop the services")?;
                tracing::info!(
                    pid = process.pid().as_raw_nonzero().get(),
                    "the runner has been told to stop the services"
                );
                told = Some((process, Instant::now()));
            }
            wait(services)?;
            continue;
        };
        if runner::living(paths).is_some_and(|now| now.pid() != process.pid()) {
            tracing::info!("another runner has been started meanwhile; it goes on");
            return Ok(None);
        }
        let has_begun = FileLock::is_held(&paths.compose_stop_lock());
        if !has_begun && process.is_alive() && since.elapsed() >= RUNNER {
            tracing::warn!("the runner hangs; ending it, and stopping the services without it");
            replace_hanging(paths, process)?;
        }
        wait(services)?;
    }
}

/// Sleeps for a moment; fails if the time is over.
fn wait(services: &ServicesStop) -> anyhow::Result<()> {
    if Instant::now() >= services.deadline + BESIDE_SERVICES {
        return Err(anyhow!("the runner did not stop the services in time")).hint(
            "dockerd stops what is left when it ends; see compose-runner.log for what the runner waits for",
        );
    }
    thread::sleep(LOOK);
    Ok(())
}

/// Kills a runner. monit must not see the pidfile without a living process meanwhile: it would go on to stop dockerd.
fn replace_hanging(paths: &Paths, process: &Process) -> anyhow::Result<()> {
    Pidfile::new(paths.compose_pidfile())
        .write(rustix::process::getpid())
        .context("writing the pidfile")?;
    process
        .end(Duration::ZERO)
        .context("ending a runner that hangs")
        .map(drop)
}

/// Stops the services in the runner's place.
fn take_over(taken: TakenOver, job: Option<&Job>, services: &ServicesStop) -> anyhow::Result<()> {
    let paths = taken.place.paths().clone();
    end_leftovers(&paths);
    let cancel = Cancel::default();
    let collecting = job.and_then(|job| Collecting::start(job, &cancel));
    let stopped = services.run(&cancel);
    if let Some(collecting) = collecting {
        collecting.end(LAST_COPY);
    }
    // One that was killed could not do it itself.
    HealthSocket::new(paths.health_socket())
        .close()
        .context("removing the health socket")?;
    drop(taken);
    stopped
}

fn end_runner(paths: &Paths) -> anyhow::Result<()> {
    if let Some(runner) = runner::living(paths) {
        let ended = runner.end(RUNNER).context("ending the runner")?;
        tracing::info!(
            pid = runner.pid().as_raw_nonzero().get(),
            ended,
            "the runner has been told to end"
        );
    }
    end_leftovers(paths);
    // One that was killed could not do it itself.
    HealthSocket::new(paths.health_socket())
        .close()
        .context("removing the health socket")?;
    Pidfile::new(paths.compose_pidfile())
        .remove()
        .context("removing the pidfile")
}
