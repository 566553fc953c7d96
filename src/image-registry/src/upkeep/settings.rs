//! What is configured of upkeep: properties `retention`, `collect` and `scrub`.

use std::time::Duration;

use bosh_job::{Problem, Problems};
use serde_json::Value;

use crate::retention::Rules;

/// Bytes a second that a scrub reads: it ends with 1 TB in 28 hours, and no client feels it.
const SCRUB_RATE: u64 = 10_000_000;
const WEEK: u64 = 7 * 24;
/// A hundred years.
const MOST_HOURS: u64 = 876_000;

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What stays in which repositories.
    pub rules: Rules,
    /// How often the disk is freed; nothing for only when an operator asks.
    pub collect_every: Option<Duration>,
    /// Whether the rules are applied before each of these collections.
    pub retains: bool,
    /// How often all blobs are read again; nothing for never.
    pub scrub_every: Option<Duration>,
    /// How many bytes a second are read for that.
    pub scrub_rate: u64,
}

impl Settings {
    /// Reads the properties `retention`, `collect` and `scrub`.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn parse(retention: &Value, collect: &Value, scrub: &Value) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let rules = problems.note_all(Rules::parse(retention));
        keys(
            &mut problems,
            "collect",
            collect,
            &["every_hours", "retention"],
        );
        keys(
            &mut problems,
            "scrub",
            scrub,
            &["every_hours", "bytes_per_second"],
        );
        let hours = |hours: u64| (hours > 0).then(|| Duration::from_hours(hours));
        let settings = Self {
            rules: rules.unwrap_or_default(),
            collect_every: hours(number(&mut problems, "collect", collect, "every_hours", 0)),
            retains: flag(&mut problems, "collect", collect, "retention"),
            scrub_every: hours(number(&mut problems, "scrub", scrub, "every_hours", WEEK)),
            scrub_rate: number(
                &mut problems,
                "scrub",
                scrub,
                "bytes_per_second",
                SCRUB_RATE,
            ),
        };
        if settings.scrub_rate == 0 && settings.scrub_every.is_some() {
            let problem = Problem::new("scrub.bytes_per_second", "at this rate nothing is read");
            problems.push(problem.hint("write 1 or more, or scrub.every_hours: 0 for no scrub"));
        }
        if settings.retains && settings.rules.is_empty() {
            let what = "there are no rules to apply";
            let problem = Problem::new("collect.retention", what);
            problems.push(problem.hint("write rules in property `retention`"));
        }
        problems.into_result(Some(settings))
    }
}

fn keys(problems: &mut Problems, property: &str, value: &Value, known: &[&str]) {
    let entries = match value {
        Value::Null => return,
        Value::Object(entries) => entries,
        _ => {
            let what = format!("has to have keys: {}", known.join(", "));
            problems.push(Problem::new(property, what));
            return;
        }
    };
    for key in entries.keys().filter(|key| !known.contains(&key.as_str())) {
        let problem = Problem::new(format!("{property}.{key}"), "there is no such key");
        problems.push(problem.hint(format!("there are {}", known.join(", "))));
    }
}

fn number(problems: &mut Problems, property: &str, of: &Value, key: &str, default: u64) -> u64 {
    let most = if key == "every_hours" {
        MOST_HOURS
    } else {
        u64::MAX
    };
    match &of[key] {
        Value::Null => default,
        value => value.as_u64().filter(|it| *it <= most).unwrap_or_else(|| {
            let what = format!("is no whole number from 0 to {most}");
            problems.push(Problem::new(format!("{property}.{key}"), what));
            default
        }),
    }
}

fn flag(problems: &mut Problems, property: &str, of: &Value, key: &str) -> bool {
    match &of[key] {
        Value::Null => false,
        value => value.as_bool().unwrap_or_else(|| {
            let what = "is neither true nor false";
            problems.push(Problem::new(format!("{property}.{key}"), what));
            false
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn without_properties_nothing_goes_and_all_is_read_every_week() {
        let settings = Settings::parse(&Value::Null, &Value::Null, &Value::Null).unwrap();
        assert!(settings.rules.is_empty() && !settings.retains);
        assert_eq!(settings.collect_every, None);
        assert_eq!(settings.scrub_every, Some(Duration::from_hours(168)));
        assert_eq!(settings.scrub_rate, 10_000_000);
        let scrub = json!({"every_hours": 0, "bytes_per_second": 0});
        let off = Settings::parse(&json!([]), &json!({"every_hours": 24}), &scrub).unwrap();
        assert_eq!(off.collect_every, Some(Duration::from_hours(24)));
        assert_eq!(off.scrub_every, None);
    }

    #[test]
    fn all_that_is_wrong_is_named_by_its_path() {
        let retention = json!([
            {"repositories": "team/", "keep_tags": 1},
            {"repositories": "", "keep_tags": 0, "keep_matching": ["a b"], "older_than": "30", "not_pulled_for": 5, "keep": 1},
            {"repositories": "a/", "keep_matching": ["v*"]},
            7,
        ]);
        let collect = json!({"every_hours": -1, "retention": "yes", "grace": 1});
        let scrub = json!({"bytes_per_second": 0, "every_hours": 1e9});
        let problems = Settings::parse(&retention, &collect, &scrub).unwrap_err();
        let found: Vec<&str> = problems.iter().map(|it| it.property.as_str()).collect();
        let expected = [
            "retention[1].keep",
            "retention[1].repositories",
            "retention[1].keep_tags",
            "retention[1].keep_matching",
            "retention[1].older_than",
            "retention[1].not_pulled_for",
            "retention[2]",
            "retention[3]",
            "collect.grace",
            "collect.every_hours",
            "collect.retention",
            "scrub.every_hours",
            "scrub.bytes_per_second",
        ];
        assert_eq!(found, expected);
        let no_list = Settings::parse(&json!({}), &json!(1), &json!([])).unwrap_err();
        assert_eq!(no_list.iter().count(), 3, "{no_list}");
    }
}
