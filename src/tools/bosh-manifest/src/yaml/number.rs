//! Numbers as go-yaml reads and writes them.

use crate::Value;

/// The number that a plain scalar starting with a digit or a sign stands for, if it is one.
pub(super) fn parse_number(text: &str) -> Option<Value> {
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    if let Some(number) = parse_int(&plain) {
        return Some(Value::Int(number));
    }
    if let Some(number) = parse_magnitude(&plain) {
        return Some(Value::UInt(number));
    }
    if is_yaml_float(&plain)
        && let Some(number) = parse_float(&plain)
    {
        return Some(Value::Float(number));
    }
    if let Some(bits) = plain.strip_prefix("0b") {
        return i64::from_str_radix(bits, 2).ok().map(Value::Int);
    }
    let bits = plain.strip_prefix("-0b")?;
    i64::from_str_radix(&format!("-{bits}"), 2)
        .ok()
        .map(Value::Int)
}

/// The number that a plain scalar starting with a dot stands for, if it is one. Unlike elsewhere, underscores must stand
/// between digits.
pub(super) fn parse_dotted(text: &str) -> Option<Value> {
    let well_placed = !text.contains("__")
        && !text.contains("._")
        && !text.contains("_e")
        && !text.contains("e_");
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    let fits = well_placed && !text.ends_with('_') && is_yaml_float(&plain);
    fits.then(|| parse_float(&plain))
        .flatten()
        .map(Value::Float)
}

/// A float as it comes back from being written and read: one without a fraction is an integer then.
///
/// The CLI passes values through YAML text between its steps, and so on to the Director.
pub(crate) fn resolved_float(number: f64) -> Value {
    let text = float_text(number);
    match parse_int(&text) {
        Some(number) => Value::Int(number),
        None => Value::Float(number),
    }
}

/// How go-yaml writes a float: the shortest digits that read back the same, in Go's `%g`.
pub(crate) fn float_text(number: f64) -> String {
    match go_float(number).as_str() {
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        text => text.to_owned(),
    }
}

/// Go's `strconv.FormatFloat(number, 'g', -1, 64)`: an exponent below 1e-04 and from 1e+06 on.
pub(super) fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    match scientific
        .split_once('e')
        .map(|(mantissa, exponent)| (mantissa, exponent.parse::<i32>()))
    {
        Some((mantissa, Ok(exponent))) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

/// Go's `strconv.ParseInt(text, 0, 64)`, underscores removed.
fn parse_int(text: &str) -> Option<i64> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_magnitude(magnitude)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Go's `strconv.ParseUint(text, 0, 64)`, underscores removed.
fn parse_magnitude(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (digits, base) = match bytes {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', b'o' | b'O', _, ..] => (&text[2..], 8),
        [b'0', b'b' | b'B', _, ..] => (&text[2..], 2),
        [b'0'] => return Some(0),
        [b'0', ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // Rust takes a sign here, Go does not.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// go-yaml's `yamlStyleFloat`: `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`.
fn is_yaml_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        ),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

/// Too large a number is none, as in Go.
fn parse_float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
