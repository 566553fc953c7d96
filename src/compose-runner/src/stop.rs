//! `compose-runner stop`: what monit calls. It ends the runner, and then, unless this is an update, the services in
//! reverse dependency order.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use bosh_job::{Advise as _, ExitCode, Marker, Options, Paths, Pidfile, config::Instance};
use docker_engine::{Engine, Filters, Status};
use recipe::{Recipe, instance_environment};

use crate::{
    applied,
    cancel::Cancel,
    child::{End, ended},
    collecting::Collecting,
    compose::{Compose, PROJECT_LABEL, SERVICE_LABEL},
    health_socket::HealthSocket,
    job::{Job, end_leftovers, living},
    redact::Redactor,
};

/// A runner has this long to end by itself.
const RUNNER: Duration = Duration::from_secs(2);
/// An engine that does not answer within this time is dead or hangs; with either, nothing can be stopped.
const ANSWER: Duration = Duration::from_secs(1);
/// What collecting the services' last words may take after they have ended.
const LAST_COPY: Duration = Duration::from_secs(2);
/// The services' share of a stop when the configuration cannot be read.
const SERVICES: Duration = Duration::from_mins(3);

/// Stops. A configuration that cannot be read is no reason not to.
pub fn stop(job: anyhow::Result<Job>, options: &Options) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let paths = options.paths();
    end_runner(&paths)?;
    if Marker::new(paths.keep_containers()).is_set(Marker::LIFETIME) {
        tracing::info!("this is an update: the services go on");
        return Ok(ExitCode::Ok);
    }
    if let Err(error) = Engine::new(paths.socket()).ping(ANSWER) {
        tracing::warn!("the engine does not answer, so that no service can be stopped: {error}");
        return Ok(ExitCode::Ok);
    }
    let cancel = Cancel::default();
    // The runner has ended, and the services have last words; `down` removes them together with their containers.
    let collecting = job
        .as_ref()
        .ok()
        .and_then(|job| Collecting::start(job, &cancel));
    let stopping = Stopping::of(job, &paths);
    let Some(project) = stopping.project else {
        tracing::info!("nothing was ever brought up");
        return Ok(ExitCode::Ok);
    };
    let for_good = Marker::new(paths.going_for_good()).is_set(Marker::LIFETIME);
    let command = if for_good { "down" } else { "stop" };
    tracing::info!(project, command, "stopping the services");
    let redactor = Redactor::default();
    let compose = Compose::new(&paths, stopping.environment, &redactor, &cancel);
    let limit = stopping
        .limit
        .saturating_sub(began.elapsed())
        .max(Duration::from_secs(1));
    let end = compose.on_project(&project, &[command], limit);
    if let Some(collecting) = collecting {
        collecting.end(LAST_COPY);
    }
    let failed = match end {
        End::Exited { status, .. } if status.success() => {
            tracing::info!(
                elapsed_ms = began.elapsed().as_millis(),
                "services are stopped"
            );
            return Ok(ExitCode::Ok);
        }
        End::Exited { status, tail } => anyhow!(
            "docker-compose {command} {}: {}",
            ended(status),
            tail.last().map_or("", String::as_str)
        ),
        End::TimedOut { .. } => anyhow!(
            "docker-compose {command} did not end within {} s; {}",
            limit.as_secs(),
            running(&paths, &project)
        ),
        End::NotStarted(error) => {
            anyhow::Error::new(error).context(format!("starting docker-compose {command}"))
        }
        End::Cancelled => anyhow!("docker-compose {command} was ended"),
    };
    Err(failed).hint("dockerd stops what is left when it ends; property `stop_timeout` bounds the services' share")
}

/// The services that still run, for people.
fn running(paths: &Paths, project: &str) -> String {
    let filters = Filters::default().label(format!("{PROJECT_LABEL}={project}"));
    let containers = match Engine::new(paths.socket()).containers(&filters) {
        Ok(containers) => containers,
        Err(error) => return format!("which services still run is not known: {error}"),
    };
    let services: BTreeSet<&str> = containers
        .iter()
        .filter(|container| container.state == Status::Running)
        .filter_map(|container| container.labels.get(SERVICE_LABEL))
        .map(String::as_str)
        .collect();
    let services: Vec<&str> = services.into_iter().collect();
    format!("still running: {}", services.join(", "))
}

fn end_runner(paths: &Paths) -> anyhow::Result<()> {
    if let Some(runner) = living(paths) {
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

/// What a stop needs to know.
struct Stopping {
    project: Option<String>,
    limit: Duration,
    environment: Vec<(String, String)>,
}

impl Stopping {
    fn of(job: anyhow::Result<Job>, paths: &Paths) -> Self {
        let applied = applied::project(paths);
        match job {
            Ok(job) => {
                let recipe = Recipe::parse(&job.config.recipe).ok().flatten();
                Self {
                    project: applied
                        .or_else(|| recipe.map(|recipe| recipe.project.as_str().to_owned())),
                    limit: job
                        .config
                        .supervision()
                        .map_or(SERVICES, |supervision| supervision.stop_timeout),
                    environment: instance_environment(paths, job.instance()),
                }
            }
            Err(error) => {
                tracing::warn!(
                    "the configuration cannot be read, stopping what was brought up last: {error:#}"
                );
                Self {
                    project: applied,
                    limit: SERVICES,
                    environment: instance_environment(paths, &nobody()),
                }
            }
        }
    }
}

/// An instance that says nothing of itself: Compose does not read the recipe to stop it.
fn nobody() -> Instance {
    Instance {
        name: String::new(),
        index: None,
        id: String::new(),
        az: None,
        ip: None,
        address: None,
        deployment: String::new(),
        bootstrap: None,
        persistent_disk: None,
    }
}
