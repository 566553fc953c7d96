//! Why `up` failed: the services that have failed by now, with their last words.
//!
//! When `up` fails, containers that it did not get to are as an earlier deploy left them, with the error of their last start or
//! their last exit code. That is not this deploy's.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bosh_job::ErrorReport;
use docker_engine::{Engine, Status};
use jiff::Timestamp;

use crate::{
    health::{ContainerSnapshot, OUT_OF_MEMORY_NEWS, RecipeHealth},
    listening::listen,
    observe,
    redact::Redactor,
    watch::Watch,
};

/// How the containers were before `up`.
#[derive(Debug, Default)]
pub struct EarlierErrors {
    /// The error of each container's last start, by ID.
    errors: BTreeMap<String, String>,
}

impl EarlierErrors {
    /// Looks at the containers that there are. What cannot be asked for is not known: then all errors count as new.
    pub fn look(engine: &Engine, project: &str, redactor: &Redactor) -> Self {
        let seen = observe::containers(engine, project, redactor).unwrap_or_default();
        let errors = seen
            .into_iter()
            .map(|container| (container.id, container.error));
        Self {
            errors: errors.collect(),
        }
    }

    /// Whether a container has been left as it was: it does not run, was not started since, and no start of it has failed since.
    /// The engine does not say when a start failed; Compose repeats the error of one that it tried.
    fn was_left(&self, container: &ContainerSnapshot, began: Timestamp, said: &[String]) -> bool {
        let since = |time: Option<Timestamp>| time.is_some_and(|time| time >= began);
        let has_failed_again = || {
            let first_line = container.error.lines().next().map(str::trim);
            first_line.is_some_and(|error| said.iter().any(|line| line.contains(error)))
        };
        matches!(container.status, Status::Created | Status::Exited)
            && !since(container.created_at)
            && !since(container.started_at)
            && self.errors.get(&container.id) == Some(&container.error)
            && !has_failed_again()
    }
}

/// Errors for the services that have failed by now; when time is over, also for those that are on their way. `said` is what Compose said.
pub fn errors(
    engine: &Engine,
    project: &str,
    mut watch: Watch,
    before: &EarlierErrors,
    said: &[String],
    timed_out: bool,
    redactor: &Redactor,
) -> Vec<ErrorReport> {
    // Events alone tell some ends; the look stands without them.
    let _ = listen(engine, project, &mut watch);
    let look = |watch: &mut Watch| {
        let mut seen = observe::containers(engine, project, redactor).ok()?;
        let began = watch.began();
        seen.retain(|container| !before.was_left(container, began, said));
        Some(watch.evaluate(&seen, Instant::now(), Timestamp::now()))
    };
    let mut whole = look(&mut watch);
    if watch.awaits_out_of_memory() {
        std::thread::sleep(OUT_OF_MEMORY_NEWS + Duration::from_millis(100));
        whole = look(&mut watch);
    }
    match whole {
        Some(RecipeHealth::Failed(wrong)) => observe::errors(engine, &wrong, redactor),
        Some(RecipeHealth::Pending(waiting)) if timed_out => {
            observe::errors(engine, &waiting, redactor)
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_or_exit_of_an_earlier_deploy_is_not_told_as_this_ones() {
        let began: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let (earlier, later) = (
            Some("2026-11-19T12:00:00Z".parse().unwrap()),
            Some("2026-11-20T12:00:01Z".parse().unwrap()),
        );
        let container = ContainerSnapshot {
            id: "a".into(),
            status: Status::Created,
            exit_code: 127,
            error: "no such program".into(),
            created_at: earlier,
            ..ContainerSnapshot::default()
        };
        let exited = ContainerSnapshot {
            status: Status::Exited,
            error: String::new(),
            started_at: earlier,
            ..container.clone()
        };
        let before = EarlierErrors {
            errors: [("a".to_owned(), container.error.clone())].into(),
        };
        let after_end = EarlierErrors {
            errors: [("a".to_owned(), String::new())].into(),
        };
        assert!(before.was_left(&container, began, &[]));
        assert!(after_end.was_left(&exited, began, &["another".to_owned()]));
        // Compose tried it, and says so; or the error is another; or it is new; or it was started.
        let said = ["Error response from daemon: no such program".to_owned()];
        assert!(!before.was_left(&container, began, &said));
        assert!(!after_end.was_left(&container, began, &[]));
        assert!(!EarlierErrors::default().was_left(&container, began, &[]));
        for new in [
            ContainerSnapshot {
                created_at: later,
                ..container.clone()
            },
            ContainerSnapshot {
                started_at: later,
                ..container.clone()
            },
            ContainerSnapshot {
                status: Status::Running,
                ..container
            },
        ] {
            assert!(!before.was_left(&new, began, &[]), "{new:?}");
        }
    }
}
