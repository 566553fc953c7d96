//! An entry of the json-file driver: a line of a container's output, or a piece of one.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// dockerd cuts longer lines into pieces of this size (moby, `daemon/logger/copier.go`).
const PIECE: usize = 16 << 10;

/// Which of a container's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The text without its line end.
    pub text: Cow<'a, str>,
    pub stream: Stream,
    /// RFC 3339, as dockerd wrote it.
    pub time: Cow<'a, str>,
    /// The line goes on in a later entry of this stream.
    pub goes_on: bool,
}

#[derive(Deserialize)]
struct Raw<'a> {
    // Left out of an empty piece.
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Reads a line of the driver's file, and says how many bytes before the entry are of none: what a disk that was full
/// cut off stands before the next entry, on the same line. Nothing if there is no entry in it.
pub(crate) fn parse(line: &[u8]) -> Option<(Entry<'_>, usize)> {
    if let Some(entry) = parse_whole(line) {
        return Some((entry, 0));
    }
    let begin = line
        .windows(BEGIN.len())
        .rposition(|window| window == BEGIN)?;
    parse_whole(&line[begin..]).map(|entry| (entry, begin))
}

const BEGIN: &[u8] = b"{\"log\":\"";

fn parse_whole(line: &[u8]) -> Option<Entry<'_>> {
    let raw: Raw<'_> = serde_json::from_slice(line).ok()?;
    let stream = if raw.stream == "stderr" {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    let ended = raw.log.ends_with('\n');
    // A shorter one without a line end is the last thing that a process wrote.
    let goes_on = !ended && raw.log.len() >= PIECE;
    Some(Entry {
        text: without_end(raw.log),
        stream,
        time: raw.time,
        goes_on,
    })
}

/// Without the line end: `\n`, and `\r\n` of a terminal.
fn without_end(text: Cow<'_, str>) -> Cow<'_, str> {
    let length = text.strip_suffix('\n').map_or(text.len(), |rest| {
        rest.strip_suffix('\r').unwrap_or(rest).len()
    });
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
        Cow::Owned(mut text) => {
            text.truncate(length);
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> (Entry<'_>, usize) {
        parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn reads_what_dockerd_writes() {
        let line = r#"{"log":"a \"b\" \u003c\u2028\n","stream":"stderr","attrs":{"tag":"x"},"time":"2026-11-21T17:00:00.1Z"}"#;
        let (entry, before) = one(line);
        assert_eq!((entry.text.as_ref(), before), ("a \"b\" <\u{2028}", 0));
        assert_eq!((entry.stream, entry.goes_on), (Stream::Stderr, false));
        assert_eq!(entry.time, "2026-11-21T17:00:00.1Z");
        // An empty line, and the empty rest of one.
        assert_eq!(
            one(r#"{"log":"\n","stream":"stdout","time":"t"}"#).0.text,
            ""
        );
        assert_eq!(one(r#"{"stream":"stdout","time":"t"}"#).0.text, "");
        assert_eq!(
            one(r#"{"log":"tty\r\n","stream":"stdout","time":"t"}"#)
                .0
                .text,
            "tty"
        );
    }

    #[test]
    fn only_a_full_piece_goes_on() {
        let piece = |length: usize| {
            format!(
                r#"{{"log":"{}","stream":"stdout","time":"t"}}"#,
                "x".repeat(length)
            )
        };
        assert!(one(&piece(PIECE)).0.goes_on);
        assert!(!one(&piece(PIECE - 1)).0.goes_on);
    }

    #[test]
    fn finds_the_entry_behind_what_was_cut_off() {
        let line = r#"{"log":"half of it{"log":"whole\n","stream":"stdout","time":"t"}"#;
        let (entry, before) = one(line);
        assert_eq!((entry.text.as_ref(), before), ("whole", 18));
        assert_eq!(parse(b"\0\0\0"), None);
        assert_eq!(parse(br#"{"log":"half of"#), None);
    }
}
