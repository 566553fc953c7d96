//! Whether the recipe is healthy, from what the engine says of its containers: a pure function of observations and time.
//!
//! Compose's own `up --wait` takes one look: it calls a finished one-shot a failure (docker/compose#10596) and a crash
//! loop that happens to run a success.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bosh_job::Gone;
use docker_engine::{Event, HealthStatus, Status};
use jiff::Timestamp;
use job_properties::{RestartLimit, Supervision};

use crate::{
    finished::Finished,
    health::{
        Beginning, ContainerSnapshot, Finding, OUT_OF_MEMORY_NEWS, Policy, RecipeHealth,
        ServiceHealth,
    },
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
    finished: Finished,
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
            finished: Finished::default(),
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
        self.finished.miss(seen, &self.ends);
        self.memories
            .retain(|id, _| seen.iter().any(|container| container.id == *id));
        self.ends.keep(seen);
        let (mut pending, mut failed) = (Vec::new(), Vec::new());
        for container in seen {
            if !self.expected.contains_key(&container.service) {
                continue;
            }
            self.remember(container, now);
            let wrong = |what| Finding {
                service: container.service.clone(),
                container: Some((container.id.clone(), container.name.clone())),
                what,
            };
            let health = self.judge(container, now, clock);
            self.finished.note(container, &health);
            match health {
                ServiceHealth::Stable | ServiceHealth::Finished => {}
                ServiceHealth::Pending(what) => pending.push(wrong(what)),
                ServiceHealth::Failed(what) => failed.push(wrong(what)),
            }
        }
        self.look_for_lacking(seen, now, &mut pending, &mut failed);
        match (failed.is_empty(), pending.is_empty()) {
            (false, _) => RecipeHealth::Failed(failed),
            (true, false) => RecipeHealth::Pending(pending),
            (true, true) => RecipeHealth::Healthy,
        }
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
        self.finished.removed(service) > 0
    }

    /// How long the services must run before they count as up.
    pub fn stable(&self) -> Duration {
        self.stable
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

    fn judge(
        &self,
        container: &ContainerSnapshot,
        now: Instant,
        clock: Timestamp,
    ) -> ServiceHealth {
        let memory = &self.memories[&container.id];
        let in_state = now.saturating_duration_since(memory.since);
        let restarts = memory.restarts.len() as u64;
        if restarts >= self.limit.restarts.max(1) {
            let seconds = self.limit.within.as_secs();
            // No count here: a crash loop must not be news at each turn.
            let limit = self.limit.restarts;
            let end = self
                .ends
                .last(&container.id)
                .map(|end| format!("; it last {end}"))
                .unwrap_or_default();
            return ServiceHealth::Failed(format!(
                "restarted at least {limit} times within {seconds} s{end}"
            ));
        }
        if let Some(gone) = &container.gone {
            return judge_gone(gone, container.status, in_state);
        }
        match container.status {
            Status::Running => self.judge_running(container, in_state, now, clock),
            Status::Exited => self.judge_exited(container, in_state),
            Status::Restarting => ServiceHealth::Pending(format!(
                "is restarting; it last {}",
                self.how_it_ended(container)
            )),
            Status::Created if !container.error.is_empty() => {
                ServiceHealth::Failed(format!("could not be started: {}", container.error))
            }
            Status::Created => ServiceHealth::Pending("has not been started".to_owned()),
            Status::Paused => ServiceHealth::Failed("is paused".to_owned()),
            Status::Dead => {
                ServiceHealth::Failed("is dead: the engine could not remove it".to_owned())
            }
            Status::Removing => ServiceHealth::Pending("is being removed".to_owned()),
            Status::Unknown => ServiceHealth::Pending("is in a state that is not known".to_owned()),
        }
    }

    fn how_it_ended(&self, container: &ContainerSnapshot) -> String {
        self.ends.last(&container.id).unwrap_or_default()
    }

    fn judge_exited(&self, container: &ContainerSnapshot, in_state: Duration) -> ServiceHealth {
        let end = self.how_it_ended(container);
        match container.policy {
            Policy::No | Policy::OnFailure
                if container.exit_code == 0 && container.error.is_empty() =>
            {
                ServiceHealth::Finished
            }
            Policy::No | Policy::OnFailure
                if in_state < OUT_OF_MEMORY_NEWS && self.ends.is_undecided(&container.id) =>
            {
                ServiceHealth::Pending(end)
            }
            Policy::No | Policy::OnFailure => ServiceHealth::Failed(end),
            // The engine starts it again, unless somebody stopped it by hand.
            Policy::Always if in_state < PATIENCE => ServiceHealth::Pending(end),
            Policy::Always => ServiceHealth::Failed(format!("{end}, and was not started again")),
        }
    }

    fn judge_running(
        &self,
        container: &ContainerSnapshot,
        in_state: Duration,
        now: Instant,
        clock: Timestamp,
    ) -> ServiceHealth {
        match container.health {
            Some(HealthStatus::Unhealthy) => {
                return ServiceHealth::Failed("is unhealthy".to_owned());
            }
            Some(HealthStatus::Starting) => {
                return ServiceHealth::Pending("is not yet healthy".to_owned());
            }
            Some(HealthStatus::Healthy | HealthStatus::None) | None => {}
        }
        let has_run = in_state.max(self.has_run_by_clock(container, now, clock));
        if has_run >= self.stable {
            ServiceHealth::Stable
        } else {
            ServiceHealth::Pending(format!(
                "has not been running for {} s",
                self.stable.as_secs()
            ))
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
        pending: &mut Vec<Finding>,
        failed: &mut Vec<Finding>,
    ) {
        for (service, expected) in &self.expected {
            let there = seen
                .iter()
                .filter(|container| container.service == *service)
                .count();
            if there >= *expected {
                self.finished.forget(service);
            }
            if there + self.finished.removed(service) >= *expected {
                self.lacking.remove(service);
                continue;
            }
            let since = *self.lacking.entry(service.clone()).or_insert(now);
            let what = match (there, *expected) {
                (0, 1) => "has no container".to_owned(),
                (there, expected) => format!("has {there} of {expected} containers"),
            };
            let wrong = Finding {
                service: service.clone(),
                container: None,
                what,
            };
            let lost = now.saturating_duration_since(since) >= PATIENCE;
            if lost {
                failed.push(wrong);
            } else {
                pending.push(wrong);
            }
        }
    }
}

/// The engine may be about to learn of an end that it has not said yet.
fn judge_gone(gone: &Gone, status: Status, in_state: Duration) -> ServiceHealth {
    if in_state < PATIENCE {
        return ServiceHealth::Pending(format!("{gone}, and the engine has not noticed yet"));
    }
    ServiceHealth::Failed(format!(
        "is dead: {gone}, although the engine calls it {}",
        status.word()
    ))
}

#[cfg(test)]
mod tests;
