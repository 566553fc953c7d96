//! Stopping the recipe's services: in reverse dependency order, each with its grace period, all within `stop_timeout`.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use bosh_job::stop_bounds::SERVICES;
use bosh_job::{Advise as _, Paths};
use docker_engine::{Engine, Filters, Status};
use job_properties::Instance;
use recipe::{ProjectName, Recipe, instance_environment};
use state_files::Marker;

use crate::{
    cancel::Cancel,
    child::{End, ended},
    compose::{Compose, PROJECT_LABEL, SERVICE_LABEL},
    healing::Healing,
    hooks,
    job::Job,
    observe,
    redact::Redactor,
    rollback::Rollback,
    secrets,
};
use state_files::AppliedProject;

/// An engine that does not answer within this time is dead or hangs; with either, nothing can be stopped.
const ANSWER: Duration = Duration::from_secs(1);

/// So often Compose is asked to stop services that still run; before each, a pause that doubles.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
const HINT: &str =
    "dockerd stops what is left when it ends; property `stop_timeout` bounds the services' share";

/// What came of one try.
enum Tried {
    Done,
    /// It may be tried again.
    Failed(anyhow::Error),
    /// There is no time for more, or no use in it.
    Over(anyhow::Error),
}

/// What a stop needs to know.
pub struct ServicesStop {
    paths: Paths,
    project: Option<ProjectName>,
    environment: Vec<(String, String)>,
    /// What it takes to run the recipe's `pre_stop` hooks, if it has any.
    pre_stop: Option<PreStop>,
    /// When it must be over.
    pub deadline: Instant,
}

/// What it takes to run `pre_stop` hooks.
struct PreStop {
    environment: Vec<(String, String)>,
    redactor: Redactor,
}

impl PreStop {
    /// For the recipe in force, as far as it lies on the disk: the configured one, or the one that it was rolled back to.
    fn of(job: &Job) -> Option<Self> {
        let rollback = Rollback::in_force(job);
        let recipe = match rollback {
            Some(rollback) => rollback.settings.recipe,
            None => Recipe::parse(&job.config.recipe).ok().flatten()?,
        };
        // A word is enough: the hooks may stand in a file that is included.
        let files = recipe.files.iter().map(|file| file.content.reveal());
        let mut texts = std::iter::once(recipe.compose_yaml.reveal()).chain(files);
        texts.any(|text| text.contains("pre_stop")).then(|| Self {
            environment: recipe.environment(&job.paths, job.instance()),
            redactor: secrets::redactor(job, &recipe),
        })
    }
}

impl ServicesStop {
    /// A stop that begins now. A configuration that cannot be read is no reason not to stop.
    pub fn new(job: Option<&Job>, paths: &Paths) -> Self {
        let applied = AppliedProject::name(paths);
        let (project, limit, environment) = match job {
            Some(job) => {
                let recipe = Recipe::parse(&job.config.recipe).ok().flatten();
                let configured = recipe.map(|recipe| recipe.project);
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
            pre_stop: job.and_then(PreStop::of),
            deadline: Instant::now() + limit,
        }
    }

    /// Stops the services; with the instance about to be deleted, it removes their containers, too.
    pub fn run(&self, cancel: &Cancel) -> anyhow::Result<()> {
        let began = Instant::now();
        let engine = Engine::new(self.paths.socket());
        if let Err(error) = engine.ping(ANSWER) {
            tracing::warn!(
                "the engine does not answer, so that no service can be stopped: {error}"
            );
            return Ok(());
        }
        let Some(project) = &self.project else {
            tracing::info!("nothing was ever brought up");
            return Ok(());
        };
        let deleting = Marker::new(self.paths.deleting()).is_set();
        let command = if deleting { "down" } else { "stop" };
        tracing::info!(project = project.as_str(), command, "stopping the services");
        self.wait_for_containerd(&engine, cancel);
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.compose(project, command, cancel) {
                Tried::Failed(error) => Some(error),
                Tried::Done => None,
                Tried::Over(error) => return Err(error).hint(HINT),
            };
            let running = self.living(&engine, project, cancel);
            let running = match (running, failed) {
                // What failed may have been what is gone by now.
                (Ok(running), failed)
                    if running.is_empty() && (failed.is_none() || command == "stop") =>
                {
                    if let Some(error) = failed {
                        tracing::warn!("{error:#}");
                    }
                    tracing::info!(
                        elapsed_ms = began.elapsed().as_millis(),
                        "services are stopped"
                    );
                    return Ok(());
                }
                (Ok(running), Some(error)) if !running.is_empty() && tries < TRIES => {
                    tracing::warn!(
                        running = running.join(", "),
                        "services still run: {error:#}"
                    );
                    running
                }
                (Ok(running), None) if tries < TRIES => running,
                (Ok(running), None) => {
                    let error = anyhow!(
                        "docker-compose {command} succeeded {tries} times; still running: {}",
                        running.join(", ")
                    );
                    return Err(error).hint(HINT);
                }
                (_, Some(error)) => return Err(error).hint(HINT),
                (Err(error), None) => {
                    tracing::warn!("which services still run is not known: {error}");
                    return Ok(());
                }
            };
            let pause = PAUSE * 2_u32.pow(tries);
            if Instant::now() + pause >= self.deadline {
                let error = anyhow!("still running: {}", running.join(", "));
                return Err(error).hint(HINT);
            }
            tracing::warn!(
                running = running.join(", "),
                "stopping the services again in {} s",
                pause.as_secs()
            );
            if cancel.sleep(pause) {
                return Err(anyhow!("docker-compose {command} was ended")).hint(HINT);
            }
        }
    }

    /// An engine that has just lost its containerd cannot send a stop signal: it would kill the services without their grace.
    fn wait_for_containerd(&self, engine: &Engine, cancel: &Cancel) {
        let share = self.deadline.saturating_duration_since(Instant::now()) / 2;
        if !engine.wait_for_containerd(Instant::now() + share, || cancel.is_set()) {
            tracing::warn!(
                "the engine does not reach its containerd; stopping the services all the same"
            );
        }
    }

    fn compose(&self, project: &str, command: &str, cancel: &Cancel) -> Tried {
        let redactor = Redactor::default();
        let compose = Compose::new(&self.paths, self.environment.clone(), &redactor, cancel);
        self.end_hooks(project, command == "down");
        self.run_pre_stop_hooks(project, cancel);
        let limit = self
            .deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_secs(1));
        match compose.on_project(project, &[command], limit) {
            End::Exited { status, .. } if status.success() => Tried::Done,
            End::Exited { status, tail } => Tried::Failed(anyhow!(
                "docker-compose {command} {}: {}",
                ended(status),
                tail.last().map_or("", String::as_str)
            )),
            End::TimedOut { .. } => Tried::Over(anyhow!(
                "docker-compose {command} did not end within {} s; {}",
                limit.as_secs(),
                self.running_in_words()
            )),
            End::NotStarted(error) => Tried::Over(
                anyhow::Error::new(error).context(format!("starting docker-compose {command}")),
            ),
            End::Cancelled => Tried::Over(anyhow!("docker-compose {command} was ended")),
        }
    }

    /// The containers whose processes live, once the engine has noticed those that are gone.
    fn living(
        &self,
        engine: &Engine,
        project: &str,
        cancel: &Cancel,
    ) -> docker_engine::Result<Vec<String>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        Healing::without_restart(engine).settle(project, cancel, left)?;
        let seen = observe::containers(engine, project, &Redactor::default())?;
        Ok(seen
            .into_iter()
            .filter(|one| matches!(one.status, Status::Running | Status::Paused))
            .filter(|one| one.gone.is_none())
            .map(|one| one.name)
            .collect())
    }

    /// Removes what runs hooks yet, of which Compose knows nothing when it stops services.
    fn end_hooks(&self, project: &str, deleting: bool) {
        let which = if deleting {
            hooks::Which::All
        } else {
            hooks::Which::Running
        };
        if let Err(error) = hooks::remove(&Engine::new(self.paths.socket()), project, which) {
            tracing::warn!("hooks may still run: {error}");
        }
    }

    /// Stops the recipe's services with the recipe, if it has `pre_stop` hooks: what Compose knows of containers by their labels has
    /// none. What remains is stopped without the recipe, whatever becomes of this.
    fn run_pre_stop_hooks(&self, project: &str, cancel: &Cancel) {
        let Some(hooks) = &self.pre_stop else { return };
        let redactor = &hooks.redactor;
        let compose = Compose::new(&self.paths, hooks.environment.clone(), redactor, cancel);
        let limit = self.deadline.saturating_duration_since(Instant::now());
        match compose.on_recipe_alone(project, &["stop"], limit) {
            End::Exited { status, .. } if status.success() => {}
            End::Exited { status, tail } => tracing::warn!(
                "docker-compose stop with `pre_stop` hooks {}: {}",
                ended(status),
                tail.last().map_or("", String::as_str)
            ),
            End::TimedOut { .. } => tracing::warn!(
                "the `pre_stop` hooks did not end within {} s, the services' share of the stop (`stop_timeout`)",
                limit.as_secs()
            ),
            End::NotStarted(error) => {
                tracing::warn!("docker-compose could not be started: {error}");
            }
            End::Cancelled => {}
        }
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
