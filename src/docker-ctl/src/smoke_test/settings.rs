//! The properties of the job `smoke-tests`.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bosh_job::{Advise, ExitCode, Problem, Problems};
use serde::Deserialize;
use serde_json::Value;

/// Most that the whole test may take; an errand that hangs longer than that is of no use to anybody.
const LONGEST: u64 = 3600;

/// What the operator asked for.
#[derive(Debug)]
pub struct Settings {
    /// Bound of the whole test.
    pub timeout: Duration,
    /// Names that containers must resolve.
    pub dns_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    properties: Raw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    timeout: Value,
    dns_names: Value,
}

impl Settings {
    /// Reads what the job's template rendered.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("reading the configuration {}", path.display()))
            .hint("the job `smoke-tests` brings it: apply operations/smoke-tests.yml")
            .exits(ExitCode::BadConfig)?;
        let file: File = serde_json::from_slice(&bytes)
            .with_context(|| {
                format!(
                    "the configuration {} does not fit this program",
                    path.display()
                )
            })
            .exits(ExitCode::BadConfig)?;
        Ok(file.properties.parse()?)
    }
}

impl Raw {
    fn parse(self) -> Result<Settings, Problems> {
        let mut problems = Problems::default();
        let timeout = problems.note(seconds(&self.timeout));
        let dns_names = problems.note(names(&self.dns_names));
        let settings = timeout
            .zip(dns_names)
            .map(|(timeout, dns_names)| Settings { timeout, dns_names });
        problems.into_result(settings)
    }
}

fn seconds(value: &Value) -> Result<Duration, Problem> {
    value
        .as_u64()
        .filter(|seconds| (10..=LONGEST).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Problem::new(
                "timeout",
                format!("must be a number of seconds from 10 to {LONGEST}, and is {value}"),
            )
        })
}

fn names(value: &Value) -> Result<Vec<String>, Problem> {
    let wrong = |what: &str| {
        Problem::new(
            "dns_names",
            format!("must be a list of host names, and {what}"),
        )
        .hint("for example `dns_names: [registry.example.com]`")
    };
    let list = value.as_array().ok_or_else(|| wrong("is no list"))?;
    list.iter()
        .map(|name| {
            name.as_str()
                .filter(|name| is_host_name(name))
                .map(str::to_owned)
                .ok_or_else(|| wrong(&format!("has {name} in it")))
        })
        .collect()
}

fn is_host_name(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= 254 && !name.starts_with('-') && name.bytes().all(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn load(properties: &Value) -> anyhow::Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, json!({"properties": properties}).to_string()).unwrap();
        Settings::load(&path)
    }

    #[test]
    fn takes_what_the_spec_describes() {
        let settings =
            load(&json!({"timeout": 60, "dns_names": ["a.example", "upcheck.bosh-dns."]}));
        let settings = settings.unwrap();
        assert_eq!(settings.timeout, Duration::from_mins(1));
        assert_eq!(settings.dns_names.len(), 2);
    }

    #[test]
    fn names_every_property_that_is_wrong() {
        for (timeout, dns_names) in [
            (json!(0), json!("a")),
            (json!("60"), json!(["a b"])),
            (json!(null), json!([""])),
            (json!(-1), json!([7])),
            (json!(1e9), json!(["-x"])),
        ] {
            let error = load(&json!({"timeout": timeout, "dns_names": dns_names})).unwrap_err();
            let text = format!("{error:?}{error:#}");
            assert!(
                text.contains("timeout") && text.contains("dns_names"),
                "{text}"
            );
        }
        assert!(load(&json!({"timeout": 60})).is_err());
        assert!(load(&json!({"timeout": 60, "dns_names": [], "more": 1})).is_err());
    }
}
