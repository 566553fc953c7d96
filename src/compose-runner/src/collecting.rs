//! The output of the recipe's containers, copied into the job's log directory from before the first one starts until the
//! runner ends, whatever becomes of the recipe.
//!
//! `service-logs` copies; here it is told of the containers. It finds again by itself what an earlier runner followed.

use std::{collections::BTreeSet, thread, time::Duration};

use docker_engine::{Container, Engine, Filters};
use recipe::{ProjectName, Recipe, labels};
use service_logs::{Cap, Collector, Follower, Settings, Source};

use crate::{cancel::Cancel, compose::PROJECT_LABEL, job::Job};
use state_files::AppliedProject;

/// The one driver whose files can be read.
const DRIVER: &str = "json-file";
/// Between two tries to reach an engine that has gone.
const RETRY: Duration = Duration::from_secs(1);
/// The longest silence of the engine that is waited for at once.
const IDLE_TIMEOUT: Duration = Duration::from_hours(1);

/// Collecting goes on.
pub struct Collecting(Collector);

impl Collecting {
    /// Begins. A bad property is told with all others, and nothing is collected; nor is it if the system has no thread for it.
    pub fn start(job: &Job, cancel: &Cancel) -> Option<Self> {
        let kept = job.config.service_logs().ok()?;
        let settings = Settings {
            logs: job.paths.log_dir(),
            state: job.paths.service_logs_dir(),
            cap: Cap {
                size: kept.size,
                files: kept.files,
            },
        };
        let collector = Collector::start(settings).inspect_err(not_collected).ok()?;
        let recipe = Recipe::parse(&job.config.recipe).ok().flatten();
        let project = recipe.map(|recipe| recipe.project);
        // What ran before a recipe that is refused goes on.
        if let Some(project) = project.or_else(|| AppliedProject::name(&job.paths)) {
            let discovery = Discovery {
                engine: Engine::new(job.paths.socket()),
                project,
                follower: collector.follower(),
                known: BTreeSet::new(),
                told: BTreeSet::new(),
                cancel: cancel.clone(),
            };
            thread::Builder::new()
                .name("discovery".into())
                .spawn(|| discovery.run())
                .inspect_err(not_collected)
                .ok()?;
        }
        Some(Self(collector))
    }

    /// Copies what there is, and ends within this time.
    pub fn end(self, within: Duration) {
        self.0.end(within);
    }
}

fn not_collected(error: &std::io::Error) {
    tracing::error!("the output of containers is not collected: {error}");
}

/// Finds the containers of a project.
struct Discovery {
    engine: Engine,
    project: ProjectName,
    follower: Follower,
    /// IDs of containers that need not be looked at again.
    known: BTreeSet<String>,
    /// Services of which was told that their output is not collected.
    told: BTreeSet<String>,
    cancel: Cancel,
}

impl Discovery {
    fn run(mut self) {
        while !self.cancel.is_set() {
            // That the engine has gone is told by who watches the services.
            if self.follow_events().is_err() {
                self.cancel.sleep(RETRY);
            }
        }
    }

    /// Follows what there is, and then each container that starts, until the engine goes away.
    fn follow_events(&mut self) -> docker_engine::Result<()> {
        let project = Filters::all().label(format!("{PROJECT_LABEL}={}", self.project));
        // Listened to first, so that none starts between the two. The driver has no file before a container starts.
        let mut events = self.engine.events(
            &project
                .clone()
                .with("type", "container")
                .with("event", "start"),
            None,
        )?;
        let mut there = BTreeSet::new();
        for summary in self.engine.containers(&project)? {
            self.look(&summary.id)?;
            there.insert(summary.id);
        }
        self.known.retain(|id| there.contains(id));
        while !self.cancel.is_set() {
            if let Some(event) = events.next_within(IDLE_TIMEOUT)? {
                self.look(&event.actor.id)?;
            }
        }
        Ok(())
    }

    /// Follows a container, unless it is known.
    fn look(&mut self, id: &str) -> docker_engine::Result<()> {
        if self.known.contains(id) {
            return Ok(());
        }
        let container = match self.engine.inspect_container(id) {
            Ok(container) => container,
            // It went between the two calls.
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let driver = &container.host_config.log_config.driver;
        if driver == DRIVER {
            let Some(source) = source_of(&container) else {
                return Ok(());
            };
            self.follower.follow(source);
        } else if let Some(service) = service_of(&container)
            && self.told.insert(service.to_owned())
        {
            tracing::info!(
                service,
                driver,
                "its output is not collected: only that of the log driver {DRIVER} is"
            );
        }
        self.known.insert(container.id);
        Ok(())
    }
}

/// The service, also of a container of one of its hooks, but not of `docker compose run`, whose output somebody saw.
fn service_of(container: &Container) -> Option<&str> {
    let labels = &container.config.labels;
    let hook = labels::hook(labels).map(|(service, _)| service);
    labels::service(labels)
        .or(hook)
        .filter(|service| is_service_name(service))
}

/// Anyone who may start containers may label them; the name becomes a part of a file's, which is shortened where it is too long.
fn is_service_name(name: &str) -> bool {
    let is_in_one = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    !name.is_empty() && name.chars().all(is_in_one)
}

/// Nothing before its first start.
fn source_of(container: &Container) -> Option<Source> {
    Some(Source {
        id: container.id.clone(),
        name: container.name().to_owned(),
        service: service_of(container)?.to_owned(),
        log: Some(&container.log_path)
            .filter(|path| !path.is_empty())?
            .into(),
    })
}
