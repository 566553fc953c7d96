//! The engine's events of a project's containers, those since the recipe began to come up included.

use std::time::Duration;

use docker_engine::{Engine, Events, Filters};

use crate::{compose::PROJECT_LABEL, watch::Watch};

/// Events of the past come at once; after a silence of this length there are no more.
const IDLE_TIMEOUT: Duration = Duration::from_millis(100);
/// More events of the past than the engine keeps (moby keeps 256).
const PAST: usize = 1000;

/// What matters of a container's life; health checks make an `exec_*` event at each probe, which does not.
const EVENTS: [&str; 12] = [
    "create",
    "start",
    "kill",
    "stop",
    "die",
    "destroy",
    "health_status",
    "oom",
    "pause",
    "unpause",
    "rename",
    "update",
];

/// Listens to events, and tells the watch of those since it began: a service may have crashed by now.
pub fn listen(engine: &Engine, project: &str, watch: &mut Watch) -> docker_engine::Result<Events> {
    let mut filters = Filters::default()
        .label(format!("{PROJECT_LABEL}={project}"))
        .with("type", "container");
    for event in EVENTS {
        filters = filters.with("event", event);
    }
    let mut events = engine.events(&filters, Some(watch.began().as_second()))?;
    for _ in 0..PAST {
        let Some(event) = events.next_within(IDLE_TIMEOUT)? else {
            break;
        };
        watch.on_event(&event);
    }
    Ok(events)
}
