//! The runner itself: one thread works, the other waits for the word to end.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bosh_job::{ExitCode, Options, Pidfile, verdict::State};
use docker_engine::Engine;
use recipe::{KeptRecipe, WriteError};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    applied,
    board::{Board, Word, log_errors},
    bring_up::BringUp,
    cancel::Cancel,
    collecting::Collecting,
    compose::Compose,
    failure::{Failure, Outcome, error},
    health_socket::HealthSocket,
    import::{ImportFailure, import},
    job::{Job, Settings, end_leftovers},
    networks::NameServers,
    preflight::Preflight,
    redact::Redactor,
    rollback::{self, Rollback},
    settled::Settled,
    volumes,
    watch::{Beginning, Watch},
    watching::{Reservation, Watching},
};

/// From SIGTERM to the end, children included. monit and the Director count on 2 s.
const LONGEST_END: Duration = Duration::from_millis(1700);

/// What collecting the output of containers has of that. What it does not finish is copied by who comes next.
const SHORTEST_LAST_COPY: Duration = Duration::from_millis(200);
const LONGEST_LAST_COPY: Duration = Duration::from_secs(1);

/// An engine that does not answer within this time has gone.
const ENGINE_ANSWER: Duration = Duration::from_secs(10);

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

/// What others see of the runner.
struct Face {
    board: Board,
    names: NameServers,
}

struct Worker {
    job: Job,
    options: Options,
    cancel: Cancel,
}

/// What is brought up.
struct Start<'a> {
    settings: &'a Settings,
    /// It is the recipe of before.
    rollback: Option<&'a Rollback>,
    /// Whether the images of colocated jobs are to be imported first.
    imports: bool,
}

impl<'a> Start<'a> {
    /// The configured recipe.
    fn of(settings: &'a Settings) -> Self {
        Self {
            settings,
            rollback: None,
            imports: true,
        }
    }
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
        let start = Start {
            settings: &rollback.settings,
            rollback: Some(&rollback),
            imports,
        };
        if let Some(failure) = self.attempt(&start, &engine, &mut face) {
            post(rollback.failed(failure), &mut face.board);
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
                post(failure, &mut face.board);
                self.answer_names_of_before(engine, &mut face.names);
                self.cancel.park();
            })
            .ok()
    }

    /// Brings a recipe up and watches it, anew if the engine went away meanwhile. Why it failed; nothing if the runner was
    /// told to end.
    fn attempt(&self, start: &Start<'_>, engine: &Engine, face: &mut Face) -> Option<Failure> {
        let variables = start.settings.recipe.variables.iter();
        let redactor = Redactor::new(variables.map(|(_, value)| value.reveal()));
        loop {
            let failure = match self.start(start, &redactor, engine, face) {
                Ok(()) | Err(Failure::Cancelled) => return None,
                Err(failure) => failure.clean(&redactor),
            };
            if engine.ping(ENGINE_ANSWER).is_ok() {
                return Some(failure);
            }
            post(failure, &mut face.board);
        }
    }

    fn start(
        &self,
        start: &Start<'_>,
        redactor: &Redactor,
        engine: &Engine,
        face: &mut Face,
    ) -> Outcome<()> {
        if let Some(rollback) = start.rollback {
            log_errors(&rollback.failed.errors);
            tracing::warn!(
                to = rollback.kept.since,
                "the recipe failed; the one of before comes back"
            );
            face.board.rolled_back_to(&rollback.kept.since);
            face.board.post(Word::starting(Vec::new()));
        }
        let deadline = Instant::now() + start.settings.supervision.start_timeout;
        self.wait_for_engine(engine, deadline, &mut face.board)?;
        // for what runs already, whatever becomes of the recipe
        let project = start.settings.recipe.project.as_str();
        face.names.serve_project(engine, project);
        let mut failed = None;
        if start.imports {
            failed = import(&self.job, &self.options, redactor, &self.cancel)?;
        }
        if let Some(import) = &failed {
            log_errors(&import.errors);
        }
        self.bring_up(start, redactor, face, engine, deadline, failed.clone())
            .map_err(|failure| with(failure, failed))
    }

    fn bring_up(
        &self,
        start: &Start<'_>,
        redactor: &Redactor,
        face: &mut Face,
        engine: &Engine,
        deadline: Instant,
        import: Option<ImportFailure>,
    ) -> Outcome<()> {
        let settings = start.settings;
        let kept_images = start.rollback.map(|rollback| &rollback.kept.images);
        let (paths, recipe, cancel) = (&self.job.paths, &settings.recipe, &self.cancel);
        let environment = recipe.environment(paths, self.job.instance());
        let compose = &Compose::new(paths, environment.clone(), redactor, cancel);
        // docker-ctl has written them before dockerd started; here they may be older than the configuration.
        recipe::write_files(recipe, paths).map_err(not_written)?;
        tracing::info!(project = recipe.project.as_str(), "checking the recipe");
        let (model, pulls) = Preflight {
            paths,
            recipe,
            engine,
            compose,
            redactor,
            kept_images,
            deadline,
        }
        .run()?;
        face.board.warn(volumes::check(&self.job, engine, &model)?);
        let bring_up = BringUp {
            paths,
            settings,
            engine,
            compose,
            environment: &environment,
            kept_images,
            redactor,
            cancel,
            deadline,
        };
        bring_up.prep()?;
        bring_up.label(&model)?;
        bring_up.retire_earlier_project()?;
        bring_up.prepare_networks(&model)?;
        face.names.serve_project(engine, recipe.project.as_str());
        let began = Beginning::now();
        tracing::info!(services = model.services.len(), "bringing the recipe up");
        let brought_up = bring_up.up(&model, began);
        pulls.note();
        brought_up?;
        let expected = model
            .services
            .iter()
            .map(|(name, service)| (name.clone(), service.replicas))
            .collect();
        let configured = start.rollback.is_none();
        let wants_rollback = configured && settings.supervision.rollback_on_failure;
        let nothing_kept = wants_rollback
            .then(|| rollback::is_possible(&self.job).err())
            .flatten();
        let settled = configured.then(|| Settled::new(&self.job, settings, engine, &model));
        let watching = Watching {
            engine,
            project: recipe.project.as_str(),
            services: model
                .services
                .into_iter()
                .filter(|(_, service)| service.replicas > 0)
                .map(|(name, _)| name)
                .collect(),
            watch: Watch::new(&settings.supervision, expected, began),
            reservation: start
                .rollback
                .map(Rollback::reservation)
                .or(import.map(Reservation::from)),
            gives_up: wants_rollback && nothing_kept.is_none(),
            remark: nothing_kept.as_deref().map(rollback::impossible),
            settled,
            redactor,
            cancel,
            deadline,
            start_timeout: settings.supervision.start_timeout,
        };
        watching.run(&mut face.board)
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

    /// Waits for the engine, for ever: monit starts it. After the start's time that is a failure, until it comes.
    fn wait_for_engine(
        &self,
        engine: &Engine,
        deadline: Instant,
        board: &mut Board,
    ) -> Outcome<()> {
        let mut told = false;
        loop {
            // Short waits, so that an end is not held up.
            match engine.wait_ready(Instant::now() + Duration::from_millis(500)) {
                Ok(version) => {
                    tracing::info!(api_version = %version, "engine is ready");
                    if board.state() == Some(State::Failed) {
                        board.post(Word::starting(Vec::new()));
                    }
                    return Ok(());
                }
                Err(failure) if Instant::now() >= deadline && !told => {
                    told = true;
                    let mut found = error("the engine does not answer");
                    found.causes = vec![failure.to_string()];
                    found.hint = failure.hint().map(str::to_owned);
                    log_errors(std::slice::from_ref(&found));
                    board.post(Word::failed(ExitCode::Failed, vec![found], Vec::new()));
                }
                Err(_) => {}
            }
            if self.cancel.sleep(Duration::from_millis(100)) {
                return Err(Failure::Cancelled);
            }
        }
    }
}

/// Says that the recipe was not brought up, and why.
fn post(failure: Failure, board: &mut Board) {
    if let Failure::Found { exit_code, errors } = failure {
        log_errors(&errors);
        tracing::error!("the recipe was not brought up; what ran before goes on");
        board.post(Word::failed(exit_code, errors, Vec::new()));
    }
}

/// An owner that the VM does not know is a wrong property; the rest is the disk's affair.
fn not_written(error: WriteError) -> Failure {
    match error {
        WriteError::Owner(problems) => problems.into(),
        other => anyhow::Error::from(other).into(),
    }
}

/// A failure, told together with that of the import, which may be its cause. Damaged images outweigh the rest.
fn with(failure: Failure, import: Option<ImportFailure>) -> Failure {
    match (failure, import) {
        (Failure::Found { exit_code, errors }, Some(import)) => {
            let damaged = import.exit_code == ExitCode::VerificationFailed;
            let exit_code = if damaged { import.exit_code } else { exit_code };
            Failure::Found {
                exit_code,
                errors: import.errors.into_iter().chain(errors).collect(),
            }
        }
        (failure, _) => failure,
    }
}
