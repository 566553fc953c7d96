//! A job's monit file, rewritten so that the monit of an instance treats the job's processes as monit 5.2.5 of the
//! stemcells does.
//!
//! Monit 5.2.5 starts a program, forgets it, and waits for the process of the pidfile: for its life after a start, for
//! its end after a stop (`control.c`, `wait_start` and `wait_stop`; `spawn.c`). Newer ones wait for the program too. So
//! [`DETACH`] stands before each program, which leaves monit nothing but the process to wait for. And 5.2.5 reports a
//! changed PID or parent of a process by itself (`validate.c`, `check_process_pid` and `check_process_ppid`); newer ones
//! do it if they are told to.

use crate::error::{Error, Result};

/// The program in an instance that starts another and ends at once, without waiting for it.
pub(crate) const DETACH: &str = "/var/vcap/bosh/bin/detach";

/// [`DETACH`]'s own text. What is not the same in newer monits: `HOME` (set with `as uid`), an ignored SIGHUP, and
/// pipes as standard streams.
pub(crate) const DETACH_SCRIPT: &str = "#!/bin/sh\n\
    # Starts a program as monit 5.2.5 does: on its own, its output nowhere, and without waiting for it.\n\
    umask 022\n\
    exec /usr/bin/env --unset=HOME --default-signal=HUP /usr/bin/setsid --fork \"$@\" </dev/null >/dev/null 2>&1\n";

/// What 5.2.5 looks at without being told.
const IMPLICIT_CHECKS: &str = " if changed pid then alert if changed ppid then alert";

/// Words that monit reads over (`l.l`).
const NOISE: [&str; 24] = [
    "is", "as", "are", "for", "on", "only", "with", "within", "without", "program", "programs",
    "and", "has", "using", "use", "the", "sum", "than", "usage", "was", "times", "but", "of",
    "does",
];

/// What may stand between `check` and a service's name.
const KINDS: [&str; 9] = [
    "process",
    "device",
    "filesystem",
    "file",
    "directory",
    "host",
    "system",
    "fifo",
    "status",
];

/// The monit file `text` with its programs detached and 5.2.5's implicit checks spelled out. Lines stay where they are.
///
/// # Errors
/// [`Error::MonitFile`] with each program that is spelled as monit 5.2.5 does not understand it.
pub fn detach_programs(text: &str) -> Result<String> {
    let mut rewriting = Rewriting {
        text,
        at: 0,
        insertions: Vec::new(),
        problems: Vec::new(),
    };
    rewriting.run();
    let Rewriting {
        insertions,
        problems,
        ..
    } = rewriting;
    if !problems.is_empty() {
        return Err(Error::MonitFile { problems });
    }
    let mut rewritten = text.to_owned();
    for (position, insertion) in insertions.iter().rev() {
        rewritten.insert_str(*position, insertion);
    }
    Ok(rewritten)
}

struct Rewriting<'a> {
    text: &'a str,
    at: usize,
    insertions: Vec<(usize, String)>,
    problems: Vec<String>,
}

/// A word, or a string with its quotes.
#[derive(Clone, Copy)]
struct Token<'a> {
    start: usize,
    text: &'a str,
}

impl Token<'_> {
    fn is(&self, words: &[&str]) -> bool {
        words
            .iter()
            .any(|word| self.text.eq_ignore_ascii_case(word))
    }
}

impl<'a> Rewriting<'a> {
    fn run(&mut self) {
        let mut after_then = false;
        let mut awaits_pidfile = false;
        while let Some(begin) = self.next_begin() {
            if let Some((word, arguments)) = opening(&self.text[begin..]) {
                self.at = begin + arguments;
                self.arguments(begin, word);
                continue;
            }
            let Some(token) = self.token() else { break };
            if token.is(&["check"]) {
                awaits_pidfile = self.service();
            } else if token.is(&["group"]) {
                self.token();
            } else if token.is(&["depend", "depends"]) {
                self.dependencies();
            } else if awaits_pidfile && token.is(&["pidfile", "path", "match", "matching"]) {
                awaits_pidfile = false;
                if self.token().is_some() {
                    self.insertions.push((self.at, IMPLICIT_CHECKS.to_owned()));
                }
            } else if token.is(&["start", "stop"]) && !after_then {
                self.bare_program(token);
            }
            after_then = token.is(&["then"]);
        }
    }

    /// Reads over a service's kind and name; true for a process.
    fn service(&mut self) -> bool {
        // `check NAME with pidfile …` is a process too
        match self.token() {
            Some(kind) if kind.is(&KINDS) => {
                self.token();
                kind.is(&["process"])
            }
            name => name.is_some(),
        }
    }

    /// Reads over `on NAME, NAME`.
    fn dependencies(&mut self) {
        if self.token().is_some_and(|token| token.is(&["on"])) {
            self.token();
        }
        while self.text[self.at..].trim_start().starts_with(',') {
            self.token();
        }
    }

    /// The usual spelling, from behind the opening quote to behind the closing one.
    fn arguments(&mut self, begin: usize, word: &str) {
        let mut first = None;
        loop {
            let rest = &self.text[self.at..];
            let position = self.at + (rest.len() - rest.trim_start().len());
            let rest = &self.text[position..];
            let length = match rest.chars().next() {
                Some('"') => {
                    self.at = position + 1;
                    break;
                }
                Some('\'') => rest[1..].find('\'').map(|length| length + 2),
                _ => rest.find(|c: char| c.is_whitespace() || c == '"'),
            };
            let Some(length) = length else {
                self.at = self.text.len();
                self.problem(begin, word, "has no closing quote");
                return;
            };
            first = first.or(Some(position));
            self.at = position + length;
        }
        if !word.eq_ignore_ascii_case("exec") {
            match first {
                Some(position) => self.detach(begin, word, position),
                None => self.problem(begin, word, "names no program"),
            }
        }
    }

    /// `start program /path argument`, or the string on the next line: monit takes that as one word.
    fn bare_program(&mut self, keyword: Token<'a>) {
        let mut after = self.at;
        while let Some(token) = self.token() {
            if token.is(&["delay"]) {
                return;
            }
            if !token.is(&NOISE) {
                self.detach(keyword.start, keyword.text, token.start);
                return;
            }
            after = self.at;
        }
        self.at = after;
        self.problem(keyword.start, keyword.text, "names no program");
    }

    fn detach(&mut self, begin: usize, word: &str, position: usize) {
        let program = self.text[position..].trim_start_matches(['"', '\'']);
        if program.starts_with('/') {
            self.insertions.push((position, format!("{DETACH} ")));
        } else {
            self.problem(begin, word, "names no program by its absolute path");
        }
    }

    fn problem(&mut self, position: usize, word: &str, what: &str) {
        let line = self.text[..position].matches('\n').count() + 1;
        self.problems.push(format!(
            "line {line}: `{} program` {what}",
            word.to_ascii_lowercase()
        ));
    }

    /// Where the next word or string begins; white space, separators and comments are read over.
    fn next_begin(&mut self) -> Option<usize> {
        loop {
            let rest = &self.text[self.at..];
            let blank = |c: char| c.is_whitespace() || ";,()".contains(c);
            let trimmed = rest.trim_start_matches(blank);
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with('#') {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else {
                return (!trimmed.is_empty()).then_some(self.at);
            }
        }
    }

    fn token(&mut self) -> Option<Token<'a>> {
        let start = self.next_begin()?;
        let rest = &self.text[start..];
        let quote = rest.chars().next().filter(|c| "\"'".contains(*c));
        let length = match quote {
            // Without a second one monit itself complains.
            Some(quote) => rest[1..].find(quote).map(|length| length + 2),
            None => rest.find(|c: char| c.is_whitespace() || ";,()\"'".contains(c)),
        };
        let text = &rest[..length.unwrap_or(rest.len())];
        self.at = start + text.len();
        Some(Token { start, text })
    }
}

/// `start program = "`, `stop "`, `exec "` at the beginning of `text` (`l.l`, `startarg`): the keyword, and the length up
/// to and with the quote.
fn opening(text: &str) -> Option<(&'static str, usize)> {
    let spaces = |text: &'_ str| text.len() - text.trim_start_matches([' ', '\t', '\r']).len();
    let has = |text: &str, word: &str| {
        text.get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    for (keyword, word) in [
        ("start", "start"),
        ("stop", "stop"),
        ("exec", "execute"),
        ("exec", "exec"),
    ] {
        if !has(text, word) {
            continue;
        }
        let mut at = word.len();
        at += spaces(&text[at..]);
        if keyword != "exec" {
            if has(&text[at..], "program") {
                at += "program".len();
                at += spaces(&text[at..]);
            }
            if text[at..].starts_with('=') && spaces(&text[at + 1..]) > 0 {
                at += 1 + spaces(&text[at + 1..]);
            }
        }
        if text[at..].starts_with('"') {
            return Some((keyword, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests;
