//! Property `variables`: what Compose's interpolation finds. A value gets there unchanged, also one with a `$`.

use std::collections::BTreeMap;

use bosh_job::{Problem, Problems, Secret};
use serde_json::Value;

use crate::{kind, reserved, size};

/// Names and values for the environment of Compose and prep. `Debug` shows no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, Secret>);

impl Variables {
    pub(crate) fn parse(value: &Value) -> Result<Self, Problems> {
        let Value::Object(map) = value else {
            return Err(Problem::new(
                "variables",
                format!("must be a map of names and values, and is {}", kind(value)),
            )
            .into());
        };
        let mut problems = Problems::default();
        let mut variables = BTreeMap::new();
        for (name, value) in map {
            let property = format!("variables.{name}");
            problems.note(check_name(&property, name));
            if let Some(value) = problems.note(text(&property, value)) {
                variables.insert(name.clone(), value);
            }
        }
        let variables = Self(variables);
        problems.note_all(size::check(&variables));
        problems.into_result(Some(variables))
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

fn check_name(property: &str, name: &str) -> Result<(), Problem> {
    let mut characters = name.chars();
    let begins_well = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Problem::new(
            property,
            "the name must consist of letters, digits and _, and not begin with a digit",
        ));
    }
    if let Some(instead) = reserved::instead(name) {
        let what = "the name has a meaning of its own to Compose or to this release";
        return Err(Problem::new(property, what).hint(instead));
    }
    Ok(())
}

fn text(property: &str, value: &Value) -> Result<Secret, Problem> {
    match value {
        Value::String(text) if text.contains('\0') => Err(Problem::new(
            property,
            "holds a NUL, which no environment can carry",
        )),
        Value::String(text) => Ok(Secret::new(text.as_str())),
        Value::Number(number) => Ok(Secret::new(number.to_string())),
        Value::Bool(flag) => Ok(Secret::new(flag.to_string())),
        other => Err(Problem::new(
            property,
            format!(
                "must be a string, a number or a boolean, and is {}",
                kind(other)
            ),
        )
        .hint("write an empty string as \"\"; a list or map belongs into `files`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_stay_as_they_are() {
        let variables =
            Variables::parse(&json!({"PW": "a$b\n", "N": 3, "B": false, "_e": ""})).unwrap();
        let all: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name, value.reveal()))
            .collect();
        assert_eq!(
            all,
            [("B", "false"), ("N", "3"), ("PW", "a$b\n"), ("_e", "")]
        );
    }

    #[test]
    fn a_reserved_name_is_refused_with_the_way_to_go_and_a_harmless_one_taken() {
        for (name, way) in [
            ("COMPOSE_PROFILES", "property `profiles`"),
            ("COMPOSE_PROJECT_NAME", "property `project_name`"),
            ("COMPOSE_FILE", "property `recipe`"),
            ("COMPOSE_ENV_FILES", "property `variables`"),
            ("COMPOSE_REMOVE_ORPHANS", "leave it out"),
            ("COMPOSE_OF_TOMORROW", "leave it out"),
            ("DOCKER_HOST", "leave it out"),
            ("DOCKER_DEFAULT_PLATFORM", "`platform:`"),
            ("BOSH_IP", "another name"),
            ("HOME", "another name"),
        ] {
            let problems = Variables::parse(&json!({name: "x"})).unwrap_err();
            let hint = problems.iter().next().unwrap().hint.clone().unwrap();
            assert!(hint.contains(way), "{name}: {hint}");
        }
        Variables::parse(&json!({"COMPOSE_PARALLEL_LIMIT": 3, "COMPOSER_HOME": "x"})).unwrap();
    }

    #[test]
    fn refuses_bad_and_reserved_names_and_values_that_are_no_text() {
        for bad in [
            "",
            "1a",
            "a-b",
            "a.b",
            "ä",
            "PATH",
            "HOME",
            "PWD",
            "TMPDIR",
            "DOCKER_HOST",
            "COMPOSE_FILE",
            "BOSH_IP",
            "a=b",
        ] {
            let problems = Variables::parse(&json!({bad: "hunter2"})).unwrap_err();
            assert_eq!(
                problems.iter().next().unwrap().property,
                format!("variables.{bad}")
            );
            assert!(!problems.to_string().contains("hunter2"));
        }
        for bad in [Value::Null, json!({}), json!([]), json!("a\0b")] {
            assert!(Variables::parse(&json!({"A": bad})).is_err(), "{bad}");
        }
        assert!(Variables::parse(&json!([])).is_err());
    }
}
