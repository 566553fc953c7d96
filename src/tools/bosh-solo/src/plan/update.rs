//! Watch times and canaries (director: `deployment_plan/update_config.rb`, `starter.rb`).

use super::manifest::{PartialUpdateSpec, UpdateSpec};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How long to wait for an instance's jobs to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchTime {
    min: u64,
    max: u64,
}

impl WatchTime {
    /// Reads `MIN-MAX` or one number, in milliseconds.
    fn parse(value: &Value) -> Result<Self> {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let parsed = match text.split_once('-') {
            Some((min, max)) => (min.trim().parse(), max.trim().parse()),
            None => (text.trim().parse(), text.trim().parse()),
        };
        let (Ok(min), Ok(max)) = parsed else {
            bail!("watch time should be an integer or a range of two integers, not `{text}`");
        };
        if min > max {
            bail!("watch time `{text}`: the minimum is greater than the maximum");
        }
        Ok(Self { min, max })
    }

    /// The pauses between looks at an instance: the minimum first, then steps of 1 to 15 seconds.
    pub fn schedule(self) -> impl Iterator<Item = Duration> {
        let delta = self.max - self.min;
        let step = (delta / 9).clamp(1000, 15_000);
        let looks = usize::try_from(delta / step).unwrap_or(usize::MAX);
        std::iter::once(self.min)
            .chain(std::iter::repeat_n(step, looks))
            .map(Duration::from_millis)
    }

    /// What a group has that names none: it is looked at for five minutes.
    #[cfg(test)]
    pub fn five_minutes() -> Self {
        Self {
            min: 0,
            max: 300_000,
        }
    }

    /// The longest wait.
    pub fn longest(self) -> Duration {
        Duration::from_millis(self.max)
    }
}

/// A group's way of being updated.
#[derive(Debug, Clone, Copy)]
pub struct UpdateConfig {
    canaries: usize,
    canary: WatchTime,
    other: WatchTime,
}

impl UpdateConfig {
    /// What a group of `instances` says, over what the deployment says.
    pub fn parse(
        whole: &UpdateSpec,
        group: Option<&PartialUpdateSpec>,
        instances: usize,
    ) -> Result<Self> {
        let canaries = group
            .and_then(|group| group.canaries.as_ref())
            .unwrap_or(&whole.canaries);
        let canary = group
            .and_then(|group| group.canary_watch_time.as_ref())
            .unwrap_or(&whole.canary_watch_time);
        let other = group
            .and_then(|group| group.update_watch_time.as_ref())
            .unwrap_or(&whole.update_watch_time);
        // Read to refuse what a director refuses; instances are updated one at a time in any case.
        numerical(&whole.max_in_flight, instances).context("`max_in_flight`")?;
        Ok(Self {
            canaries: numerical(canaries, instances).context("`canaries`")?,
            canary: WatchTime::parse(canary).context("`canary_watch_time`")?,
            other: WatchTime::parse(other).context("`update_watch_time`")?,
        })
    }

    /// The watch time of the instance that is updated as number `position`, from 0.
    pub fn watch_time(self, position: usize) -> WatchTime {
        if position < self.canaries {
            self.canary
        } else {
            self.other
        }
    }
}

/// A count, or a percentage of `size`.
fn numerical(value: &Value, size: usize) -> Result<usize> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    match text.strip_suffix('%') {
        Some(percent) => percent
            .parse::<usize>()
            .ok()
            .map(|percent| percent * size / 100),
        None => text.parse().ok(),
    }
    .with_context(|| format!("`{text}` is neither an integer nor a percentage"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn milliseconds(value: &Value) -> Vec<u128> {
        WatchTime::parse(value)
            .unwrap()
            .schedule()
            .map(|pause| pause.as_millis())
            .collect()
    }

    #[test]
    fn a_watch_time_is_a_range_or_one_number() {
        assert_eq!(milliseconds(&json!("1000-4000")), [1000, 1000, 1000, 1000]);
        assert_eq!(milliseconds(&json!(5000)), [5000]);
        assert_eq!(milliseconds(&json!(" 0 - 300000 ")).len(), 21);
        assert_eq!(milliseconds(&json!("0-300000"))[1], 15_000);
    }

    #[test]
    fn refuses_a_watch_time_that_is_no_range() {
        for value in [
            json!("x"),
            json!("5-1"),
            json!("1-2-3"),
            json!(null),
            json!(true),
        ] {
            assert!(WatchTime::parse(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn canaries_may_be_a_percentage() {
        assert_eq!(numerical(&json!("50%"), 5).unwrap(), 2);
        assert_eq!(numerical(&json!(1), 5).unwrap(), 1);
        assert!(numerical(&json!("many"), 5).is_err());
    }
}
