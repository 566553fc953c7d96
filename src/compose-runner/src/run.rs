//! The runner itself: one thread works, the other waits for the word to end.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bosh_job::{ExitCode, Options, Pidfile};
use docker_engine::Engine;
use recipe::KeptRecipe;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    applied,
    attempt::{Attempt, ENGINE_ANSWER, EngineNow, Face, Start},
    before::{After, Before},
    board::{Board, Word, log_errors},
    cancel::Cancel,
    collecting::Collecting,
    failure::Failure,
    health_socket::HealthSocket,
    job::{Job, end_leftovers},
    networks::NameServers,
    redact::Redactor,
    rollback::Rollback,
};

/// From SIGTERM to the end, children included. monit and the Director count on 2 s.
const LONGEST_END: Duration = Duration::from_millis(1700);

/// What collecting the output of containers has of that. What it does not finish is copied by who comes next.
const SHORTEST_LAST_COPY: Duration = Duration::from_millis(200);
const LONGEST_LAST_COPY: Duration = Duration::from_secs(1);

/// Runs until SIGTERM.
pub fn run(job: Job, options: Options) -> anyhow::Result<ExitCode> {
    let paths = job.paths.clone();
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("listening to signals")?;
    let pidfile = Pidfile::new(paths.compose_pidfile());
    pidfile
        .write(rustix::process::getpid())
        .context("writing the pidfile")?;
    tracing::info!(pid = std::process::id(), "start");

    let cancel = Cancel::default();
    let collecting = Collecting::start(&job, &cancel);
    let (done, ended) = mpsc::channel();
    let worker_cancel = cancel.clone();
    let work = move || {
        Worker {
            job,
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
    let began = Instant::now();
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
    if let Some(collecting) = collecting {
        let left = LONGEST_END.saturating_sub(began.elapsed());
        collecting.end(left.clamp(SHORTEST_LAST_COPY, LONGEST_LAST_COPY));
    }
    // A socket without a listener is no answer to monit, but a file that need not lie there.
    let _ = HealthSocket::new(paths.health_socket()).close();
    let _ = pidfile.remove();
    tracing::info!(signal, "end");
    Ok(ExitCode::Ok)
}

struct Worker {
    job: Job,
    options: Options,
    cancel: Cancel,
}

impl Worker {
    /// Works until told to end. What cannot be done is posted, and then the runner waits: monit would start it again
    /// and again, and the containers that run go on serving. Only an engine that went away is waited for.
    fn work(&self) {
        let engine = Engine::new(self.job.paths.socket());
        let mut face = Face {
            board: Board::new(&self.job.paths),
            // wrong ones are told with the other settings
            names: NameServers::new(
                self.job.config.internal_dns_domains().unwrap_or_default(),
                self.job.paths.daemon_json(),
            ),
            before: None,
        };
        face.board.post(Word::starting(Vec::new()));
        end_leftovers(&self.job.paths);
        let supervision = self.job.config.supervision();
        if supervision.is_ok_and(|supervision| !supervision.rollback_on_failure)
            && let Err(error) = KeptRecipe::remove(&self.job.paths)
        {
            tracing::warn!("forgetting the recipe that was kept for a rollback: {error}");
        }
        let before = Rollback::in_force(&self.job);
        let imports = before.is_some();
        let Some(rollback) = before.or_else(|| self.run_configured(&engine, &mut face)) else {
            return;
        };
        let before = Start {
            settings: &rollback.settings,
            rollback: Some(&rollback),
            imports,
        };
        if let Some(failure) = self.attempt(&before, &engine, &mut face) {
            self.post(rollback.failed(failure), &engine, &mut face);
            self.cancel.park();
        }
    }

    /// Runs the configured recipe to the runner's end, or until it has to give way to the one before.
    fn run_configured(&self, engine: &Engine, face: &mut Face) -> Option<Rollback> {
        let failure = match self.job.settings() {
            Ok(settings) => self.attempt(&Start::of(&settings), engine, face)?,
            Err(refused) => refused,
        };
        Rollback::after(&self.job, failure)
            .map_err(|failure| {
                self.post(failure, engine, face);
                self.answer_names_of_before(engine, &mut face.names);
                self.cancel.park();
            })
            .ok()
    }

    /// Brings a recipe up and watches it, anew if its engine went away meanwhile, or is another one by now. Why it failed; nothing
    /// if the runner was told to end.
    fn attempt(&self, start: &Start<'_>, engine: &Engine, face: &mut Face) -> Option<Failure> {
        let variables = start.settings.recipe.variables.iter();
        let redactor = Redactor::new(variables.map(|(_, value)| value.reveal()));
        let mut attempt = Attempt {
            job: &self.job,
            options: &self.options,
            cancel: &self.cancel,
            start,
            redactor: &redactor,
            engine,
            dockerd: None,
        };
        loop {
            let failure = match attempt.run(face) {
                Ok(()) | Err(Failure::Cancelled) => return None,
                Err(failure) => failure.clean(&redactor),
            };
            match attempt.engine_now() {
                EngineNow::Same => return Some(failure),
                EngineNow::Another => {
                    log_errors(failure.errors());
                    tracing::warn!(
                        "dockerd was started anew meanwhile; bringing the recipe up once more"
                    );
                }
                EngineNow::Gone => self.post(failure, engine, face),
            }
        }
    }

    /// The recipe of before goes on, though nobody watches it.
    fn answer_names_of_before(&self, engine: &Engine, names: &mut NameServers) {
        let Some(project) = applied::project(&self.job.paths) else {
            return;
        };
        while engine.ping(ENGINE_ANSWER).is_err() {
            if self.cancel.sleep(Duration::from_secs(1)) {
                return;
            }
        }
        names.serve_project(engine, &project);
    }

    /// Says that the recipe was not brought up, and why, and what still runs.
    fn post(&self, failure: Failure, engine: &Engine, face: &mut Face) {
        let Failure::Found {
            exit_code,
            mut errors,
        } = failure
        else {
            return;
        };
        let runs = match self.what_runs(engine, face.before.as_ref()) {
            Ok(after) => {
                errors.extend(after.error());
                after.words()
            }
            Err(error) => format!("whether what ran before goes on is not known: {error}"),
        };
        log_errors(&errors);
        tracing::error!("the recipe was not brought up; {runs}");
        face.board.not_rolled_back();
        face.board.post(Word::failed(exit_code, errors, Vec::new()));
    }

    fn what_runs(&self, engine: &Engine, before: Option<&Before>) -> docker_engine::Result<After> {
        engine.ping(ENGINE_ANSWER)?;
        if let Some(before) = before {
            return before.after(engine);
        }
        match applied::project(&self.job.paths) {
            Some(project) => Before::look(engine, &project)?.after(engine),
            None => Ok(After::NoneBefore),
        }
    }
}
