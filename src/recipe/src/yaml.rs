//! YAML that every reader understands the same way.
//!
//! Readers differ in what a plain scalar means: `1_000`, `0777`, `yes`, `2020-01-01` and `1:30` are strings to one and
//! something else to another (Compose's reader, Go's yaml.v3, takes the second for 511 and the fourth for a time). The
//! values here are known to be strings, so every string is written in double quotes, and every key that is not
//! plainly a word.

use std::fmt::Write;

use serde_json::Value;

/// Bytes of a key before its colon. A reader looks for the colon in 1024 characters (YAML 1.2, 7.4.2), and for no longer.
const LONGEST_KEY: usize = 1000;

/// A value as a YAML document in block style, ending in a line break.
#[must_use]
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut text, value, 0),
        Value::Array(list) if !list.is_empty() => block(&mut text, value, 0),
        flow => {
            scalar(&mut text, flow);
            text.push('\n');
        }
    }
    text
}

/// Writes a map or list that is not empty, its lines indented.
fn block(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                indent(text, depth);
                entry(text, key, value, depth);
            }
        }
        Value::Array(list) => {
            for value in list {
                indent(text, depth);
                item(text, value, depth);
            }
        }
        _ => {}
    }
}

fn entry(text: &mut String, key: &str, value: &Value, depth: usize) {
    if is_plain_key(key) {
        text.push_str(key);
    } else {
        let begin = text.len();
        quoted(text, key);
        if text.len() - begin > LONGEST_KEY {
            text.insert_str(begin, "? ");
            text.push('\n');
            indent(text, depth);
        }
    }
    text.push(':');
    if is_block(value) {
        text.push('\n');
        block(text, value, depth + 1);
    } else {
        text.push(' ');
        scalar(text, value);
        text.push('\n');
    }
}

fn item(text: &mut String, value: &Value, depth: usize) {
    text.push('-');
    match value {
        // a map's first entry stands beside the dash, as people write it
        Value::Object(map) if !map.is_empty() => {
            text.push(' ');
            for (position, (key, value)) in map.iter().enumerate() {
                if position > 0 {
                    indent(text, depth + 1);
                }
                entry(text, key, value, depth + 1);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            text.push('\n');
            block(text, value, depth + 1);
        }
        flow => {
            text.push(' ');
            scalar(text, flow);
            text.push('\n');
        }
    }
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn scalar(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => quoted(text, string),
        Value::Array(_) => text.push_str("[]"),
        Value::Object(_) => text.push_str("{}"),
    }
}

/// Words of two letters or more that no reader takes for a boolean or for nothing.
fn is_plain_key(key: &str) -> bool {
    let mut characters = key.chars();
    key.len() > 1
        && key.len() <= 128
        && characters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !["true", "false", "yes", "no", "on", "off", "null"]
            .contains(&key.to_ascii_lowercase().as_str())
}

/// Writes a string in double quotes. Escapes are those of YAML 1.2, 5.7; whatever YAML does not count as printable (5.1)
/// is escaped.
fn quoted(text: &mut String, string: &str) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            ' '..='~'
            | '\u{a0}'..='\u{2027}'
            | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}'
            | '\u{10000}'.. => {
                text.push(c);
            }
            other => {
                // writing to a string does not fail; and what is left is below U+10000
                let _ = write!(text, "\\u{:04x}", u32::from(other));
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_as_people_write_it() {
        let value = json!({
            "services": {"web": {"image": "busybox:1.36", "ports": ["80:80"], "command": [], "environment": {}, "privileged": true}},
            "x-list": [[1, "2"], {"aa": "b", "cc": ["d"]}, {}, null, 1.5],
        });
        let expected = "\
services:
  web:
    command: []
    environment: {}
    image: \"busybox:1.36\"
    ports:
      - \"80:80\"
    privileged: true
x-list:
  -
    - 1
    - \"2\"
  - aa: \"b\"
    cc:
      - \"d\"
  - {}
  - null
  - 1.5
";
        assert_eq!(document(&value), expected);
    }

    #[test]
    fn every_string_comes_back_as_the_string_it_was() {
        let strings = [
            "",
            " ",
            "yes",
            "on",
            "y",
            "n",
            "null",
            "~",
            "0777",
            "08",
            "1_000",
            "1e3",
            "2020-01-01",
            "1:30",
            "0x1f",
            ".inf",
            "a: b",
            "# c",
            "- d",
            "{e}",
            "\"f\"",
            "'g'",
            "\\h",
            "line\nline\n",
            "tab\t",
            "\u{0}\u{1b}\u{7f}\u{85}\u{a0}\u{feff}\u{2028}é😀",
            "<<",
            "=",
            "!x",
            "&x",
            "*x",
            "%x",
            "@x",
            "`x",
            "|",
            ">",
            "$PW$$",
            "a\r\nb",
        ];
        let value: Value = json!({
            "list": strings.to_vec(),
            "keys": strings.iter().map(|string| ((*string).to_owned(), json!(1))).collect::<serde_json::Map<_, _>>(),
        });
        let read: Value = serde_yaml::from_str(&document(&value)).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn a_key_longer_than_readers_look_for_its_colon_is_marked_as_one() {
        for length in [998, 999, 1100, 5000] {
            let long = "é\n".repeat(length / 4);
            let value = json!({
                "a": {&long: "b", "c": 1}, long.clone(): {"d": [{&long: []}, {"e": {&long: [1]}}]},
            });
            let read: Value = serde_yaml::from_str(&document(&value)).unwrap();
            assert_eq!(read, value, "{length}");
        }
    }

    #[test]
    fn a_lone_scalar_or_empty_map_is_a_document_too() {
        for value in [json!({}), json!([]), json!("x"), json!(1), Value::Null] {
            assert_eq!(
                serde_yaml::from_str::<Value>(&document(&value)).unwrap(),
                value
            );
        }
    }
}
