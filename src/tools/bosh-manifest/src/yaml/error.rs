//! Errors of the YAML reader, in the words of go-yaml.

use thiserror::Error;

/// Why a text is not the YAML it should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum YamlError {
    /// The text is not YAML.
    #[error("yaml: {}{problem}", line_prefix(*.line))]
    Syntax {
        /// The line, as go-yaml counts it.
        line: Option<u64>,
        /// What the parser says.
        problem: String,
    },
    /// A scalar does not fit its tag, an alias its anchor, a merge its value.
    #[error("yaml: {0}")]
    Meaning(String),
    /// Nodes are of the wrong type.
    #[error("yaml: unmarshal errors:\n  {}", .0.join("\n  "))]
    Types(Vec<String>),
    /// The document is nested deeper than any manifest.
    #[error("yaml: line {line}: nested deeper than {limit} levels")]
    TooDeep {
        /// The line where the limit is passed.
        line: u64,
        /// The limit.
        limit: usize,
    },
}

fn line_prefix(line: Option<u64>) -> String {
    line.map(|line| format!("line {line}: "))
        .unwrap_or_default()
}

impl YamlError {
    /// The bytes from `valid` on are not UTF-8.
    pub(super) fn not_utf8(text: &[u8], valid: usize) -> Self {
        let line = text[..valid].split(|byte| *byte == b'\n').count();
        Self::Meaning(format!("invalid UTF-8 octet in line {line}"))
    }
}

impl From<libyaml_safer::Error> for YamlError {
    /// Counts lines as go-yaml does: a scanner's mark is of the line before, a parser's is not corrected.
    fn from(error: libyaml_safer::Error) -> Self {
        let scanner = error.kind() == libyaml_safer::ErrorKind::Scanner;
        let problem_line = error.problem_mark().map_or(0, |mark| mark.line);
        let context_line = error.context_mark().map_or(0, |mark| mark.line);
        let line = match (problem_line, context_line) {
            (0, 0) => None,
            (0, context) => Some(context),
            (problem, _) => Some(problem + u64::from(scanner)),
        };
        Self::Syntax {
            line,
            problem: error.problem().to_owned(),
        }
    }
}
