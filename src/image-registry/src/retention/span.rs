//! Spans of time as people write them: `30d`.

use std::time::Duration;

/// The span that a text says: a whole number and `s`, `m`, `h`, `d` or `w`.
pub fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A span in the largest unit of which it has at least two, rounded down.
pub fn show(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(24 * 60 * 60, "days"), (60 * 60, "hours"), (60, "minutes")];
    for (length, name) in units {
        if seconds >= 2 * length {
            return format!("{} {name}", seconds / length);
        }
    }
    format!("{seconds} seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("0s", Some(0)),
            ("90s", Some(90)),
            ("2m", Some(120)),
            ("12h", Some(43_200)),
            ("30d", Some(2_592_000)),
            ("2w", Some(1_209_600)),
            ("", None),
            ("d", None),
            ("30", None),
            ("+3d", None),
            ("1.5d", None),
            ("-1d", None),
            ("3 d", None),
            ("30D", None),
            ("3ä", None),
            ("99999999999999999999d", None),
            ("18446744073709551615w", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn spans_are_shown_so_that_they_differ_where_it_counts() {
        for (seconds, text) in [
            (1, "1 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (172_799, "47 hours"),
            (2_592_000, "30 days"),
        ] {
            assert_eq!(show(Duration::from_secs(seconds)), text);
        }
    }
}
