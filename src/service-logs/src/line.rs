//! The lines of a service's file: `2026-11-21T17:00:00.123456789Z running-web-1 stdout text`.

use std::sync::Arc;

use crate::entry::{Entry, Stream};

/// A line that lies in the file without its end: its container, and the stream.
pub(crate) type Unfinished = (Arc<str>, Stream);

/// Makes lines of entries, and remembers what lies unfinished.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub unfinished: Option<Unfinished>,
}

/// The streams of a container whose last entry was a piece that goes on: standard output, standard error.
pub(crate) type GoingOn = [bool; 2];

impl Lines {
    /// Adds an entry. Pieces of a long line are joined, however long it gets, as long as nothing comes between them; where
    /// something does, the line is broken there, and goes on in one whose stream is marked with a `+`.
    pub(crate) fn entry(
        &mut self,
        out: &mut Vec<u8>,
        (container, name): (&Arc<str>, &str),
        going_on: &mut GoingOn,
        entry: &Entry<'_>,
    ) {
        let joins = self
            .unfinished
            .as_ref()
            .is_some_and(|(whose, stream)| whose == container && *stream == entry.stream);
        let broken = std::mem::replace(&mut going_on[entry.stream as usize], entry.goes_on);
        if !joins {
            self.finish(out);
            prefix(out, &entry.time, name, entry.stream.word(), broken);
        }
        out.extend_from_slice(entry.text.as_bytes());
        if entry.goes_on {
            if !joins {
                self.unfinished = Some((Arc::clone(container), entry.stream));
            }
        } else {
            self.unfinished = None;
            out.push(b'\n');
        }
    }

    /// Adds a line of the collector's own.
    pub(crate) fn note(&mut self, out: &mut Vec<u8>, time: &str, name: &str, text: &str) {
        self.finish(out);
        prefix(out, time, name, "missing", false);
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }

    /// Ends a line that lies unfinished.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.unfinished.take().is_some() {
            out.push(b'\n');
        }
    }
}

fn prefix(out: &mut Vec<u8>, time: &str, name: &str, word: &str, broken: bool) {
    push_time(out, time);
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(word.as_bytes());
    if broken {
        out.push(b'+');
    }
    out.push(b' ');
}

/// dockerd leaves out zeros at the end of the fraction; with them, sorting by text is sorting by time.
fn push_time(out: &mut Vec<u8>, time: &str) {
    let (seconds, fraction) = match time.strip_suffix('Z') {
        Some(time) => time.split_once('.').unwrap_or((time, "")),
        None => return out.extend_from_slice(time.as_bytes()),
    };
    out.extend_from_slice(seconds.as_bytes());
    out.push(b'.');
    out.extend_from_slice(fraction.as_bytes());
    out.extend(std::iter::repeat_n(
        b'0',
        9_usize.saturating_sub(fraction.len()),
    ));
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn entry(text: &str, stream: Stream, goes_on: bool) -> Entry<'_> {
        Entry {
            text: Cow::Borrowed(text),
            stream,
            time: "2026-11-21T17:00:00.12Z".into(),
            goes_on,
        }
    }

    #[test]
    fn times_are_of_one_length() {
        for (time, wanted) in [
            ("2026-11-21T17:00:00Z", "2026-11-21T17:00:00.000000000Z"),
            ("2026-11-21T17:00:00.12Z", "2026-11-21T17:00:00.120000000Z"),
            (
                "2026-11-21T17:00:00.123456789Z",
                "2026-11-21T17:00:00.123456789Z",
            ),
            ("strange", "strange"),
        ] {
            let mut out = Vec::new();
            push_time(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    #[test]
    fn joins_pieces_and_marks_what_goes_on_after_a_break() {
        use Stream::{Stderr, Stdout};
        let (a, b): (Arc<str>, Arc<str>) = ("ida".into(), "idb".into());
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        let (mut of_a, mut of_b) = ([false; 2], [false; 2]);
        lines.entry(&mut out, (&a, "a"), &mut of_a, &entry("1", Stdout, true));
        lines.entry(&mut out, (&a, "a"), &mut of_a, &entry("2", Stdout, true));
        lines.entry(&mut out, (&b, "b"), &mut of_b, &entry("x", Stdout, false));
        lines.entry(&mut out, (&a, "a"), &mut of_a, &entry("3", Stdout, false));
        lines.entry(&mut out, (&a, "a"), &mut of_a, &entry("y", Stderr, false));
        lines.entry(&mut out, (&a, "a"), &mut of_a, &entry("z", Stdout, false));
        let time = "2026-11-21T17:00:00.120000000Z";
        let wanted = format!(
            "{time} a stdout 12\n{time} b stdout x\n{time} a stdout+ 3\n{time} a stderr y\n{time} a stdout z\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
