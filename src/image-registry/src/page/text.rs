//! Sizes, counts and times as people read them.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use crate::digest::Digest;
use crate::inventory::Time;

/// Bytes in decimal units, as docker has them.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut unit, mut divisor) = (0, 1000_u128);
    let rounded = |divisor: u128| (u128::from(bytes) + divisor / 2) / divisor;
    while rounded(divisor) >= 1000 && unit + 1 < UNITS.len() {
        unit += 1;
        divisor *= 1000;
    }
    let tenths = rounded(divisor / 10);
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", rounded(divisor), UNITS[unit])
    }
}

/// A number with its digits in groups.
pub fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many of something.
pub fn count(count: usize, one: &str, many: &str) -> String {
    let what = if count == 1 { one } else { many };
    format!("{} {what}", number(count))
}

/// How long ago something was.
pub fn age(elapsed: Duration) -> String {
    const STEPS: [(u64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ];
    let seconds = elapsed.as_secs();
    let step = STEPS.iter().find(|(length, _)| seconds >= *length);
    match step.map(|(length, name)| (seconds / length, name)) {
        None => "just now".to_owned(),
        Some((1, name)) => format!("1 {name} ago"),
        Some((many, name)) => format!("{many} {name}s ago"),
    }
}

/// A time: how long ago, and exactly to those who ask.
pub fn time(time: SystemTime) -> Markup {
    let exact = Time(time).to_string();
    // a clock that was set back
    let elapsed = SystemTime::now().duration_since(time).unwrap_or_default();
    html! { time datetime=(exact) title=(exact) { (age(elapsed)) } }
}

/// A time that need not have been.
pub fn time_or(at: Option<SystemTime>, never: &str) -> Markup {
    let never = || html! { span.muted { (never) } };
    at.map_or_else(never, time)
}

/// The start of a digest, which is enough for people to tell it from others.
pub fn short(digest: &Digest) -> String {
    format!("{}:{}", digest.algorithm().as_str(), &digest.hex()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_digits_that_matter() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (99_949, "99.9 kB"),
            (123_456, "123 kB"),
            (999_499, "999 kB"),
            (999_950, "1.0 MB"),
            (4_200_000_000, "4.2 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "tag", "tags"), "1 tag");
        assert_eq!(count(20_000, "tag", "tags"), "20,000 tags");
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, expected) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7199, "1 hour ago"),
            (86_400, "1 day ago"),
            (6 * 86_400, "6 days ago"),
            (15 * 86_400, "2 weeks ago"),
            (89 * 86_400, "2 months ago"),
            (800 * 86_400, "2 years ago"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        }
    }
}
