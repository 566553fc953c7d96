//! How the recipe is watched, and how long things may take.

use std::time::Duration;

use serde_json::Value;

use super::properties::Properties;
use super::values::{boolean, kind, number};
use bosh_job::stop_bounds::SERVICES;
use bosh_job::{Problem, Problems};

/// How the recipe is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// `stable_seconds`: how long a service must run before it counts as up.
    pub stable: Duration,
    /// `start_timeout`: how long `post-start` waits for the verdict, imports and `up` included.
    pub start_timeout: Duration,
    /// `stop_timeout`: the recipe's share of a stop.
    pub stop_timeout: Duration,
    /// `restart_limit`.
    pub restart_limit: RestartLimit,
    /// `rollback_on_failure`: whether the last recipe that was healthy comes back when a new one does not get stable.
    pub rollback_on_failure: bool,
}

/// So many restarts within such a time mean that a service is failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartLimit {
    /// Restarts.
    pub restarts: u64,
    /// Time in which they count.
    pub within: Duration,
}

pub(super) fn parse(properties: &Properties) -> Result<Supervision, Problems> {
    let mut problems = Problems::default();
    let mut seconds = |property: &str, value: &Value, min: u64, max: u64| {
        problems
            .note(number(property, value, "seconds", min, max))
            .map(Duration::from_secs)
    };
    let stable = seconds("stable_seconds", &properties.stable_seconds, 0, 3600);
    let start_timeout = seconds("start_timeout", &properties.start_timeout, 1, 86_400);
    let stop_timeout = seconds(
        "stop_timeout",
        &properties.stop_timeout,
        1,
        SERVICES.as_secs(),
    );
    let restart_limit = problems.note_all(restart_limit(&properties.restart_limit));
    let rollback_on_failure = problems.note(boolean(
        "rollback_on_failure",
        &properties.rollback_on_failure,
    ));
    let supervision = (|| {
        Some(Supervision {
            stable: stable?,
            start_timeout: start_timeout?,
            stop_timeout: stop_timeout?,
            restart_limit: restart_limit?,
            rollback_on_failure: rollback_on_failure?,
        })
    })();
    problems.into_result(supervision)
}

fn restart_limit(value: &Value) -> Result<RestartLimit, Problems> {
    let Value::Object(map) = value else {
        let what = format!(
            "must be a map with `restarts` and `seconds`, and is {}",
            kind(value)
        );
        return Err(Problem::new("restart_limit", what).into());
    };
    let mut problems = Problems::default();
    for name in map
        .keys()
        .filter(|name| !["restarts", "seconds"].contains(&name.as_str()))
    {
        problems.push(Problem::new(
            format!("restart_limit.{name}"),
            "is unknown; there are `restarts` and `seconds`",
        ));
    }
    let mut part = |name: &str, unit: &str, max: u64| {
        let property = format!("restart_limit.{name}");
        problems.note(number(
            &property,
            map.get(name).unwrap_or(&Value::Null),
            unit,
            1,
            max,
        ))
    };
    let restarts = part("restarts", "restarts", 1000);
    let seconds = part("seconds", "seconds", 86_400);
    let limit = restarts
        .zip(seconds)
        .map(|(restarts, seconds)| RestartLimit {
            restarts,
            within: Duration::from_secs(seconds),
        });
    problems.into_result(limit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::with;
    use super::*;

    #[test]
    fn reads_seconds_as_durations() {
        let supervision = with(&[("stable_seconds", json!(5))]).supervision().unwrap();
        assert_eq!(supervision.stable, Duration::from_secs(5));
        assert_eq!(
            supervision.restart_limit,
            RestartLimit {
                restarts: 3,
                within: Duration::from_mins(5)
            }
        );
    }

    #[test]
    fn says_everything_that_is_wrong_at_once() {
        let problems = with(&[
            ("stable_seconds", json!(-1)),
            ("start_timeout", json!("10m")),
            ("stop_timeout", json!(181)),
            ("restart_limit", json!({"restarts": 0, "second": 3})),
            ("rollback_on_failure", json!("yes")),
        ])
        .supervision()
        .unwrap_err();
        let named: Vec<_> = problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect();
        assert_eq!(
            named,
            [
                "stable_seconds",
                "start_timeout",
                "stop_timeout",
                "restart_limit.second",
                "restart_limit.restarts",
                "restart_limit.seconds",
                "rollback_on_failure"
            ]
        );
    }
}
