//! Whether the recipe is healthy, from what the engine says of its containers: a pure function of observations and time. What
//! earlier looks told is remembered here; the rules are in `health_table.rs`.
//!
//! Compose's own `up --wait` takes one look: it calls a finished one-shot a failure (docker/compose#10596) and a crash
//! loop that happens to run a success.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use docker_engine::Event;
use jiff::Timestamp;
use job_properties::{RestartLimit, Supervision};

use crate::{
    health::{
        Beginning, ContainerSnapshot, Finding, OUT_OF_MEMORY_NEWS, Reason, RecipeHealth,
        ServiceHealth,
    },
    health_table::{Age, History, health_of_lacking, recipe_health, service_health},
    last_exits::LastExits,
};

mod memory;

use memory::Memory;

/// How long a state that the engine may be about to leave by itself is borne with: a container with a restart policy
/// that has ended, or one that has gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// The watch over a recipe's containers.
#[derive(Debug)]
pub struct Watch {
    stable: Duration,
    limit: RestartLimit,
    /// Services and how many containers each shall have.
    expected: BTreeMap<String, usize>,
    memories: BTreeMap<String, Memory>,
    ends: LastExits,
    /// How many of a service's containers had done their work when they were removed, by `docker container prune` for one: it
    /// stays finished, as it would with the containers there.
    removed: BTreeMap<String, usize>,
    /// Services that lack containers, and since when.
    lacking: BTreeMap<String, Instant>,
    began: Beginning,
}

impl Watch {
    /// A watch over services and how many containers each shall have. Restarts of containers that were made before
    /// `began` count from the first look on.
    pub fn new(
        supervision: &Supervision,
        expected: BTreeMap<String, usize>,
        began: Beginning,
    ) -> Self {
        Self {
            stable: supervision.stable,
            limit: supervision.restart_limit,
            expected,
            memories: BTreeMap::new(),
            ends: LastExits::default(),
            removed: BTreeMap::new(),
            lacking: BTreeMap::new(),
            began,
        }
    }

    /// When the recipe began to come up.
    pub fn began(&self) -> Timestamp {
        self.began.clock
    }

    /// Hears of something that happened between two looks.
    pub fn on_event(&mut self, event: &Event) {
        self.ends.on_event(event);
    }

    /// Takes a look at all containers of the project.
    pub fn evaluate(
        &mut self,
        seen: &[ContainerSnapshot],
        now: Instant,
        clock: Timestamp,
    ) -> RecipeHealth {
        self.forget_removed(seen);
        let mut services = Vec::new();
        for container in seen {
            if !self.expected.contains_key(&container.service) {
                continue;
            }
            self.remember(container, now);
            let health = service_health(container, self.history(container, now, clock));
            if let Some(memory) = self.memories.get_mut(&container.id) {
                memory.had_finished = health == ServiceHealth::Finished;
            }
            if let ServiceHealth::Pending(reason) | ServiceHealth::Failed(reason) = health {
                let finding = Finding {
                    service: container.service.clone(),
                    container: Some((container.id.clone(), container.name.clone())),
                    what: self.words(reason, container),
                };
                services.push((health, finding));
            }
        }
        self.look_for_lacking(seen, now, &mut services);
        recipe_health(services)
    }

    /// The containers, with what the engine has said of them before and does not say any more.
    pub fn with_memory(&self, mut seen: Vec<ContainerSnapshot>) -> Vec<ContainerSnapshot> {
        for container in &mut seen {
            container.oom_killed |= self.ends.out_of_memory(&container.id);
        }
        seen
    }

    /// Whether a container was killed, and the engine may still say that the kernel did it.
    pub fn awaits_out_of_memory(&self) -> bool {
        self.memories.keys().any(|id| self.ends.is_undecided(id))
    }

    /// Whether a service has done its work, and its containers were removed since.
    pub fn has_finished(&self, service: &str) -> bool {
        self.removed.contains_key(service)
    }

    /// How long the services must run before they count as up.
    pub fn stable(&self) -> Duration {
        self.stable
    }

    fn forget_removed(&mut self, seen: &[ContainerSnapshot]) {
        let is_there = |id: &str| seen.iter().any(|container| container.id == id);
        for (_, memory) in self.memories.extract_if(.., |id, _| !is_there(id)) {
            if let Some(service) = memory.service_that_finished(&self.ends) {
                *self.removed.entry(service.to_owned()).or_default() += 1;
            }
        }
        self.ends.keep(seen);
    }

    fn remember(&mut self, container: &ContainerSnapshot, now: Instant) {
        let began = self.began;
        let memory = self
            .memories
            .entry(container.id.clone())
            .or_insert_with(|| Memory::of(container, began, now));
        self.ends.see(container);
        memory.update(container, now, self.limit.within);
    }

    fn history(&self, container: &ContainerSnapshot, now: Instant, clock: Timestamp) -> History {
        let memory = &self.memories[&container.id];
        let in_state = now.saturating_duration_since(memory.since);
        let has_run = in_state.max(self.has_run_by_clock(container, now, clock));
        History {
            is_at_limit: memory.restarts.len() as u64 >= self.limit.restarts.max(1),
            has_run: has_run >= self.stable,
            may_be_out_of_memory: self.ends.is_undecided(&container.id),
            age: age(in_state),
        }
    }

    /// What is told of a container.
    fn words(&self, reason: Reason, container: &ContainerSnapshot) -> String {
        let end = self.ends.last(&container.id);
        let or_nothing = |end: Option<String>| end.unwrap_or_default();
        let gone = || {
            let gone = container.gone.as_ref();
            gone.map(ToString::to_string).unwrap_or_default()
        };
        match reason {
            // No count here: a crash loop must not be news at each turn.
            Reason::RestartLimit => format!(
                "restarted at least {} times within {} s{}",
                self.limit.restarts,
                self.limit.within.as_secs(),
                or_nothing(end.map(|end| format!("; it last {end}")))
            ),
            Reason::GoneJustNow => format!("{}, and the engine has not noticed yet", gone()),
            Reason::Gone => format!(
                "is dead: {}, although the engine calls it {}",
                gone(),
                container.status.word()
            ),
            Reason::Unhealthy => "is unhealthy".to_owned(),
            Reason::NotYetHealthy => "is not yet healthy".to_owned(),
            Reason::NotYetStable => {
                format!("has not been running for {} s", self.stable.as_secs())
            }
            Reason::Ended => or_nothing(end),
            Reason::NotStartedAgain => format!("{}, and was not started again", or_nothing(end)),
            Reason::Restarting => format!("is restarting; it last {}", or_nothing(end)),
            Reason::NotStarted => "has not been started".to_owned(),
            Reason::StartFailed => format!("could not be started: {}", container.error),
            Reason::Paused => "is paused".to_owned(),
            Reason::Dead => "is dead: the engine could not remove it".to_owned(),
            Reason::Removing => "is being removed".to_owned(),
            Reason::Unknown => "is in a state that is not known".to_owned(),
            Reason::Missing => how_many(0, 1),
        }
    }

    /// A container that ran before the watch began has been stable for longer than it was watched. The clock may have been
    /// set since: back, then what was watched is more; forward, then one that was started since cannot have run for longer
    /// than that is ago.
    fn has_run_by_clock(
        &self,
        container: &ContainerSnapshot,
        now: Instant,
        clock: Timestamp,
    ) -> Duration {
        let Some(started) = container.started_at else {
            return Duration::ZERO;
        };
        let by_clock = Duration::try_from(clock.duration_since(started)).unwrap_or_default();
        if started < self.began.clock {
            by_clock
        } else {
            by_clock.min(now.saturating_duration_since(self.began.instant))
        }
    }

    fn look_for_lacking(
        &mut self,
        seen: &[ContainerSnapshot],
        now: Instant,
        services: &mut Vec<(ServiceHealth, Finding)>,
    ) {
        for (service, expected) in &self.expected {
            let there = seen
                .iter()
                .filter(|container| container.service == *service)
                .count();
            if there >= *expected {
                // All are there again: those that were removed count no more.
                self.removed.remove(service);
            }
            let removed = self.removed.get(service).copied().unwrap_or_default();
            if there + removed >= *expected {
                self.lacking.remove(service);
                continue;
            }
            let since = *self.lacking.entry(service.clone()).or_insert(now);
            let finding = Finding {
                service: service.clone(),
                container: None,
                what: how_many(there, *expected),
            };
            let age = age(now.saturating_duration_since(since));
            services.push((health_of_lacking(age), finding));
        }
    }
}

fn age(time: Duration) -> Age {
    if time < OUT_OF_MEMORY_NEWS {
        Age::New
    } else if time < PATIENCE {
        Age::Recent
    } else {
        Age::Lasting
    }
}

fn how_many(there: usize, expected: usize) -> String {
    match (there, expected) {
        (0, 1) => "has no container".to_owned(),
        (there, expected) => format!("has {there} of {expected} containers"),
    }
}

#[cfg(test)]
mod tests;
