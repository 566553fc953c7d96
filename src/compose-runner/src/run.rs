//! The runner itself: one thread works, the other waits for the word to end.

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bosh_job::{ExitCode, FileLock, Options, report_error};
use docker_engine::Engine;
use signal_hook::{
    consts::{SIGINT, SIGTERM, SIGUSR1},
    iterator::Signals,
};
use state_files::{AppliedProject, KeptRecipe, StateFile as _};

use crate::{
    attempt::{Attempt, ENGINE_ANSWER, EngineNow, RunnerOutputs, Start},
    before::{After, Before},
    cancel::Cancel,
    collecting::Collecting,
    engine_deaths::EngineDeaths,
    failure::Failure,
    health_socket::HealthSocket,
    job::{Job, end_leftovers},
    networks::{Claims, NameServers},
    rollback::Rollback,
    runner::RunnerPlace,
    secrets,
    services_stop::ServicesStop,
    status_publisher::{StatusPublisher, log_errors},
};

/// From SIGTERM to the end, children included. monit and the Director count on 2 s.
const LONGEST_END: Duration = Duration::from_millis(1700);

/// What collecting the output of containers has of that. What it does not finish is copied by who comes next.
const SHORTEST_LAST_COPY: Duration = Duration::from_millis(200);
const LONGEST_LAST_COPY: Duration = Duration::from_secs(1);

/// Runs until it is told to end: SIGTERM leaves the services running, SIGUSR1 stops them first.
pub fn run(job: Job, options: Options) -> anyhow::Result<ExitCode> {
    let paths = job.paths.clone();
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1]).context("listening to signals")?;
    let Some(place) = RunnerPlace::take(&paths)? else {
        tracing::info!("a runner lives already");
        return Ok(ExitCode::Ok);
    };
    tracing::info!(pid = std::process::id(), "start");

    let cancel = Cancel::default();
    let collecting = Collecting::start(&job, &cancel);
    let (done, ended) = mpsc::channel();
    let job = Arc::new(job);
    let (worker_cancel, worker_job) = (cancel.clone(), Arc::clone(&job));
    let work = move || {
        Worker {
            job: worker_job,
            options,
            cancel: worker_cancel,
        }
        .work();
        // Nobody listens any more if it took too long.
        let _ = done.send(());
    };
    thread::Builder::new()
        .name("work".into())
        .spawn(work)
        .context("starting to work")?;

    let signal = signals.forever().next();
    let mut began = Instant::now();
    // Taken first: it tells anyone who asked for the stop that it has begun.
    let stopping = match signal {
        Some(SIGUSR1) => FileLock::take(&paths.compose_stop_lock(), LONGEST_END)?,
        _ => None,
    };
    cancel.set();
    // A worker without a child may sleep in a call to the engine; it dies with this process, and nothing is lost.
    while cancel.has_children() && began.elapsed() < LONGEST_END {
        if !matches!(
            ended.recv_timeout(Duration::from_millis(20)),
            Err(RecvTimeoutError::Timeout)
        ) {
            break;
        }
    }
    let mut code = ExitCode::Ok;
    if stopping.is_some() {
        if let Err(error) = stop_services(&job, signals) {
            report_error(&error);
            code = ExitCode::Failed;
        }
        began = Instant::now();
    }
    if let Some(collecting) = collecting {
        let left = LONGEST_END.saturating_sub(began.elapsed());
        collecting.end(left.clamp(SHORTEST_LAST_COPY, LONGEST_LAST_COPY));
    }
    // A socket without a listener is no answer to monit, but a file that need not lie there.
    let _ = HealthSocket::new(paths.health_socket()).close();
    tracing::info!(signal, "end");
    // In this order: anyone who waits for the stop finds the place free after it.
    drop(place);
    drop(stopping);
    Ok(code)
}

/// Stops the services. SIGTERM, which comes when the VM shuts down, ends that.
fn stop_services(job: &Job, mut signals: Signals) -> anyhow::Result<()> {
    let cancel = Cancel::default();
    let ending = cancel.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if signals.forever().any(|signal| signal != SIGUSR1) {
                ending.set();
            }
        })
        .context("listening to signals")?;
    ServicesStop::new(Some(job), &job.paths).run(&cancel)
}

struct Worker {
    job: Arc<Job>,
    options: Options,
    cancel: Cancel,
}

impl Worker {
    /// Works until told to end. What cannot be done is published, and then the runner waits: monit would start it again
    /// and again, and the containers that run go on serving. Only an engine that went away is waited for.
    fn work(&self) {
        let engine = Engine::new(self.job.paths.socket());
        let mut outputs = RunnerOutputs {
            publisher: StatusPublisher::new(&self.job.paths),
            // wrong ones are told with the other settings
            names: NameServers::new(
                self.job.config.internal_dns_domains().unwrap_or_default(),
                self.job.paths.daemon_json(),
            ),
            before: None,
        };
        outputs.publisher.publish_starting();
        end_leftovers(&self.job.paths);
        let supervision = self.job.config.supervision();
        if supervision.is_ok_and(|supervision| !supervision.rollback_on_failure)
            && let Err(error) = KeptRecipe::remove(&self.job.paths)
        {
            tracing::warn!("forgetting the recipe that was kept for a rollback: {error}");
        }
        let before = Rollback::in_force(&self.job);
        let imports = before.is_some();
        let Some(rollback) = before.or_else(|| self.run_configured(&engine, &mut outputs)) else {
            return;
        };
        let before = Start {
            settings: &rollback.settings,
            rollback: Some(&rollback),
            imports,
        };
        if let Some(failure) = self.attempt(&before, &engine, &mut outputs) {
            self.publish(rollback.failed(failure), &engine, &mut outputs);
            self.cancel.park();
        }
    }

    /// Runs the configured recipe to the runner's end, or until it has to give way to the one before.
    fn run_configured(&self, engine: &Engine, outputs: &mut RunnerOutputs) -> Option<Rollback> {
        let failure = match self.job.settings() {
            Ok(settings) => self.attempt(&Start::of(&settings), engine, outputs)?,
            Err(refused) => refused,
        };
        Rollback::after(&self.job, engine, failure)
            .map_err(|failure| {
                self.publish(failure, engine, outputs);
                self.answer_names_of_before(engine, &mut outputs.names);
                self.cancel.park();
            })
            .ok()
    }

    /// Brings a recipe up and watches it, again if its engine went away meanwhile, or is another one by now. Why it failed; nothing
    /// if the runner was told to end.
    fn attempt(
        &self,
        start: &Start<'_>,
        engine: &Engine,
        outputs: &mut RunnerOutputs,
    ) -> Option<Failure> {
        let redactor = secrets::redactor(&self.job, &start.settings.recipe);
        let mut attempt = Attempt {
            job: &self.job,
            options: &self.options,
            cancel: &self.cancel,
            start,
            redactor: &redactor,
            engine,
            dockerd: None,
            containerd: None,
        };
        let start_timeout = start.settings.supervision.start_timeout;
        let mut deaths = EngineDeaths::new(engine, &redactor, &self.job.paths, start_timeout);
        loop {
            let failure = match attempt.run(outputs) {
                Ok(()) | Err(Failure::Cancelled) => return None,
                Err(failure) => failure.clean(&redactor),
            };
            match attempt.engine_now(&failure) {
                EngineNow::Same => return Some(failure),
                EngineNow::Another | EngineNow::LostContainerd | EngineNow::Gone => {
                    if deaths.wait(&failure, &mut outputs.publisher, &self.cancel) {
                        return None;
                    }
                }
            }
        }
    }

    /// The previous recipe goes on, though nobody watches it.
    fn answer_names_of_before(&self, engine: &Engine, names: &mut NameServers) {
        let Some(project) = AppliedProject::name(&self.job.paths) else {
            return;
        };
        while engine.ping(ENGINE_ANSWER).is_err() {
            if self.cancel.sleep(Duration::from_secs(1)) {
                return;
            }
        }
        names.serve_project(engine, &project, &Claims::default());
    }

    /// Says that the recipe was not brought up, and why, and what still runs.
    fn publish(&self, failure: Failure, engine: &Engine, outputs: &mut RunnerOutputs) {
        let Failure::Found {
            exit_code,
            mut errors,
        } = failure
        else {
            return;
        };
        let runs = match self.what_runs(engine, outputs.before.as_ref()) {
            Ok(after) => {
                errors.extend(after.error());
                after.words()
            }
            Err(error) => format!("whether what ran before goes on is not known: {error}"),
        };
        log_errors(&errors);
        tracing::error!("the recipe was not brought up; {runs}");
        outputs.publisher.not_rolled_back();
        outputs.publisher.publish_failed(exit_code, errors);
    }

    fn what_runs(&self, engine: &Engine, before: Option<&Before>) -> docker_engine::Result<After> {
        engine.ping(ENGINE_ANSWER)?;
        if let Some(before) = before {
            return before.after(engine);
        }
        match AppliedProject::name(&self.job.paths) {
            Some(project) => Before::look(engine, &project)?.after(engine),
            None => Ok(After::NoneBefore),
        }
    }
}
