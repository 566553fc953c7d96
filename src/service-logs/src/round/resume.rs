//! Going on where the last runner ended, or was killed.

use std::{collections::BTreeSet, sync::Arc};

use super::Round;
use crate::{container_log::ContainerLog, copying::note_removed, positions::Positions};

impl Round {
    /// Takes up what was followed, and cuts off the copies what was not noted any more.
    pub(super) fn resume(&mut self, positions: &Positions) {
        let (mut lost, mut removed) = (BTreeSet::new(), Vec::new());
        for (id, position) in &positions.containers {
            match ContainerLog::resume(id, position, &mut self.buffers.read) {
                Ok((container, found)) => {
                    if !found {
                        lost.insert(position.service.as_str());
                        if !container.is_there() {
                            removed.push(Arc::clone(&container.id));
                        }
                    }
                    self.active.insert(Arc::clone(&container.id));
                    self.containers.insert(Arc::clone(&container.id), container);
                }
                Err(error) => {
                    lost.insert(position.service.as_str());
                    tracing::warn!(
                        container = position.name,
                        "its output cannot be read: {error}"
                    );
                }
            }
        }
        for (service, position) in &positions.services {
            // What cannot be read a second time must not be cut off the copy.
            if lost.contains(service.as_str()) {
                continue;
            }
            if let Err(error) = self.services.resume(service, position) {
                self.trouble(service, &error);
            }
        }
        for id in removed {
            if let Some(container) = self.containers.remove(&id) {
                let noted = self
                    .services
                    .open(&container.source.service)
                    .and_then(|service| note_removed(&container, service));
                if let Err(error) = noted {
                    self.trouble(&container.source.name, &error);
                }
            }
        }
        // What was found out stands, should this process be killed at once.
        self.commit();
    }
}
