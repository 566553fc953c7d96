//! The spellings in which a program repeats a value: quoted by Go, JSON, YAML or a shell, percent-encoded in a URL.
//!
//! Instead of a list of whole spellings, each character of the value matches each of its own: programs mix them, and
//! quote what is quoted already (`msg="… \"it\\\"s\""`).

use std::collections::BTreeSet;

/// A value, and what its spellings can begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spelling(Vec<char>);

impl Spelling {
    /// The spellings of a value that is not empty.
    pub fn of(value: &str) -> Option<Self> {
        (!value.is_empty()).then(|| Self(value.chars().collect()))
    }

    /// Bytes with which a spelling can begin.
    pub fn beginnings(&self) -> impl Iterator<Item = u8> {
        let first = self.0[0];
        let mut raw = [0; 4];
        let raw = first.encode_utf8(&mut raw).as_bytes()[0];
        let others: &[u8] = match first {
            ' ' => b"+",
            '\'' => b"\"&",
            _ if !entities(first).is_empty() => b"&",
            _ => b"",
        };
        [raw, b'\\', b'%'].into_iter().chain(others.iter().copied())
    }

    /// Bytes of the longest spelling: a byte of the value is at most four characters after some backslashes.
    pub fn longest(&self) -> usize {
        self.0.iter().map(|c| c.len_utf8() * 8).sum()
    }

    /// Where a spelling of the value that begins at `start` ends, if one begins there.
    pub fn end(&self, text: &[u8], start: usize) -> Option<usize> {
        let mut places = BTreeSet::new();
        after(self.0[0], text, start, &mut places);
        for &c in &self.0[1..] {
            let mut next = BTreeSet::new();
            for &place in &places {
                after(c, text, place, &mut next);
            }
            places = next;
            if places.is_empty() {
                return None;
            }
        }
        places.last().copied()
    }
}

/// Adds the places after each spelling of a character.
fn after(c: char, text: &[u8], place: usize, ends: &mut BTreeSet<usize>) {
    let mut raw = [0; 4];
    let raw = c.encode_utf8(&mut raw).as_bytes();
    let rest = &text[place..];
    if rest.starts_with(raw) {
        ends.insert(place + raw.len());
    }
    match c {
        // `it'\''s`, `it'"'"'s`, `it''s`
        '\'' => {
            let quotes = rest.iter().take_while(|byte| b"'\"\\".contains(byte));
            let quotes: Vec<_> = quotes.enumerate().collect();
            let single = quotes.iter().filter(|(_, byte)| **byte == b'\'');
            ends.extend(single.map(|(at, _)| place + at + 1));
        }
        // Compose writes each of the recipe's as two
        '$' if rest.starts_with(b"$$") => drop(ends.insert(place + 2)),
        ' ' if rest.starts_with(b"+") => drop(ends.insert(place + 1)),
        _ => {}
    }
    for entity in entities(c) {
        if rest.starts_with(entity.as_bytes()) {
            ends.insert(place + entity.len());
        }
    }
    ends.extend(encoded(raw, rest, percent).map(|length| place + length));
    let backslashes = rest.iter().take_while(|byte| **byte == b'\\').count();
    if backslashes == 0 {
        return;
    }
    if c == '\\' {
        ends.extend(place + 1..=place + backslashes);
    }
    let escaped = &rest[backslashes..];
    if escaped.starts_with(raw) {
        ends.insert(place + backslashes + raw.len());
    }
    let letters = letters(c).iter();
    let is_next = |letter: &&u8| escaped.first() == Some(letter);
    ends.extend(letters.filter(is_next).map(|_| place + backslashes + 1));
    ends.extend(unicode(c, rest).map(|length| place + length));
    for byte in [hexadecimal, octal] {
        ends.extend(encoded(raw, rest, byte).map(|length| place + length));
    }
}

/// As HTML and XML have it.
fn entities(c: char) -> &'static [&'static str] {
    match c {
        '&' => &["&amp;"],
        '<' => &["&lt;"],
        '>' => &["&gt;"],
        '"' => &["&quot;", "&#34;"],
        '\'' => &["&#39;", "&#x27;", "&apos;"],
        _ => &[],
    }
}

/// The letters after a backslash by which Go, JSON, YAML and bash write a character.
fn letters(c: char) -> &'static [u8] {
    match c {
        '\0' => b"0",
        '\u{7}' => b"a",
        '\u{8}' => b"b",
        '\t' => b"t",
        '\n' => b"n",
        '\u{b}' => b"v",
        '\u{c}' => b"f",
        '\r' => b"r",
        '\u{1b}' => b"eE",
        '\u{85}' => b"N",
        '\u{a0}' => b"_",
        '\u{2028}' => b"L",
        '\u{2029}' => b"P",
        _ => b"",
    }
}

/// Bytes of `\u00fc`, `\U000000fc`, `\u{fc}` or a pair of surrogates at the beginning of a text.
fn unicode(c: char, text: &[u8]) -> Option<usize> {
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units);
    let mut length = 0;
    let paired = units.iter().all(|unit| {
        let found = escape(&text[length..], b'u', 4);
        length += found.map_or(0, |(_, length)| length);
        found.is_some_and(|(value, _)| value == u32::from(*unit))
    });
    if paired {
        return Some(length);
    }
    if let Some((_, length)) = escape(text, b'U', 8).filter(|(value, _)| *value == u32::from(c)) {
        return Some(length);
    }
    let written = format!("u{{{:x}}}", u32::from(c));
    let backslashes = text.iter().take_while(|byte| **byte == b'\\').count();
    text[backslashes..]
        .get(..written.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(written.as_bytes()))
        .then_some(backslashes + written.len())
}

/// A character byte by byte, each as `byte` reads it; the bytes of the text that this takes.
fn encoded(raw: &[u8], text: &[u8], byte: impl Fn(&[u8]) -> Option<(u32, usize)>) -> Option<usize> {
    raw.iter().try_fold(0, |length, wanted| {
        let (found, taken) = byte(&text[length..])?;
        (found == u32::from(*wanted)).then_some(length + taken)
    })
}

fn percent(text: &[u8]) -> Option<(u32, usize)> {
    let digits = text.strip_prefix(b"%")?;
    Some((number(digits, 2, 16)?, 3))
}

fn hexadecimal(text: &[u8]) -> Option<(u32, usize)> {
    escape(text, b'x', 2)
}

fn octal(text: &[u8]) -> Option<(u32, usize)> {
    let backslashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let value = number(&text[backslashes..], 3, 8)?;
    (backslashes > 0).then_some((value, backslashes + 3))
}

/// Backslashes, a letter and so many hexadecimal digits: their value, and the bytes of all.
fn escape(text: &[u8], letter: u8, digits: usize) -> Option<(u32, usize)> {
    let backslashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let rest = text[backslashes..].strip_prefix(&[letter])?;
    let value = number(rest, digits, 16)?;
    (backslashes > 0).then_some((value, backslashes + 1 + digits))
}

fn number(text: &[u8], digits: usize, radix: u32) -> Option<u32> {
    let digits = text.get(..digits)?;
    digits.iter().try_fold(0_u32, |value, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "it's-a-\"secret\"-ü & <b>\\$x/y\t😀";

    fn is_found(value: &str, text: &str) -> bool {
        Spelling::of(value).unwrap().end(text.as_bytes(), 0) == Some(text.len())
    }

    #[test]
    fn knows_each_way_to_quote_a_value() {
        for (by, text) in [
            ("nobody", VALUE),
            (
                "Go's strconv.Quote",
                r#"it's-a-\"secret\"-ü & <b>\\$x/y\t😀"#,
            ),
            (
                "Go's strconv.QuoteToASCII",
                r#"it's-a-\"secret\"-\u00fc & <b>\\$x/y\t\U0001f600"#,
            ),
            (
                "Go's encoding/json",
                r#"it's-a-\"secret\"-ü \u0026 \u003cb\u003e\\$x/y\t😀"#,
            ),
            (
                "Python's and PHP's JSON",
                r#"it's-a-\"secret\"-\u00fc & <b>\\$x\/y\t\ud83d\ude00"#,
            ),
            (
                "JSON within a quoted string",
                r#"it's-a-\\\"secret\\\"-\\u00FC & <b>\\\\$x/y\\t\\ud83d\\ude00"#,
            ),
            (
                "YAML in single quotes",
                "it''s-a-\"secret\"-ü & <b>\\$x/y\t😀",
            ),
            (
                "Compose's config",
                r#"it's-a-\"secret\"-ü & <b>\\$$x/y\t😀"#,
            ),
            ("bash -x", "it'\\''s-a-\"secret\"-ü & <b>\\$x/y\t😀"),
            ("dash -x", "it'\"'\"'s-a-\"secret\"-ü & <b>\\$x/y\t😀"),
            (
                "bash -x in the C locale",
                r#"it\'s-a-"secret"-\303\274 & <b>\\$x/y\t\360\237\230\200"#,
            ),
            (
                "bash's printf %q",
                r#"it\'s-a-\"secret\"-ü\ \&\ \<b\>\\\$x/y\t😀"#,
            ),
            (
                "bytes in hexadecimal",
                r#"it's-a-\"secret\"-\xc3\xbc & <b>\\$x/y\t\xf0\x9f\x98\x80"#,
            ),
            (
                "a URL's path",
                "it%27s-a-%22secret%22-%C3%BC%20&%20%3Cb%3E%5C$x%2Fy%09%F0%9F%98%80",
            ),
            (
                "a URL's query",
                "it%27s-a-%22secret%22-%c3%bc+%26+%3cb%3e%5c%24x%2fy%09%f0%9f%98%80",
            ),
            (
                "Rust",
                r#"it\'s-a-\"secret\"-\u{fc} & <b>\\$x/y\t\u{1f600}"#,
            ),
            (
                "HTML",
                "it&#39;s-a-&#34;secret&quot;-ü &amp; &lt;b&gt;\\$x/y\t😀",
            ),
        ] {
            assert!(is_found(VALUE, text), "{by}: {text}");
        }
    }

    #[test]
    fn finds_what_looks_encoded_itself() {
        for (value, text) in [
            ("a%25b", "a%25b"),
            ("a%25b", "a%2525b"),
            ("a\\\\b", "a\\\\b"),
            ("a\\\\b", r"a\\\\b"),
            ("a\\nb", r"a\\nb"),
            ("a'\\''b", "a'\\''b"),
            ("a+b c", "a%2Bb+c"),
            ("\\u00fc", "\\u00fc"),
            ("$$x", "$$$$x"),
        ] {
            assert!(is_found(value, text), "{value} in {text}");
        }
    }

    #[test]
    fn does_not_find_what_is_not_there() {
        for (value, text) in [
            ("secret", "secre"),
            ("secret", "sec ret"),
            ("secret", "%73ecre"),
            ("ü", "\\u00f"),
            ("ü", "u00fc"),
            ("ü", "\\303"),
            ("a\\b", "ab"),
            ("😀", "\\ud83d"),
        ] {
            assert_eq!(
                Spelling::of(value).unwrap().end(text.as_bytes(), 0),
                None,
                "{value} in {text}"
            );
        }
        assert_eq!(Spelling::of(""), None);
    }
}
