//! The mode of a file.

use bosh_job::Problem;
use serde_json::Value;

use crate::kind;

/// Permission bits. A string is read as octal digits. A number is taken as the bits themselves, since BOSH reads YAML
/// 1.1 and has turned an unquoted `0600` into 384 before anybody here sees it.
pub(super) fn parse(property: &str, value: &Value) -> Result<u32, Problem> {
    let wrong = |shown: String| {
        Problem::new(
            property,
            format!("must be octal digits from \"0000\" to \"0777\", and is {shown}"),
        )
        .hint("put the mode in quotes, as in mode: \"0600\"")
    };
    match value {
        Value::String(text) => octal(text).ok_or_else(|| wrong(format!("{text:?}"))),
        Value::Number(number) => {
            let bits = number
                .as_u64()
                .and_then(|bits| u32::try_from(bits).ok())
                .filter(|bits| *bits <= 0o777);
            // 0400, 0440, 0444 and 0500 without their zero; larger ones are out of range anyway
            bits.filter(|bits| ![400, 440, 444, 500].contains(bits))
                .ok_or_else(|| wrong(number.to_string()))
        }
        other => Err(wrong(kind(other).to_owned())),
    }
}

fn octal(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    if !(3..=4).contains(&digits.len())
        || !digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
    {
        return None;
    }
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_are_octal_and_numbers_are_what_yaml_made_of_octal() {
        for (value, mode) in [
            (json!("0600"), 0o600),
            (json!("640"), 0o640),
            (json!("0o755"), 0o755),
            (json!(384), 0o600),
            (json!(420), 0o644),
            (json!(0), 0),
        ] {
            assert_eq!(parse("m", &value).unwrap(), mode, "{value}");
        }
    }

    #[test]
    fn refuses_other_modes_and_numbers_that_lost_their_zero() {
        for bad in [
            json!("rw"),
            json!(""),
            json!("0800"),
            json!("4755"),
            json!("00600"),
            json!("+600"),
            json!(600),
            json!(644),
            json!(755),
            json!(400),
            json!(-1),
            json!(1.5),
            json!(true),
            Value::Null,
        ] {
            assert!(parse("m", &bad).is_err(), "{bad}");
        }
    }
}
