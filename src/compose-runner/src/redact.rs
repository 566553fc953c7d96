//! Values of `variables` kept out of logs, verdicts and errors: Compose repeats a line of the recipe when it complains
//! of it, and a script may print what it pleases.
//!
//! Text of others is searched for every value where it enters the program. The program's own sentences, which name
//! services, images and files, are searched at the end, and only for values that no such sentence can hold by chance:
//! a variable whose value is an ordinary word must not make every message unreadable.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use bosh_job::visible;

use crate::{base64, spelling::Spelling};

/// A shorter value would blot out half of every line, and is no secret worth the name.
const SHORTEST: usize = 4;
/// Nor is a number that any port, user or size may have.
const MOST_DIGITS: usize = 5;

const MARK: &str = "[redacted]";

/// Blots secrets out of text.
#[derive(Clone, Default)]
pub struct Redactor {
    /// All values that are searched for in the text of others.
    all: Arc<Search>,
    /// Those of them that are also searched for in this program's own sentences.
    unmistakable: Arc<Search>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.all.spellings.len())
    }
}

impl Redactor {
    /// A redactor of these values. A value of several lines is looked for line by line too, since logs have lines.
    #[cfg(test)]
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::sparing(values, &BTreeSet::new())
    }

    /// The same, without values that are names: everybody who sees the containers sees those.
    pub fn sparing<'a>(
        values: impl IntoIterator<Item = &'a str>,
        names: &BTreeSet<String>,
    ) -> Self {
        let mut secrets = BTreeSet::new();
        for value in values {
            let lines = value.lines().map(str::trim);
            for text in lines.chain([value.trim()]) {
                if text.chars().count() >= SHORTEST && !is_ordinary(text) && !names.contains(text) {
                    secrets.insert(text.to_owned());
                }
            }
        }
        let encoded: Vec<String> = secrets
            .iter()
            .flat_map(|secret| base64::spellings(secret.as_bytes()))
            .collect();
        let unmistakable = secrets.iter().filter(|secret| !is_words(secret));
        Self {
            unmistakable: Arc::new(Search::new(unmistakable.chain(&encoded))),
            all: Arc::new(Search::new(secrets.iter().chain(&encoded))),
        }
    }

    /// Text of others without the secrets, and fit for a terminal.
    pub fn clean(&self, text: &str) -> String {
        visible(&self.all.blot_out(text)).into_owned()
    }

    /// A sentence of this program without the secrets that may have got into it.
    pub fn clean_own(&self, text: &str) -> String {
        visible(&self.unmistakable.blot_out(text)).into_owned()
    }

    /// Where to cut a text, which is longer than `limit` bytes, so that no secret is cut in two; behind `limit` at most by
    /// [`Self::longest`].
    pub fn cut(&self, text: &[u8], limit: usize) -> usize {
        let mut cut = limit.min(text.len());
        let is_within = |cut: usize| text.get(cut).is_some_and(|byte| byte & 0xc0 == 0x80);
        while cut > limit.saturating_sub(3) && is_within(cut) {
            cut -= 1;
        }
        for found in self.all.found(text) {
            if found.start < cut && cut < found.end {
                cut = found.end;
            }
        }
        cut
    }

    /// Bytes of the longest text that may be a secret.
    pub fn longest(&self) -> usize {
        self.all.longest
    }
}

/// Numbers and booleans that stand everywhere.
fn is_ordinary(value: &str) -> bool {
    let is_number = value.len() <= MOST_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number || ["true", "false", "null", "none"].contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a value is made of words and small numbers, as sentences, names and paths are.
fn is_words(value: &str) -> bool {
    let is_word = |part: &str| {
        let lower = part.bytes().skip(1).all(|byte| byte.is_ascii_lowercase());
        let upper = part.bytes().all(|byte| byte.is_ascii_uppercase());
        let begins = part
            .bytes()
            .next()
            .is_none_or(|byte| byte.is_ascii_alphabetic());
        begins && (lower || upper) || is_ordinary(part)
    };
    value.split(['-', '_', '.', '/', ':', ' ']).all(is_word)
}

/// What is searched for.
#[derive(Clone)]
struct Search {
    spellings: Vec<Spelling>,
    /// Which of them can begin with a byte.
    by_first: Vec<Vec<usize>>,
    longest: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Search {
    fn new<'a>(secrets: impl IntoIterator<Item = &'a String>) -> Self {
        let spellings: Vec<_> = secrets
            .into_iter()
            .filter_map(|secret| Spelling::of(secret))
            .collect();
        let mut by_first = vec![Vec::new(); 256];
        for (number, spelling) in spellings.iter().enumerate() {
            for byte in spelling.beginnings().collect::<BTreeSet<_>>() {
                by_first[usize::from(byte)].push(number);
            }
        }
        let longest = spellings.iter().map(Spelling::longest).max();
        Self {
            by_first,
            longest: longest.unwrap_or_default(),
            spellings,
        }
    }

    /// The parts of a text that are secrets, from first to last; those that overlap are one.
    fn found(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for (start, byte) in bytes.iter().enumerate() {
            let ends = self.by_first[usize::from(*byte)]
                .iter()
                .filter_map(|number| self.spellings[*number].end(bytes, start));
            let Some(end) = ends.max() else { continue };
            match found.last_mut() {
                Some(last) if last.end > start => last.end = last.end.max(end),
                _ => found.push(start..end),
            }
        }
        found
    }

    fn blot_out(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut done = 0;
        for found in self.found(text.as_bytes()) {
            clean.push_str(&text[done..found.start]);
            clean.push_str(MARK);
            done = found.end;
        }
        clean.push_str(&text[done..]);
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blots_out_every_value_of_four_characters_and_more() {
        let redactor = Redactor::new(["hunter2", "abc", "pass"]);
        assert_eq!(
            redactor.clean("x hunter2 abc password"),
            "x [redacted] abc [redacted]word"
        );
    }

    #[test]
    fn a_value_that_contains_another_is_blotted_out_whole() {
        assert_eq!(
            Redactor::new(["pass", "my pass phrase"]).clean("<my pass phrase>"),
            "<[redacted]>"
        );
    }

    #[test]
    fn finds_lines_and_escaped_forms_of_a_value() {
        let redactor = Redactor::new(["first line\nsecond line", "a$b$c", "tab\there"]);
        assert_eq!(
            redactor.clean("second line a$$b$$c tab\\there"),
            "[redacted] [redacted] [redacted]"
        );
        assert_eq!(
            redactor.clean("\"first line\\nsecond line\""),
            "\"[redacted]\""
        );
    }

    #[test]
    fn finds_a_value_with_quotes_in_gos_quoting() {
        let redactor = Redactor::new(["it's-a-\"secret\"-ü-token"]);
        let said = r#"services.a.cpu_shares: strconv.ParseInt: parsing "it's-a-\"secret\"-ü-token": invalid syntax"#;
        assert_eq!(
            redactor.clean(said),
            r#"services.a.cpu_shares: strconv.ParseInt: parsing "[redacted]": invalid syntax"#
        );
    }

    #[test]
    fn finds_a_login_in_base64() {
        let redactor = Redactor::new(["correct-horse-battery"]);
        for basic in [
            "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
            "dTpjb3JyZWN0LWhvcnNlLWJhdHRlcnk=",
            "dXM6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
            "dXNlcjpjb3JyZWN0LWhvcnNlLWJhdHRlcnk=",
        ] {
            let clean = redactor.clean(&format!("Authorization: Basic {basic} x"));
            assert!(clean.contains("[redacted]") && clean.len() < 45, "{clean}");
        }
    }

    #[test]
    fn names_small_numbers_and_booleans_are_no_secrets() {
        let names = BTreeSet::from(["postgres".to_owned()]);
        let values = [
            "postgres", "8080", "65535", "true", "False", "123456", "Postgres",
        ];
        let redactor = Redactor::sparing(values, &names);
        assert_eq!(
            redactor.clean("postgres 8080 65535 true False 123456 Postgres"),
            "postgres 8080 65535 true False [redacted] [redacted]"
        );
    }

    #[test]
    fn words_are_found_in_the_text_of_others_and_left_in_own_sentences() {
        let redactor = Redactor::new([
            "machine",
            "registry",
            "/srv/data",
            "LOUD",
            "hunter2",
            "Xy-Zq9",
        ]);
        let text = "registry /srv/data LOUD on this machine: hunter2 Xy-Zq9";
        assert_eq!(
            redactor.clean(text),
            "[redacted] [redacted] [redacted] on this [redacted]: [redacted] [redacted]"
        );
        assert_eq!(
            redactor.clean_own(text),
            "registry /srv/data LOUD on this machine: [redacted] [redacted]"
        );
    }

    #[test]
    fn no_cut_goes_through_a_secret() {
        let redactor = Redactor::new(["hunter2"]);
        let text = format!("{}hunter2 and more", "x".repeat(10));
        for limit in 0..text.len() {
            let cut = redactor.cut(text.as_bytes(), limit);
            assert!(!(11..17).contains(&cut), "{limit}: {cut}");
            assert!(cut >= limit && cut <= limit + redactor.longest());
        }
        assert_eq!(redactor.cut("aü".as_bytes(), 2), 1);
    }

    #[test]
    fn text_of_others_is_fit_for_a_terminal() {
        assert_eq!(
            Redactor::default().clean("\u{1b}[2Jred\r"),
            "\\u{1b}[2Jred\\r"
        );
    }

    #[test]
    fn does_not_show_the_secrets_when_printed() {
        assert!(!format!("{:?}", Redactor::new(["hunter2"])).contains("hunter"));
    }
}
