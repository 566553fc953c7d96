//! Property `project_name`.

use std::fmt;
use std::ops::Deref;

use bosh_job::Problem;
use serde_json::Value;

use crate::kind;

/// A Compose project's name: small letters, digits, `-` and `_`, the first a letter or digit (compose-go,
/// `loader.NormalizeProjectName`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectName(String);

impl ProjectName {
    pub(crate) fn parse(value: &Value) -> Result<Self, Problem> {
        let wrong = |shown: &str| {
            let rule =
                "must consist of small letters, digits, - and _, and begin with a letter or digit";
            Problem::new("project_name", format!("{rule}, and is {shown}"))
                .hint("named volumes carry the project's name: with another one, the recipe starts with new, empty volumes")
        };
        let name = value.as_str().ok_or_else(|| wrong(kind(value)))?;
        Self::new(name).ok_or_else(|| wrong(&format!("{name:?}")))
    }

    /// A project's name, if it follows the rule.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_letter_or_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let begins_well = name.chars().next().is_some_and(is_letter_or_digit);
        let is_good = begins_well
            && name
                .chars()
                .all(|c| is_letter_or_digit(c) || matches!(c, '-' | '_'));
        is_good.then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for ProjectName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn follows_compose_s_rule() {
        for good in ["running", "0", "a-b_c9"] {
            assert_eq!(ProjectName::parse(&json!(good)).unwrap().as_str(), good);
        }
        for bad in [
            json!(""),
            json!("Running"),
            json!("-a"),
            json!("_a"),
            json!("a.b"),
            json!("ä"),
            json!(1),
            Value::Null,
        ] {
            assert_eq!(
                ProjectName::parse(&bad).unwrap_err().property,
                "project_name",
                "{bad}"
            );
        }
    }
}
