//! Stopping the recipe's services: in reverse dependency order, each with its grace period, all within `stop_timeout`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use bosh_job::{Advise as _, Marker, Paths, config::Instance};
use docker_engine::{Engine, Filters, Status};
use recipe::{Recipe, instance_environment};

use crate::{
    applied,
    cancel::Cancel,
    child::{End, ended},
    compose::{Compose, PROJECT_LABEL, SERVICE_LABEL},
    job::Job,
    redact::Redactor,
};

/// An engine that does not answer within this time is dead or hangs; with either, nothing can be stopped.
const ANSWER: Duration = Duration::from_secs(1);
/// The services' share of a stop when the configuration cannot be read.
const SERVICES: Duration = Duration::from_mins(3);

/// What a stop needs to know.
pub struct ServicesStop {
    paths: Paths,
    project: Option<String>,
    environment: Vec<(String, String)>,
    /// When it must be over.
    pub deadline: Instant,
}

impl ServicesStop {
    /// A stop that begins now. A configuration that cannot be read is no reason not to stop.
    pub fn new(job: Option<&Job>, paths: &Paths) -> Self {
        let applied = applied::project(paths);
        let (project, limit, environment) = match job {
            Some(job) => {
                let recipe = Recipe::parse(&job.config.recipe).ok().flatten();
                let configured = recipe.map(|recipe| recipe.project.as_str().to_owned());
                let supervision = job.config.supervision();
                (
                    applied.or(configured),
                    supervision.map_or(SERVICES, |supervision| supervision.stop_timeout),
                    instance_environment(paths, job.instance()),
                )
            }
            // Compose does not read the recipe to stop it, so that the instance's values do not matter.
            None => (
                applied,
                SERVICES,
                instance_environment(paths, &Instance::unknown()),
            ),
        };
        Self {
            paths: paths.clone(),
            project,
            environment,
            deadline: Instant::now() + limit,
        }
    }

    /// Stops the services; with the instance about to be deleted, it removes their containers, too.
    pub fn run(&self, cancel: &Cancel) -> anyhow::Result<()> {
        let began = Instant::now();
        if let Err(error) = Engine::new(self.paths.socket()).ping(ANSWER) {
            tracing::warn!(
                "the engine does not answer, so that no service can be stopped: {error}"
            );
            return Ok(());
        }
        let Some(project) = &self.project else {
            tracing::info!("nothing was ever brought up");
            return Ok(());
        };
        let deleting = Marker::new(self.paths.going_for_good()).is_set();
        let command = if deleting { "down" } else { "stop" };
        tracing::info!(project, command, "stopping the services");
        let redactor = Redactor::default();
        let compose = Compose::new(&self.paths, self.environment.clone(), &redactor, cancel);
        let limit = self
            .deadline
            .saturating_duration_since(began)
            .max(Duration::from_secs(1));
        let failed = match compose.on_project(project, &[command], limit) {
            End::Exited { status, .. } if status.success() => {
                tracing::info!(
                    elapsed_ms = began.elapsed().as_millis(),
                    "services are stopped"
                );
                return Ok(());
            }
            End::Exited { status, tail } => anyhow!(
                "docker-compose {command} {}: {}",
                ended(status),
                tail.last().map_or("", String::as_str)
            ),
            End::TimedOut { .. } => anyhow!(
                "docker-compose {command} did not end within {} s; {}",
                limit.as_secs(),
                self.running_in_words()
            ),
            End::NotStarted(error) => {
                anyhow::Error::new(error).context(format!("starting docker-compose {command}"))
            }
            End::Cancelled => anyhow!("docker-compose {command} was ended"),
        };
        Err(failed).hint("dockerd stops what is left when it ends; property `stop_timeout` bounds the services' share")
    }

    /// The services that still run; nothing if the engine does not answer.
    pub fn running(&self) -> docker_engine::Result<BTreeSet<String>> {
        let Some(project) = &self.project else {
            return Ok(BTreeSet::new());
        };
        let filters = Filters::default().label(format!("{PROJECT_LABEL}={project}"));
        let containers = Engine::new(self.paths.socket()).containers(&filters)?;
        Ok(containers
            .iter()
            .filter(|container| container.state == Status::Running)
            .filter_map(|container| container.labels.get(SERVICE_LABEL).cloned())
            .collect())
    }

    fn running_in_words(&self) -> String {
        match self.running() {
            Ok(services) => {
                let services: Vec<String> = services.into_iter().collect();
                format!("still running: {}", services.join(", "))
            }
            Err(error) => format!("which services still run is not known: {error}"),
        }
    }
}
