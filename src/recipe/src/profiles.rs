//! Property `profiles`: the profiles of the recipe whose services run.

use bosh_job::{Problem, Problems};
use serde_json::Value;

use crate::kind;

/// Nothing is an empty list: a recipe that an earlier release kept for a rollback has no such property.
pub(crate) fn parse(value: &Value) -> Result<Vec<String>, Problems> {
    let elements = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(elements) => elements,
        other => {
            let what = format!("must be a list of profiles, and is {}", kind(other));
            return Err(Problem::new("profiles", what).into());
        }
    };
    let mut problems = Problems::default();
    let profiles = elements
        .iter()
        .enumerate()
        .filter_map(|(position, element)| {
            problems.note(profile(&format!("profiles[{position}]"), element))
        })
        .collect();
    problems.into_result(Some(profiles))
}

/// A profile's name (Compose specification, `profiles`), or `*` for all.
fn profile(property: &str, value: &Value) -> Result<String, Problem> {
    let wrong = |shown: &str| {
        let rule = "must be a profile of letters, digits, `_`, `.` and `-`, or \"*\" for all";
        Problem::new(property, format!("{rule}, and is {shown}"))
    };
    let name = value.as_str().ok_or_else(|| wrong(kind(value)))?;
    let mut characters = name.chars();
    let begins_well = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let is_name = begins_well
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if is_name || name == "*" {
        Ok(name.to_owned())
    } else {
        Err(wrong(&format!("{name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_a_list_of_names_and_says_which_are_none() {
        assert_eq!(parse(&Value::Null).unwrap(), Vec::<String>::new());
        assert_eq!(
            parse(&json!(["debug", "a.b_c-1", "*"])).unwrap(),
            ["debug", "a.b_c-1", "*"]
        );
        let problems = parse(&json!(["ok", "", "a,b", 1, "-x"])).unwrap_err();
        let named: Vec<_> = problems.iter().map(|one| one.property.as_str()).collect();
        assert_eq!(
            named,
            ["profiles[1]", "profiles[2]", "profiles[3]", "profiles[4]"]
        );
        assert_eq!(
            parse(&json!("debug"))
                .unwrap_err()
                .iter()
                .next()
                .unwrap()
                .property,
            "profiles"
        );
    }
}
