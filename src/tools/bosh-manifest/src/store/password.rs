//! Passwords: 20 letters and digits, or as many as `length` says.

use super::options::Options;
use crate::Value;
use crate::report::Report;

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const DEFAULT_LENGTH: usize = 20;
/// More than any password needs; bounds what a mistyped length costs.
const LONGEST: usize = 4096;

pub(super) fn generate(options: &Value) -> Result<Value, Report> {
    let context = "Failed to generate password, parameters are invalid";
    let read = Options::new(options, &["length"]).and_then(|options| options.number("length"));
    let length = read.map_err(|reason| reason.within(context))?;
    let length = match usize::try_from(length) {
        Ok(0) => DEFAULT_LENGTH,
        Ok(length) if length <= LONGEST => length,
        Ok(_) => {
            let message =
                format!("Failed to generate password, 'length' param cannot be above {LONGEST}");
            return Err(Report::Message(message));
        }
        Err(_) => {
            return Err(Report::message(
                "Failed to generate password, 'length' param cannot be negative",
            ));
        }
    };
    let mut password = String::with_capacity(length);
    while password.len() < length {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)
            .map_err(|error| Report::Message(format!("no random bytes to be had: {error}")))?;
        // 252 is the greatest multiple of 36 that a byte holds: above it, some letters would come more often.
        let fair = bytes
            .iter()
            .filter(|byte| **byte < 252)
            .map(|byte| char::from(ALPHABET[usize::from(byte % 36)]));
        password.extend(fair.take(length - password.len()));
    }
    Ok(Value::String(password))
}

#[cfg(test)]
mod tests {
    use super::generate;
    use crate::Value;
    use crate::yaml::parse;

    #[test]
    fn makes_twenty_letters_and_digits_unless_told_otherwise() {
        let password = generate(&Value::Null).unwrap();
        let password = password.as_str().unwrap();
        assert_eq!(password.len(), 20);
        assert!(
            password
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
        assert_eq!(
            generate(&parse(b"length: 100").unwrap())
                .unwrap()
                .as_str()
                .unwrap()
                .len(),
            100
        );
    }

    #[test]
    fn refuses_other_options_and_lengths() {
        let error = |options: &[u8]| generate(&parse(options).unwrap()).unwrap_err().to_string();
        assert_eq!(
            error(b"length: -1"),
            "Failed to generate password, 'length' param cannot be negative"
        );
        assert!(error(b"size: 5").ends_with("Unsupported parameter 'size'"));
        assert!(
            error(b"length: long")
                .ends_with("Expected 'length' to be an integer but found 'string'")
        );
    }
}
