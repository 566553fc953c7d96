//! Small parsers of property values. Their problems name the property and never show a secret.

use serde_json::Value;

use crate::Problem;

/// What kind of value it is, in an operator's words.
pub(crate) fn kind(value: &Value) -> &'static str {
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
