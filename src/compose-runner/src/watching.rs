//! The runner's long life: it looks at the containers whenever the engine says that something happened, posts what
//! changed, and otherwise sleeps.

use std::time::{Duration, Instant};

use bosh_job::{
    ExitCode,
    verdict::{ErrorReport, ServiceReport, State},
};
use docker_engine::{Engine, Event, Events, Status};
use jiff::Timestamp;

use crate::{
    board::{Board, Word, log_errors},
    cancel::Cancel,
    engine_socket::Held,
    failure::{Failure, Outcome, error},
    healing::Healing,
    listening::listen,
    observe,
    redact::Redactor,
    settled::Settled,
    watch::{OUT_OF_MEMORY_NEWS, Seen, Watch, Whole, Wrong},
};

/// Between two looks while something is on its way.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks while something is wrong: restarts that lie too far back clear without an event.
const LOOK_AT_WRONG: Duration = Duration::from_secs(30);
/// Between two looks while all is well, in case an event was missed. Each look costs a request for each container.
const LOOK_AT_REST: Duration = Duration::from_mins(5);
/// Events come in groups; one look serves them all.
const GROUP: Duration = Duration::from_millis(200);
/// Between two words of a quiet engine: one that hangs is silent, too.
const PULSE: Duration = Duration::from_secs(10);
/// An engine that does not answer within this time hangs.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two tries to reach an engine that has gone.
const RETRY: Duration = Duration::from_secs(1);
/// How long an engine may be away before that is posted: monit starts a dockerd that died within its cycle of 10 s.
const AWAY: Duration = Duration::from_secs(20);

/// The watch, and what it works with.
pub struct Watching<'a> {
    pub engine: &'a Engine,
    pub project: &'a str,
    /// The services' names.
    pub services: Vec<String>,
    pub watch: Watch,
    /// What the verdict tells although the services are well.
    pub reservation: Option<Reservation>,
    /// What the verdict tells besides as long as they have never been well.
    pub remark: Option<ErrorReport>,
    /// Whether it ends the watch that they are not well, as long as they have never been.
    pub gives_up: bool,
    /// What follows once the services are well.
    pub settled: Option<Settled>,
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

/// A deploy that failed, although its services are well: images of colocated jobs are not there, or the services are
/// those of the recipe of before.
pub struct Reservation {
    pub exit_code: ExitCode,
    /// Why it failed.
    pub errors: Vec<ErrorReport>,
    /// What is told of services that are well.
    pub well: String,
    /// Why and what is told of services that are not; nothing but these, if there is nothing here.
    pub unwell: Option<String>,
}

/// How the recipe fares, without what changes at each look.
#[derive(Clone, PartialEq, Eq)]
enum Known {
    Well,
    Failed(Vec<Wrong>),
}

impl Watching<'_> {
    /// Watches until the runner is told to end.
    pub fn run(mut self, board: &mut Board) -> Outcome<()> {
        let mut events: Option<Events> = None;
        let mut known: Option<Known> = None;
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
                        post_away(&error, board);
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
            let whole = self.watch.look(&seen, Instant::now(), Timestamp::now());
            let whole = self.bear_with_the_dead(whole, known.as_ref());
            let seen = self.watch.with_memory(seen);
            let rest = match &whole {
                _ if self.healing.is_busy() => LOOK,
                Whole::Pending(_) => LOOK,
                Whole::Failed(_) => LOOK_AT_WRONG,
                Whole::Well => LOOK_AT_REST,
            };
            let on_the_way = matches!(whole, Whole::Pending(_));
            self.judge(whole, &seen, &mut known, board)?;
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
    fn rest(&mut self, events: &mut Option<Events>, rest: Duration, seen: &[Seen]) -> bool {
        let Some(events) = events else { return false };
        let end = Instant::now() + rest;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match events.next_within(left.min(PULSE)) {
                Ok(None) if left <= PULSE => return true,
                // The engine has no event for an end that it missed.
                Ok(None) if self.is_any_gone(seen) => return true,
                Ok(None) if self.engine.ping(ANSWER).is_ok() => {}
                Ok(Some(event)) => {
                    self.watch.hear(&event);
                    self.cancel.sleep(if is_kill(&event) {
                        OUT_OF_MEMORY_NEWS
                    } else {
                        GROUP
                    });
                    while let Ok(Some(event)) = events.next_within(Duration::ZERO) {
                        self.watch.hear(&event);
                    }
                    return true;
                }
                Ok(None) | Err(_) => return false,
            }
        }
    }

    /// Whether the process of a container that was seen to run is gone.
    fn is_any_gone(&self, seen: &[Seen]) -> bool {
        let processes = observe::processes(self.engine);
        let mut running = seen.iter().filter(|container| {
            matches!(container.status, Status::Running | Status::Paused) && container.gone.is_none()
        });
        running.any(|container| processes.gone(container.pid, &container.id).is_some())
    }

    /// A container whose end the engine missed fails no start, and is no reason to go back to another recipe, as long as something is
    /// done about it and nothing else is known of the services.
    fn bear_with_the_dead(&self, whole: Whole, known: Option<&Known>) -> Whole {
        match whole {
            Whole::Failed(wrong)
                if known.is_none()
                    && wrong.iter().all(|wrong| {
                        let container = wrong.container.as_ref();
                        container.is_some_and(|(id, _)| self.healing.treats(id))
                    }) =>
            {
                Whole::Pending(wrong)
            }
            other => other,
        }
    }

    /// A report of each service. One that has done its work counts as it was, though its container was removed since.
    fn reports(&self, seen: &[Seen]) -> Vec<ServiceReport> {
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
        whole: Whole,
        seen: &[Seen],
        known: &mut Option<Known>,
        board: &mut Board,
    ) -> Outcome<()> {
        let now = Instant::now();
        let found = match whole {
            Whole::Well => Known::Well,
            Whole::Failed(wrong) => Known::Failed(wrong),
            Whole::Pending(wrong) if now >= self.deadline => {
                let seconds = self.start_timeout.as_secs();
                let late = |wrong: Wrong| Wrong {
                    what: format!("{} {seconds} s after the start", wrong.what),
                    ..wrong
                };
                Known::Failed(wrong.into_iter().map(late).collect())
            }
            // What was known stands until something is known again.
            Whole::Pending(_) => {
                if known.is_none() {
                    board.post(Word::starting(self.reports(seen)));
                }
                return Ok(());
            }
        };
        let services = self.reports(seen);
        let is_news = known.as_ref() != Some(&found);
        match &found {
            Known::Well => {
                // What was stable once is never rolled back, whatever is known of it later.
                self.gives_up = false;
                self.remark = None;
                if is_news {
                    let count = self.services.len();
                    tracing::info!(
                        "all {count} services stable for {} s",
                        self.watch.stable().as_secs()
                    );
                }
                // Before the word is out: what follows it counts on a recipe that is kept.
                if self.reservation.is_none()
                    && let Some(settled) = self.settled.take()
                {
                    settled.act();
                }
                self.post_well(services, board);
            }
            Known::Failed(wrong) if is_news => {
                let mut errors = observe::errors(self.engine, wrong, self.redactor);
                let mut exit_code = ExitCode::Unhealthy;
                if self.gives_up {
                    return Err(Failure::Found { exit_code, errors });
                }
                errors.extend(self.remark.clone());
                log_errors(&errors);
                if let Some(Reservation {
                    unwell: Some(unwell),
                    exit_code: of_deploy,
                    errors: why,
                    ..
                }) = &self.reservation
                {
                    exit_code = *of_deploy;
                    let told = [why.clone(), vec![error(unwell)], errors];
                    errors = told.concat();
                }
                board.post(Word::failed(exit_code, errors, services));
            }
            Known::Failed(_) => {}
        }
        *known = Some(found);
        Ok(())
    }

    /// The services are well; a reservation is told all the same, but is nothing that monit could mend.
    fn post_well(&self, services: Vec<ServiceReport>, board: &mut Board) {
        board.post(match &self.reservation {
            None => Word {
                state: State::Up,
                exit_code: ExitCode::Ok,
                errors: Vec::new(),
                services,
                healthy: true,
            },
            Some(reservation) => {
                let mut errors = reservation.errors.clone();
                errors.push(error(&reservation.well));
                Word {
                    healthy: true,
                    ..Word::failed(reservation.exit_code, errors, services)
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

/// Says that nobody knows how the services fare.
fn post_away(engine: &docker_engine::Error, board: &mut Board) {
    let mut found = error(
        "the engine does not answer, so that nobody knows how the services fare; they go on without it",
    );
    found.causes = vec![engine.to_string()];
    found.hint = Some(
        "see dockerd.log. One that hangs, or whose socket is gone, wants a kill -9: monit starts another within 10 s, and the containers run through it; \
         `monit restart docker` stops them first"
            .to_owned(),
    );
    let word = Word::failed(ExitCode::Failed, vec![found], Vec::new());
    if board.post(word.clone()) {
        log_errors(&word.errors);
    }
}
