//! How times, and what servers say, appear in messages.

use std::time::Duration;

/// `250 ms`, `30 s`, `5 min`, `2 h 5 min`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => match seconds / 3600 {
            hours if seconds.is_multiple_of(3600) => format!("{hours} h"),
            hours => format!("{hours} h {} min", seconds % 3600 / 60),
        },
    }
}

/// At most 200 characters of what a server said: on one line, and without the queries of URLs.
pub(crate) fn clean(text: &str) -> String {
    let words: Vec<String> = text
        .chars()
        .take(600)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect::<String>()
        .split_whitespace()
        .map(without_query)
        .collect();
    let text = words.join(" ");
    let mut shown: String = text.chars().take(200).collect();
    if text.chars().nth(200).is_some() {
        shown.push('…');
    }
    shown
}

fn without_query(word: &str) -> String {
    match (word.contains("://"), word.split_once('?')) {
        (true, Some((url, _))) => format!("{url}?…"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_spans_as_people_say_them() {
        for (seconds, expected) in [
            (1, "1 s"),
            (90, "90 s"),
            (300, "5 min"),
            (21_600, "6 h"),
            (19_000, "5 h 16 min"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(span(Duration::from_millis(250)), "250 ms");
    }

    #[test]
    fn keeps_escapes_and_signatures_out_of_messages() {
        assert_eq!(
            clean("no\u{1b}[31m access\nto https://store.example/x?sig=geheim now"),
            "no [31m access to https://store.example/x?… now"
        );
        assert!(clean(&"long ".repeat(1000)).chars().count() <= 201);
    }
}
