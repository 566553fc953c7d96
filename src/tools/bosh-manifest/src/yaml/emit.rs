//! Writes a value as go-yaml does (`encode.go`), so that the text equals the CLI's.

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};

use super::key_order::in_order;
use super::number::float_text;
use super::resolve::{Tag, resolve};
use crate::Value;

/// The value as a YAML document, keys sorted, in the BOSH CLI's layout.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut output = Vec::new();
    let emitted = emit_document(value, &mut output);
    // Writing to memory cannot fail, and the events below are always in an order that the emitter knows.
    debug_assert!(emitted.is_ok(), "{emitted:?}");
    let text = String::from_utf8_lossy(&output).into_owned();
    match text.strip_suffix("\n...\n") {
        // The mark that libyaml puts after a block scalar that keeps its line ends; go-yaml leaves it out.
        Some(text) => format!("{text}\n"),
        None => text,
    }
}

fn emit_document(value: &Value, output: &mut Vec<u8>) -> libyaml_safer::Result<()> {
    let mut emitter = Emitter::new();
    emitter.set_output_string(output);
    emitter.set_unicode(true);
    emitter.emit(Event::stream_start(Encoding::Utf8))?;
    emitter.emit(Event::document_start(None, &[], true))?;
    emit(value, &mut emitter)?;
    emitter.emit(Event::document_end(true))?;
    emitter.emit(Event::stream_end())?;
    emitter.flush()
}

fn emit(value: &Value, emitter: &mut Emitter<'_>) -> libyaml_safer::Result<()> {
    match value {
        Value::Null => emit_scalar("null", ScalarStyle::Plain, emitter),
        Value::Bool(flag) => emit_scalar(
            if *flag { "true" } else { "false" },
            ScalarStyle::Plain,
            emitter,
        ),
        Value::Int(number) => emit_scalar(&number.to_string(), ScalarStyle::Plain, emitter),
        Value::UInt(number) => emit_scalar(&number.to_string(), ScalarStyle::Plain, emitter),
        Value::Float(number) => emit_scalar(&float_text(*number), ScalarStyle::Plain, emitter),
        Value::String(text) => emit_scalar(text, string_style(text), emitter),
        Value::Seq(items) => {
            emitter.emit(Event::sequence_start(
                None,
                None,
                true,
                SequenceStyle::Block,
            ))?;
            for item in items {
                emit(item, emitter)?;
            }
            emitter.emit(Event::sequence_end())
        }
        Value::Map(map) => {
            emitter.emit(Event::mapping_start(None, None, true, MappingStyle::Block))?;
            for (key, value) in in_order(map) {
                emit(key, emitter)?;
                emit(value, emitter)?;
            }
            emitter.emit(Event::mapping_end())
        }
    }
}

fn emit_scalar(
    text: &str,
    style: ScalarStyle,
    emitter: &mut Emitter<'_>,
) -> libyaml_safer::Result<()> {
    emitter.emit(Event::scalar(None, None, text, true, true, style))
}

fn string_style(text: &str) -> ScalarStyle {
    if text.contains('\n') {
        ScalarStyle::Literal
    } else if matches!(resolve(None, text), Ok((Tag::Str, _))) && !is_base60(text) {
        ScalarStyle::Plain
    } else {
        ScalarStyle::DoubleQuoted
    }
}

/// Whether another YAML 1.1 parser reads the text as a number in base 60: `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`.
fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut places = whole.split(':');
    let first = places.next().unwrap_or_default();
    let digits_or_underscores = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    first.starts_with(|character: char| character.is_ascii_digit())
        && digits_or_underscores(first)
        && digits_or_underscores(fraction)
        && whole.contains(':')
        && places
            .all(|place| matches!(place.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
}
