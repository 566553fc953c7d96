//! Containers that did their work and were removed since, by `docker container prune` for one: their services stay finished,
//! as they would with the container there.

use std::collections::BTreeMap;

use crate::{
    health::{ContainerSnapshot, Policy, ServiceHealth},
    last_exits::LastExits,
};

/// What is remembered of containers that may finish.
#[derive(Debug, Default)]
pub struct Finished {
    /// The containers of the last look that nobody starts again when they end, by ID.
    last: BTreeMap<String, Candidate>,
    /// How many of a service's containers had finished when they were removed.
    removed: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Candidate {
    service: String,
    had_finished: bool,
}

impl Finished {
    /// Looks which containers are gone since the last look. One that somebody stopped had not finished, whatever it exited with.
    pub fn miss(&mut self, seen: &[ContainerSnapshot], ends: &LastExits) {
        for (id, candidate) in std::mem::take(&mut self.last) {
            let is_there = seen.iter().any(|container| container.id == id);
            // It may have ended and been removed between two looks.
            let finished = ends.is_done(&id) || (candidate.had_finished && !ends.was_stopped(&id));
            if !is_there && finished {
                *self.removed.entry(candidate.service).or_default() += 1;
            }
        }
    }

    /// Notes the health of a container at this evaluation.
    pub fn note(&mut self, container: &ContainerSnapshot, health: ServiceHealth) {
        if container.policy != Policy::Always {
            let candidate = Candidate {
                service: container.service.clone(),
                had_finished: health == ServiceHealth::Finished,
            };
            self.last.insert(container.id.clone(), candidate);
        }
    }

    /// How many of a service's containers had finished when they were removed.
    pub fn removed(&self, service: &str) -> usize {
        self.removed.get(service).copied().unwrap_or_default()
    }

    /// A service has all its containers again: those that were removed count no more.
    pub fn forget(&mut self, service: &str) {
        self.removed.remove(service);
    }
}
