//! From a manifest's values to JSON, which is what templates get.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::Value;
use crate::yaml::{float_text, resolved_float};

/// Why a value has no JSON form.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// A map key is not a string. BOSH's templates cannot be rendered then.
    #[error(
        "key {key} of {path} is {kind}, but BOSH renders no job with a key that is not a string; write \"{key}\""
    )]
    KeyNotAString {
        /// The map that has it.
        path: String,
        /// The key.
        key: String,
        /// What it is.
        kind: &'static str,
    },
    /// `.inf` or `.nan`.
    #[error("{path} is {number}, which JSON cannot hold")]
    NotANumber {
        /// Where it stands.
        path: String,
        /// The number.
        number: String,
    },
}

/// The JSON form of a value, as a Director has it: keys sorted, and `1.0`, which the CLI writes as `1`, an integer.
pub fn to_json(value: &Value) -> Result<serde_json::Value, JsonError> {
    convert(value, "")
}

fn convert(value: &Value, path: &str) -> Result<serde_json::Value, JsonError> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::UInt(number) => (*number).into(),
        Value::Float(number) => match resolved_float(*number) {
            Value::Int(number) => number.into(),
            _ => serde_json::Number::from_f64(*number)
                .ok_or_else(|| JsonError::NotANumber {
                    path: named(path),
                    number: float_text(*number),
                })?
                .into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Seq(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(index, item)| convert(item, &format!("{path}/{index}")))
                .collect::<Result<_, _>>()?
        }
        Value::Map(map) => {
            let mut sorted = BTreeMap::new();
            for (key, value) in map {
                let Value::String(name) = key else {
                    return Err(key_not_a_string(key, path));
                };
                sorted.insert(name.clone(), convert(value, &format!("{path}/{name}"))?);
            }
            serde_json::Map::from_iter(sorted).into()
        }
    })
}

fn key_not_a_string(key: &Value, path: &str) -> JsonError {
    let kind = match key {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) | Value::Seq(_) | Value::Map(_) => "not a scalar",
    };
    JsonError::KeyNotAString {
        path: named(path),
        key: crate::yaml::plain_text(key),
        kind,
    }
}

fn named(path: &str) -> String {
    if path.is_empty() {
        "the document".to_owned()
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;
    use crate::yaml::parse;

    #[test]
    fn names_the_map_whose_key_is_not_a_string() {
        let value = parse(b"a: {b: [{80: x}]}").unwrap();
        assert_eq!(
            to_json(&value).unwrap_err().to_string(),
            "key 80 of /a/b/0 is a number, but BOSH renders no job with a key that is not a string; write \"80\""
        );
    }

    #[test]
    fn makes_an_integer_of_a_float_without_a_fraction() {
        let value = parse(b"[1.0, 1e3, 3.10, 1e6]").unwrap();
        assert_eq!(
            to_json(&value).unwrap().to_string(),
            "[1,1000,3.1,1000000.0]"
        );
    }

    #[test]
    fn sorts_the_keys() {
        assert_eq!(
            to_json(&parse(b"{b: 1, a: {d: 2, c10: 3, c2: 4}}").unwrap())
                .unwrap()
                .to_string(),
            r#"{"a":{"c10":3,"c2":4,"d":2},"b":1}"#
        );
    }

    #[test]
    fn refuses_numbers_that_json_lacks() {
        assert_eq!(
            to_json(&parse(b"a: .inf").unwrap())
                .unwrap_err()
                .to_string(),
            "/a is .inf, which JSON cannot hold"
        );
    }
}
