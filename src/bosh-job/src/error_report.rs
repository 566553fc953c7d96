//! One thing that is wrong, as programs hand it to each other and to operators.

use serde::{Deserialize, Serialize};

use crate::report::reports;
use crate::visible;

/// One thing that is wrong, for an operator to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorReport {
    /// What is wrong.
    pub what: String,
    /// Why, from the outermost to the innermost cause.
    #[serde(default)]
    pub causes: Vec<String>,
    /// The property it comes from.
    pub property: Option<String>,
    /// The Compose service it is about.
    pub service: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The last lines that the service or program wrote.
    #[serde(default)]
    pub log_tail: Vec<String>,
}

impl ErrorReport {
    /// One report for each thing that an error is about.
    #[must_use]
    pub fn all_of(error: &anyhow::Error) -> Vec<Self> {
        reports(error)
    }

    /// The lines for stderr, in the form of [`crate::report_error`].
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines_as("error")
    }

    /// The same with another word than `error` before it.
    #[must_use]
    pub fn lines_as(&self, word: &str) -> Vec<String> {
        let mut lines = shown(&format!("{word}: "), &self.what);
        lines.extend(
            self.causes
                .iter()
                .flat_map(|cause| shown("  caused by: ", cause)),
        );
        lines.extend(self.log_tail.iter().flat_map(|line| shown("  | ", line)));
        lines.extend(self.hint.iter().flat_map(|hint| shown("hint: ", hint)));
        lines
    }
}

/// A text after its prefix, fit for a terminal. What follows a line break is set in, so that it cannot pass for a line of
/// another kind.
fn shown(prefix: &str, text: &str) -> Vec<String> {
    text.split('\n')
        .enumerate()
        .map(|(number, line)| {
            let before = if number == 0 { prefix } else { "      " };
            format!("{before}{}", visible(line))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_hold_nothing_that_a_terminal_obeys_and_no_text_passes_for_a_hint() {
        let error = ErrorReport {
            what: "service a: \u{1b}[2Jgone\nhint: run this".to_owned(),
            causes: vec!["probe\r: bad".to_owned()],
            log_tail: vec!["\u{1b}]0;title\u{7}".to_owned()],
            hint: Some("see \u{9b}31m".to_owned()),
            ..ErrorReport::default()
        };
        assert_eq!(
            error.lines(),
            [
                "error: service a: \\u{1b}[2Jgone",
                "      hint: run this",
                "  caused by: probe\\r: bad",
                "  | \\u{1b}]0;title\\u{7}",
                "hint: see \\u{9b}31m",
            ]
        );
    }
}
