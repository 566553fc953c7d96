//! What is remembered of a container between two looks.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    health::{Beginning, ContainerSnapshot, Policy},
    last_exits::LastExits,
};

/// More restarts than this need not be remembered: no limit is as high.
const MOST: usize = 1000;

#[derive(Debug)]
pub(super) struct Memory {
    /// As it was seen last.
    last: ContainerSnapshot,
    /// When it was seen first in this state.
    pub(super) since: Instant,
    /// The engine's count of restarts at the last look.
    counted: u64,
    /// When restarts since then were noticed.
    pub(super) restarts: VecDeque<Instant>,
    /// Whether it had done its work at the last look.
    pub(super) had_finished: bool,
}

impl Memory {
    /// The first look at a container; restarts of one that is older than the recipe's beginning are not the recipe's.
    pub(super) fn of(container: &ContainerSnapshot, began: Beginning, now: Instant) -> Self {
        let is_new = container
            .created_at
            .is_some_and(|created| began.is_before(created));
        Self {
            last: container.clone(),
            since: now,
            counted: if is_new { 0 } else { container.restarts },
            restarts: VecDeque::new(),
            had_finished: false,
        }
    }

    /// Another look; restarts older than `within` are forgotten.
    pub(super) fn update(&mut self, container: &ContainerSnapshot, now: Instant, within: Duration) {
        if !is_same_state(&self.last, container) {
            self.since = now;
        }
        self.last = container.clone();
        if container.restarts < self.counted {
            // The engine counts again when somebody starts it by hand.
            self.counted = 0;
        }
        let new = usize::try_from(container.restarts - self.counted)
            .unwrap_or(usize::MAX)
            .min(MOST);
        self.restarts.extend(std::iter::repeat_n(now, new));
        self.counted = container.restarts;
        self.restarts
            .retain(|restart| now.saturating_duration_since(*restart) < within);
        let excess = self.restarts.len().saturating_sub(MOST);
        self.restarts.drain(..excess);
    }

    /// The service whose work it did before it was removed. One that the engine starts again when it ends does none, and one that
    /// somebody stopped had not finished, whatever it exited with.
    pub(super) fn service_that_finished(&self, ends: &LastExits) -> Option<&str> {
        let Self {
            last, had_finished, ..
        } = self;
        // It may have ended and been removed between two looks.
        let has_finished = ends.is_done(&last.id) || (*had_finished && !ends.was_stopped(&last.id));
        (last.policy != Policy::Always && has_finished).then_some(&last.service)
    }
}

fn is_same_state(one: &ContainerSnapshot, other: &ContainerSnapshot) -> bool {
    one.status == other.status
        && one.started_at == other.started_at
        && one.gone.is_some() == other.gone.is_some()
}
