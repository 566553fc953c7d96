//! Values as Go's `fmt` prints them, for messages that are the same as the CLI's.

use super::key_order::in_order;
use super::number::go_float;
use crate::Value;

/// Go's `%v`: `map[a:1 b:[x y]]`.
pub(crate) fn plain_text(value: &Value) -> String {
    print(value, &|text| text.to_owned())
}

/// Go's `%v` of a value that may hold secrets: the strings inside of maps and lists are not shown.
pub(crate) fn redacted_text(value: &Value) -> String {
    print(value, &|_| "<redacted>".to_owned())
}

fn print(value: &Value, string: &dyn Fn(&str) -> String) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => go_float(*number),
        Value::String(text) => string(text),
        Value::Seq(items) => {
            let items: Vec<String> = items.iter().map(|item| print(item, string)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(map) => {
            let entries = in_order(map).into_iter();
            let entries: Vec<String> = entries
                .map(|(key, value)| format!("{}:{}", plain_text(key), print(value, string)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// Go's `%#v`: `map[interface {}]interface {}{"a":1}`.
pub(super) fn source_text(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::UInt(number) => format!("0x{number:x}"),
        Value::String(text) => format!("{text:?}"),
        Value::Seq(items) => {
            let items: Vec<String> = items.iter().map(source_text).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Map(map) => {
            let entries = in_order(map).into_iter();
            let entries: Vec<String> = entries
                .map(|(key, value)| format!("{}:{}", source_text(key), source_text(value)))
                .collect();
            format!(
                "map[interface {{}}]interface {{}}{{{}}}",
                entries.join(", ")
            )
        }
        other => plain_text(other),
    }
}
