//! What is remembered of a container between two looks.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use docker_engine::Status;
use jiff::Timestamp;

use crate::health::{Beginning, ContainerSnapshot};

/// More restarts than this need not be remembered: no limit is as high.
const MOST: usize = 1000;

#[derive(Debug)]
pub(super) struct Memory {
    /// The engine's count at the last look.
    counted: u64,
    /// When restarts since then were noticed.
    pub(super) restarts: VecDeque<Instant>,
    /// Status and start of its last look, and whether its process was gone.
    state: (Status, Option<Timestamp>, bool),
    /// When that was seen first.
    pub(super) since: Instant,
}

impl Memory {
    /// The first look at a container; restarts of one that is older than the recipe's beginning are not the recipe's.
    pub(super) fn of(container: &ContainerSnapshot, began: Beginning, now: Instant) -> Self {
        let is_new = container
            .created_at
            .is_some_and(|created| began.is_before(created));
        Self {
            counted: if is_new { 0 } else { container.restarts },
            restarts: VecDeque::new(),
            state: state(container),
            since: now,
        }
    }

    /// Another look; restarts older than `within` are forgotten.
    pub(super) fn update(&mut self, container: &ContainerSnapshot, now: Instant, within: Duration) {
        let state = state(container);
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
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
}

fn state(container: &ContainerSnapshot) -> (Status, Option<Timestamp>, bool) {
    (
        container.status,
        container.started_at,
        container.gone.is_some(),
    )
}
