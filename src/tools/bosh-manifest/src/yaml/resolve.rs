//! What a scalar means: go-yaml's `resolve.go`.

use super::YamlError;
use super::number::{parse_dotted, parse_number};
use super::timestamp::is_timestamp;
use crate::Value;

const PREFIX: &str = "tag:yaml.org,2002:";

/// The tags that scalars resolve to, or are asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Str,
    Bool,
    Int,
    Float,
    Null,
    Timestamp,
}

impl Tag {
    fn named(tag: &str) -> Option<Self> {
        match tag.strip_prefix(PREFIX)? {
            "str" => Some(Self::Str),
            "bool" => Some(Self::Bool),
            "int" => Some(Self::Int),
            "float" => Some(Self::Float),
            "null" => Some(Self::Null),
            "timestamp" => Some(Self::Timestamp),
            _ => None,
        }
    }

    /// The tag in its short form, as messages have it.
    pub(super) fn short(self) -> &'static str {
        match self {
            Self::Str => "!!str",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Null => "!!null",
            Self::Timestamp => "!!timestamp",
        }
    }
}

/// `!!str` for `tag:yaml.org,2002:str`; other tags as they are.
pub(super) fn short_tag(tag: &str) -> String {
    tag.strip_prefix(PREFIX)
        .map_or_else(|| tag.to_owned(), |name| format!("!!{name}"))
}

/// Whether the tag is `!!binary`, whose text is base64.
pub(super) fn is_binary(tag: &str) -> bool {
    tag.strip_prefix(PREFIX) == Some("binary")
}

/// The value of a scalar with an explicit tag, or of a plain one without.
///
/// Tags that are not YAML's own leave the text a string.
pub(super) fn resolve(tag: Option<&str>, text: &str) -> Result<(Tag, Value), YamlError> {
    let wanted = match tag {
        None => None,
        Some(tag) => match Tag::named(tag) {
            Some(Tag::Str) | None => return Ok((Tag::Str, Value::from(text))),
            wanted => wanted,
        },
    };
    let (found, value) = resolve_plain(text, matches!(wanted, None | Some(Tag::Timestamp)));
    match (wanted, found, &value) {
        (None, ..) => Ok((found, value)),
        (Some(wanted), ..) if wanted == found => Ok((found, value)),
        #[expect(clippy::cast_precision_loss, reason = "as go-yaml does")]
        (Some(Tag::Float), Tag::Int, Value::Int(number)) => {
            Ok((Tag::Float, Value::Float(*number as f64)))
        }
        (Some(wanted), ..) => Err(YamlError::Meaning(format!(
            "cannot decode {} `{text}` as a {}",
            found.short(),
            wanted.short()
        ))),
    }
}

/// The value of a plain scalar without a tag.
fn resolve_plain(text: &str, timestamps: bool) -> (Tag, Value) {
    if let Some(found) = resolve_word(text) {
        return found;
    }
    let number = match text.as_bytes().first() {
        Some(b'.') => parse_dotted(text),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            if timestamps && is_timestamp(text) {
                return (Tag::Timestamp, Value::from(text));
            }
            parse_number(text)
        }
        _ => None,
    };
    match number {
        Some(value @ Value::Float(_)) => (Tag::Float, value),
        Some(value) => (Tag::Int, value),
        None => (Tag::Str, Value::from(text)),
    }
}

fn resolve_word(text: &str) -> Option<(Tag, Value)> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some((Tag::Null, Value::Null)),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true,
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            false
        }
        ".nan" | ".NaN" | ".NAN" => return Some((Tag::Float, Value::Float(f64::NAN))),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Some((Tag::Float, Value::Float(f64::INFINITY)));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Some((Tag::Float, Value::Float(f64::NEG_INFINITY))),
        _ => return None,
    };
    Some((Tag::Bool, Value::Bool(value)))
}
