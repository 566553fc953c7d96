//! Small parsers of property values. Their problems name the property and never show a secret.

use serde_json::Value;

use bosh_job::{Problem, Problems};

/// What kind of value it is, in an operator's words.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// A boolean.
pub(crate) fn boolean(property: &str, value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| {
        Problem::new(
            property,
            format!("must be true or false, and is {}", kind(value)),
        )
    })
}

/// A whole number between two bounds, with its unit for the message.
pub(crate) fn number(
    property: &str,
    value: &Value,
    unit: &str,
    min: u64,
    max: u64,
) -> Result<u64, Problem> {
    let shown = match value {
        Value::Number(number) => number.to_string(),
        other => kind(other).to_owned(),
    };
    value
        .as_u64()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| {
            Problem::new(
                property,
                format!("must be a whole number of {unit} from {min} to {max}, and is {shown}"),
            )
        })
}

/// The elements of a list, each with its place for a problem: `registries[0]`. Nothing is an empty list.
pub(crate) fn elements<'a>(
    property: &str,
    value: &'a Value,
) -> Result<Vec<(String, &'a Value)>, Problem> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(elements) => Ok(elements
            .iter()
            .enumerate()
            .map(|(position, element)| (format!("{property}[{position}]"), element))
            .collect()),
        other => Err(Problem::new(
            property,
            format!("must be a list, and is {}", kind(other)),
        )),
    }
}

/// The elements of a list, each parsed; all that is wrong with them is told at once. Nothing is an empty list.
pub(crate) fn each<'a, T>(
    property: &str,
    value: &'a Value,
    parse: impl Fn(&str, &'a Value) -> Result<T, Problem>,
) -> Result<Vec<T>, Problems> {
    let mut problems = Problems::default();
    let parsed = elements(property, value)?
        .into_iter()
        .filter_map(|(place, element)| problems.note(parse(&place, element)))
        .collect();
    problems.into_result(Some(parsed))
}

/// Whether nothing was set: null, or a string of white space.
pub(crate) fn is_unset(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A list of `name=value`. A value may be a secret, a token of a log driver for one.
pub(super) fn pairs<'a>(
    property: &str,
    value: &'a Value,
) -> Result<Vec<(&'a str, &'a str)>, Problems> {
    each(property, value, |place, value| {
        let pair = value.as_str().and_then(|text| text.split_once('='));
        let pair = pair.filter(|(name, _)| !name.trim().is_empty());
        pair.ok_or_else(|| {
            let what = match value {
                Value::String(_) => "a string without a name and `=`",
                other => kind(other),
            };
            Problem::new(
                place,
                format!("must be a string of the form name=value, and is {what}"),
            )
        })
    })
}

pub(super) fn word<'a>(property: &str, value: &'a Value) -> Result<&'a str, Problem> {
    let text = value.as_str().filter(|text| {
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    text.ok_or_else(|| {
        let what = match value {
            Value::String(_) => "one that is empty or has white space in it",
            other => kind(other),
        };
        Problem::new(property, format!("must be a word, and is {what}"))
    })
}
