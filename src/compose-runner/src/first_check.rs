//! When the engine runs a health check for the first time. With `interval: 5m` that is five minutes after the start, and no
//! service becomes healthy before.

use std::time::Duration;

use bosh_job::ErrorReport;
use docker_engine::{ApiVersion, Container, Engine, HealthStatus, Healthcheck};

use crate::{failure::error, model::Model};

/// Between two checks, unless the recipe or the image says otherwise (moby, `daemon/health.go`).
const INTERVAL: Duration = Duration::from_secs(30);
/// Between two checks within `start_period`, likewise.
const START_INTERVAL: Duration = Duration::from_secs(5);

const HINT: &str = "raise `start_timeout`, or give the `healthcheck` a shorter `interval`, or (engine 25 and later) a `start_period` with a `start_interval`";

/// How long after a start the first check comes.
pub fn after(check: &Healthcheck, knows_start_interval: bool) -> Duration {
    let or = |value: i64, default| match u64::try_from(value) {
        Ok(0) | Err(_) => default,
        Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
    };
    if knows_start_interval && check.start_period > 0 {
        or(check.start_interval, START_INTERVAL)
    } else {
        or(check.interval, INTERVAL)
    }
}

/// Services whose first check comes when the start must be over.
pub fn too_late(model: &Model, engine: &Engine, start_timeout: Duration) -> Vec<ErrorReport> {
    let knows = knows_start_interval(engine);
    let services = model.services.iter();
    services
        .filter(|(_, service)| service.replicas > 0)
        .filter_map(|(name, service)| {
            let first = after(service.healthcheck.as_ref()?, knows);
            if first < start_timeout {
                return None;
            }
            let mut found = error(format!(
                "service {name}: its first health check comes {} after its start, and `start_timeout` is {}",
                in_words(first),
                in_words(start_timeout)
            ));
            found.service = Some(name.clone());
            found.property = Some("start_timeout".to_owned());
            found.hint = Some(HINT.to_owned());
            Some(found)
        })
        .collect()
}

/// What there is to say of a container whose health is not known because no check has run yet: why, and what to do.
pub fn awaited(container: &Container, engine: &Engine) -> Option<(String, &'static str)> {
    let health = container.state.health.as_ref()?;
    if health.status != HealthStatus::Starting || !health.log.is_empty() {
        return None;
    }
    let check = container.config.healthcheck.clone().unwrap_or_default();
    let first = in_words(after(&check, knows_start_interval(engine)));
    let why = format!("no health check has ended yet: the first comes {first} after the start");
    Some((why, HINT))
}

/// Engine 25 and later do, API 1.44. One that does not answer now is asked again soon.
fn knows_start_interval(engine: &Engine) -> bool {
    engine
        .api_version()
        .is_ok_and(|version| version >= ApiVersion::new(1, 44))
}

/// "90 s", "5 min".
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn the_interval_counts_unless_a_start_period_has_one_of_its_own() {
        let check = |interval, start_period, start_interval| Healthcheck {
            interval: interval * SECOND,
            start_period: start_period * SECOND,
            start_interval: start_interval * SECOND,
        };
        for (check, knows, seconds) in [
            (check(300, 0, 0), true, 300),
            (check(300, 0, 2), true, 300),
            (check(300, 10, 0), true, 5),
            (check(300, 10, 2), true, 2),
            (check(300, 10, 2), false, 300),
            (check(0, 0, 0), true, 30),
        ] {
            assert_eq!(
                after(&check, knows),
                Duration::from_secs(seconds),
                "{check:?} {knows}"
            );
        }
        assert_eq!(in_words(Duration::from_mins(5)), "5 min");
        assert_eq!(in_words(Duration::from_secs(90)), "90 s");
    }
}
