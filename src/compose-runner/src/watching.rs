//! The runner's long life: it looks at the containers whenever the engine says that something happened, posts what
//! changed, and otherwise sleeps.

use std::time::{Duration, Instant};

use bosh_job::{ErrorReport, ExitCode};
use docker_engine::{Engine, Event, Events, Status};
use jiff::Timestamp;
use state_files::{ServiceReport, State};

use crate::{
    cancel::Cancel,
    deploy_failure::DeployFailure,
    engine_socket::Held,
    failure::{Failure, Outcome, error},
    healing::Healing,
    health::{ContainerSnapshot, Finding, OUT_OF_MEMORY_NEWS, RecipeHealth},
    listening::listen,
    observe,
    on_stable::OnStable,
    redact::Redactor,
    status_publisher::{RunnerStatus, StatusPublisher, log_errors},
    watch::Watch,
};

/// Between two looks while something is on its way.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks while something is wrong: restarts that lie too far back clear without an event.
const LOOK_AT_WRONG: Duration = Duration::from_secs(30);
/// Between two looks while everything is healthy, in case an event was missed. Each look costs a request for each container.
const LOOK_AT_REST: Duration = Duration::from_mins(5);
/// Events come in groups; one look serves them all.
const GROUP: Duration = Duration::from_millis(200);
/// Between two words of a quiet engine: one that hangs is silent, too.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// An engine that does not answer within this time hangs.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two tries to reach an engine that has gone.
const RETRY: Duration = Duration::from_secs(1);
/// How long an engine may be away before that is published: monit starts a dockerd that died within its cycle of 10 s.
const AWAY: Duration = Duration::from_secs(20);

/// The watch, and what it works with.
pub struct Watching<'a> {
    pub engine: &'a Engine,
    pub project: &'a str,
    /// The services' names.
    pub services: Vec<String>,
    pub watch: Watch,
    /// What the verdict tells although the services are well.
    pub failure: Option<DeployFailure>,
    /// What the verdict tells besides as long as they have never been well.
    pub note: Option<ErrorReport>,
    /// Whether it ends the watch that they are not well, as long as they have never been.
    pub gives_up: bool,
    /// What follows once the services are well.
    pub on_stable: Option<OnStable>,
    /// What is done about containers whose end the engine missed.
    pub healing: Healing<'a>,
    /// The engine's socket in containers, if they have it.
    pub engine_socket: Option<Held>,
    pub redactor: &'a Redactor,
    pub cancel: &'a Cancel,
    /// When the start must be over.
    pub deadline: Instant,
    /// How long the start may take; later, how long a service may be on its way.
    pub start_timeout: Duration,
}

/// The health of the recipe, without what changes at each look.
#[derive(Clone, PartialEq, Eq)]
enum LastHealth {
    Healthy,
    Failed(Vec<Finding>),
}

impl Watching<'_> {
    /// Watches until the runner is told to end.
    pub fn run(mut self, publisher: &mut StatusPublisher) -> Outcome<()> {
        let mut events: Option<Events> = None;
        let mut known: Option<LastHealth> = None;
        // Since when the engine does not answer.
        let mut away: Option<Instant> = None;
        while !self.cancel.is_set() {
            let began = Instant::now();
            // Events are listened to before the look, so that none falls between the two.
            let looked = self
                .engine
                .ping(ANSWER)
                .and_then(|_| self.listen(&mut events))
                .and_then(|()| observe::containers(self.engine, self.project, self.redactor));
            let mut seen = match looked {
                Ok(seen) => seen,
                Err(error) => {
                    events = None;
                    if away.is_none() {
                        // monit watches dockerd; containers go on without it.
                        tracing::warn!("the engine does not answer, waiting for it: {error}");
                    }
                    if away.get_or_insert(began).elapsed() >= AWAY {
                        known = None;
                        post_away(&error, publisher);
                    }
                    self.cancel.sleep(RETRY);
                    continue;
                }
            };
            if let Some(since) = away.take() {
                let seconds = since.elapsed().as_secs();
                tracing::info!(seconds, "the engine is back");
                // Nothing could come up meanwhile.
                self.deadline += since.elapsed();
            }
            if let Some(held) = &self.engine_socket {
                held.check()?;
            }
            self.healing.step(&mut seen, self.cancel);
            let whole = self.watch.evaluate(&seen, Instant::now(), Timestamp::now());
            let whole = self.bear_with_the_dead(whole, known.as_ref());
            let seen = self.watch.with_memory(seen);
            let rest = match &whole {
                _ if self.healing.is_busy() => LOOK,
                RecipeHealth::Pending(_) => LOOK,
                RecipeHealth::Failed(_) => LOOK_AT_WRONG,
                RecipeHealth::Healthy => LOOK_AT_REST,
            };
            let on_the_way = matches!(whole, RecipeHealth::Pending(_));
            self.judge(whole, &seen, &mut known, publisher)?;
            if !self.rest(&mut events, rest, &seen) {
                events = None;
            }
            if !on_the_way {
                // What comes next has its own time.
                self.deadline = Instant::now() + self.start_timeout;
            }
        }
        Err(Failure::Cancelled)
    }

    /// Listens to events, if it does not yet.
    fn listen(&mut self, events: &mut Option<Events>) -> docker_engine::Result<()> {
        if events.is_none() {
            *events = Some(listen(self.engine, self.project, &mut self.watch)?);
        }
        Ok(())
    }

    /// Sleeps until something happens, at most for `rest`; `false` if events can no longer be heard, or the engine does
    /// not answer.
    fn rest(
        &mut self,
        events: &mut Option<Events>,
        rest: Duration,
        seen: &[ContainerSnapshot],
    ) -> bool {
        let Some(events) = events else { return false };
        let end = Instant::now() + rest;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match events.next_within(left.min(KEEPALIVE)) {
                Ok(None) if left <= KEEPALIVE => return true,
                // The engine has no event for an end that it missed.
                Ok(None) if self.is_any_gone(seen) => return true,
                Ok(None) if self.engine.ping(ANSWER).is_ok() => {}
                Ok(Some(event)) => {
                    self.watch.on_event(&event);
                    self.cancel.sleep(if is_kill(&event) {
                        OUT_OF_MEMORY_NEWS
                    } else {
                        GROUP
                    });
                    while let Ok(Some(event)) = events.next_within(Duration::ZERO) {
                        self.watch.on_event(&event);
                    }
                    return true;
                }
                Ok(None) | Err(_) => return false,
            }
        }
    }

    /// Whether the process of a container that was seen to run is gone.
    fn is_any_gone(&self, seen: &[ContainerSnapshot]) -> bool {
        let processes = observe::processes(self.engine);
        let mut running = seen.iter().filter(|container| {
            matches!(container.status, Status::Running | Status::Paused) && container.gone.is_none()
        });
        running.any(|container| processes.gone(container.pid, &container.id).is_some())
    }

    /// A container whose end the engine missed fails no start, and is no reason to go back to another recipe, as long as something is
    /// done about it and nothing else is known of the services.
    fn bear_with_the_dead(&self, whole: RecipeHealth, known: Option<&LastHealth>) -> RecipeHealth {
        match whole {
            RecipeHealth::Failed(wrong)
                if known.is_none()
                    && wrong.iter().all(|wrong| {
                        let container = wrong.container.as_ref();
                        container.is_some_and(|(id, _)| self.healing.treats(id))
                    }) =>
            {
                RecipeHealth::Pending(wrong)
            }
            other => other,
        }
    }

    /// A report of each service. One that has done its work counts as it was, though its container was removed since.
    fn reports(&self, seen: &[ContainerSnapshot]) -> Vec<ServiceReport> {
        let mut reports = observe::reports(&self.services, seen);
        for report in &mut reports {
            let is_removed = !seen
                .iter()
                .any(|container| container.service == report.name);
            if is_removed && self.watch.has_finished(&report.name) {
                Status::Exited.word().clone_into(&mut report.state);
                report.exit_code = Some(0);
            }
        }
        reports
    }

    fn judge(
        &mut self,
        whole: RecipeHealth,
        seen: &[ContainerSnapshot],
        known: &mut Option<LastHealth>,
        publisher: &mut StatusPublisher,
    ) -> Outcome<()> {
        let now = Instant::now();
        let found = match whole {
            RecipeHealth::Healthy => LastHealth::Healthy,
            RecipeHealth::Failed(wrong) => LastHealth::Failed(wrong),
            RecipeHealth::Pending(wrong) if now >= self.deadline => {
                let seconds = self.start_timeout.as_secs();
                let late = |wrong: Finding| Finding {
                    what: format!("{} {seconds} s after the start", wrong.what),
                    ..wrong
                };
                LastHealth::Failed(wrong.into_iter().map(late).collect())
            }
            // What was known stands until something is known again.
            RecipeHealth::Pending(_) => {
                if known.is_none() {
                    publisher.publish(RunnerStatus::starting(self.reports(seen)));
                }
                return Ok(());
            }
        };
        let services = self.reports(seen);
        let is_news = known.as_ref() != Some(&found);
        match &found {
            LastHealth::Healthy => {
                // What was stable once is never rolled back, whatever is known of it later.
                self.gives_up = false;
                self.note = None;
                if is_news {
                    let count = self.services.len();
                    tracing::info!(
                        "all {count} services stable for {} s",
                        self.watch.stable().as_secs()
                    );
                }
                // Before the word is out: what follows it counts on a recipe that is kept.
                if self.failure.is_none()
                    && let Some(on_stable) = self.on_stable.take()
                {
                    on_stable.run();
                }
                self.post_well(services, publisher);
            }
            LastHealth::Failed(wrong) if is_news => {
                let mut errors = observe::errors(self.engine, wrong, self.redactor);
                let mut exit_code = ExitCode::Unhealthy;
                if self.gives_up {
                    return Err(Failure::Found { exit_code, errors });
                }
                errors.extend(self.note.clone());
                log_errors(&errors);
                if let Some(DeployFailure {
                    unwell: Some(unwell),
                    exit_code: of_deploy,
                    errors: why,
                    ..
                }) = &self.failure
                {
                    exit_code = *of_deploy;
                    let told = [why.clone(), vec![error(unwell)], errors];
                    errors = told.concat();
                }
                publisher.publish(RunnerStatus::failed(exit_code, errors, services));
            }
            LastHealth::Failed(_) => {}
        }
        *known = Some(found);
        Ok(())
    }

    /// The services are healthy; a failure is told all the same, but is nothing that monit could fix.
    fn post_well(&self, services: Vec<ServiceReport>, publisher: &mut StatusPublisher) {
        publisher.publish(match &self.failure {
            None => RunnerStatus {
                state: State::Up,
                exit_code: ExitCode::Ok,
                errors: Vec::new(),
                services,
                healthy: true,
            },
            Some(failure) => {
                let mut errors = failure.errors.clone();
                errors.push(error(&failure.well));
                RunnerStatus {
                    healthy: true,
                    ..RunnerStatus::failed(failure.exit_code, errors, services)
                }
            }
        });
    }
}

/// Whether SIGKILL ended a container: the engine may say a moment later that it was the kernel's.
fn is_kill(event: &Event) -> bool {
    let code = event.actor.attributes.get("exitCode");
    event.action == "die" && code.is_some_and(|code| code == "137")
}

/// Says that the state of the services is unknown.
fn post_away(engine: &docker_engine::Error, publisher: &mut StatusPublisher) {
    let mut found = error(
        "the engine does not answer, so that the state of the services is unknown; they go on without it",
    );
    found.causes = vec![engine.to_string()];
    found.hint = Some(
        "see dockerd.log. One that hangs, or whose socket is gone, wants a kill -9: monit starts another within 10 s, and the containers run through it; \
         `monit restart docker` stops them first"
            .to_owned(),
    );
    let word = RunnerStatus::failed(ExitCode::Failed, vec![found], Vec::new());
    if publisher.publish(word.clone()) {
        log_errors(&word.errors);
    }
}
