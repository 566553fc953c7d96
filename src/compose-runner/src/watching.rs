//! The runner's long life: it looks at the containers whenever the engine says that something happened, posts what
//! changed, and otherwise sleeps.

use std::time::{Duration, Instant};

use bosh_job::{ErrorReport, ExitCode};
use docker_engine::{Engine, Event, Events, Status};
use jiff::Timestamp;
use state_files::{ServiceReport, Verdict};

use crate::{
    cancel::Cancel,
    deploy_failure::DeployFailure,
    engine_socket::Held,
    failure::{Failure, Outcome, error},
    healing::Healing,
    health::{ContainerSnapshot, OUT_OF_MEMORY_NEWS, RecipeHealth},
    health_table::{Phase, Step, bear_with_treated, step},
    listening::listen,
    observe,
    on_stable::OnStable,
    redact::Redactor,
    status_publisher::{StatusPublisher, log_errors},
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

impl Watching<'_> {
    /// Watches until the runner is told to end.
    pub fn run(mut self, publisher: &mut StatusPublisher) -> Outcome<()> {
        let mut events: Option<Events> = None;
        let mut known: Option<RecipeHealth> = None;
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
            let health = self.watch.evaluate(&seen, Instant::now(), Timestamp::now());
            let health = bear_with_treated(health, known.as_ref(), |finding| {
                let container = finding.container.as_ref();
                container.is_some_and(|(id, _)| self.healing.treats(id))
            });
            let seen = self.watch.with_memory(seen);
            let rest = match &health {
                _ if self.healing.is_busy() => LOOK,
                RecipeHealth::Pending(_) => LOOK,
                RecipeHealth::Failed(_) => LOOK_AT_WRONG,
                RecipeHealth::Healthy => LOOK_AT_REST,
            };
            let on_the_way = matches!(health, RecipeHealth::Pending(_));
            self.follow(health, &seen, &mut known, publisher)?;
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

    /// Does what follows of the recipe's health. What was known stands until something is known again.
    fn follow(
        &mut self,
        mut health: RecipeHealth,
        seen: &[ContainerSnapshot],
        known: &mut Option<RecipeHealth>,
        publisher: &mut StatusPublisher,
    ) -> Outcome<()> {
        let phase = Phase {
            known: known.as_ref(),
            is_late: Instant::now() >= self.deadline,
            gives_up: self.gives_up,
            has_deploy_failed: self.failure.is_some(),
        };
        let step = step(&health, phase);
        if phase.is_late {
            health = health.overdue(self.start_timeout);
        }
        let is_news = phase.known != Some(&health);
        let (exit_code, errors) = match &health {
            RecipeHealth::Pending(_) => (ExitCode::Ok, Vec::new()),
            RecipeHealth::Healthy => {
                self.on_healthy(is_news);
                self.told_of_healthy()
            }
            RecipeHealth::Failed(_) if !is_news => return Ok(()),
            RecipeHealth::Failed(findings) => {
                let errors = observe::errors(self.engine, findings, self.redactor);
                if step == Step::GiveUp {
                    let exit_code = ExitCode::Unhealthy;
                    return Err(Failure::Found { exit_code, errors });
                }
                self.told_of_failed(errors)
            }
        };
        if let Step::Publish { state, is_healthy } = step {
            let verdict = Verdict::new(state, exit_code, errors, self.reports(seen));
            publisher.publish(verdict, is_healthy);
        }
        if !matches!(health, RecipeHealth::Pending(_)) {
            *known = Some(health);
        }
        Ok(())
    }

    /// The services are healthy: what follows before that is published, since anyone who reads it counts on a recipe that is kept.
    fn on_healthy(&mut self, is_news: bool) {
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
        if self.failure.is_none()
            && let Some(on_stable) = self.on_stable.take()
        {
            on_stable.run();
        }
    }

    /// What the verdict tells of services that are healthy: a deploy that failed all the same.
    fn told_of_healthy(&self) -> (ExitCode, Vec<ErrorReport>) {
        let Some(failure) = &self.failure else {
            return (ExitCode::Ok, Vec::new());
        };
        let mut errors = failure.errors.clone();
        errors.push(error(&failure.well));
        (failure.exit_code, errors)
    }

    /// What the verdict tells of services that are not, which is logged; and why the deploy had failed before.
    fn told_of_failed(&self, mut errors: Vec<ErrorReport>) -> (ExitCode, Vec<ErrorReport>) {
        errors.extend(self.note.clone());
        log_errors(&errors);
        match &self.failure {
            Some(DeployFailure {
                unwell: Some(unwell),
                exit_code,
                errors: why,
                ..
            }) => {
                let told = [why.clone(), vec![error(unwell)], errors];
                (*exit_code, told.concat())
            }
            _ => (ExitCode::Unhealthy, errors),
        }
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
    let errors = vec![found];
    if publisher.publish_failed(ExitCode::Failed, errors.clone()) {
        log_errors(&errors);
    }
}
