//! How a program says that it failed: one error line, its causes, and a hint where somebody can act on it.

use std::error::Error;
use std::fmt;
use std::io::Write;

use crate::{ErrorReport, ExitCode, Problems};

/// An error with advice for anyone who reads it. It displays as the error itself, so it adds no line of its own.
struct Advised {
    source: anyhow::Error,
    hint: Option<String>,
    exit_code: Option<ExitCode>,
}

impl fmt::Debug for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

/// Adds advice to the error of a result.
pub trait Advise<T> {
    /// Says what to do about it; printed as `hint: …`.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;

    /// Says how the program ends because of it. The outermost word wins.
    fn exits(self, code: ExitCode) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| {
            anyhow::Error::new(Advised {
                source: error.into(),
                hint: Some(hint.into()),
                exit_code: None,
            })
        })
    }

    fn exits(self, code: ExitCode) -> anyhow::Result<T> {
        self.map_err(|error| {
            anyhow::Error::new(Advised {
                source: error.into(),
                hint: None,
                exit_code: Some(code),
            })
        })
    }
}

/// The layers of advice around one error: `Advised` hides what it wraps from `chain`, so it is unwrapped here.
fn advice(error: &anyhow::Error) -> Vec<&Advised> {
    let mut found = Vec::new();
    for cause in error.chain() {
        let mut next = cause.downcast_ref::<Advised>();
        while let Some(advised) = next {
            found.push(advised);
            next = advised.source.downcast_ref::<Advised>();
        }
    }
    found
}

/// An error of a type among the causes of an error, also below advice.
#[must_use]
pub fn find_in<E: Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&E> {
    let found = error.chain().find_map(|cause| cause.downcast_ref::<E>());
    found.or_else(|| error.downcast_ref::<E>()).or_else(|| {
        advice(error)
            .into_iter()
            .find_map(|advised| advised.source.downcast_ref())
    })
}

/// The problems of a configuration inside an error, if that is what it is about.
fn problems(error: &anyhow::Error) -> Option<&Problems> {
    error.downcast_ref::<Problems>().or_else(|| {
        advice(error)
            .into_iter()
            .find_map(|advised| advised.source.downcast_ref::<Problems>())
    })
}

/// The exit code that an error asks for: what [`Advise::exits`] said, 2 for wrong properties, else 1.
#[must_use]
pub fn exit_code_of(error: &anyhow::Error) -> ExitCode {
    let said = advice(error)
        .into_iter()
        .find_map(|advised| advised.exit_code);
    said.unwrap_or_else(|| {
        if problems(error).is_some() {
            ExitCode::BadConfig
        } else {
            ExitCode::Failed
        }
    })
}

/// Takes an error apart: one report for each thing that is wrong.
pub(crate) fn reports(error: &anyhow::Error) -> Vec<ErrorReport> {
    if let Some(problems) = problems(error) {
        return problems
            .iter()
            .map(|problem| ErrorReport {
                what: problem.to_string(),
                property: Some(problem.property.clone()),
                hint: problem.hint.clone(),
                ..ErrorReport::default()
            })
            .collect();
    }
    let mut causes: Vec<String> = Vec::new();
    let what = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // an advised error displays as what it wraps, and some libraries repeat their source: say it once
        if text != what && causes.last() != Some(&text) {
            causes.push(text);
        }
    }
    let hint = advice(error)
        .into_iter()
        .find_map(|advised| advised.hint.clone());
    vec![ErrorReport {
        what,
        causes,
        hint,
        ..ErrorReport::default()
    }]
}

/// Prints an error to stderr as `error: …`, `  caused by: …`, `hint: …`; each wrong property gets its own lines.
pub fn report_error(error: &anyhow::Error) {
    let lines: Vec<String> = reports(error).iter().flat_map(ErrorReport::lines).collect();
    // a closed stderr leaves nobody to tell
    let _ = writeln!(std::io::stderr().lock(), "{}", lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::Problem;

    #[test]
    fn a_hint_adds_no_cause_and_survives_a_context() {
        let error = Err::<(), _>(std::io::Error::other("no space left"))
            .context("writing the file")
            .hint("free some space")
            .context("starting dockerd")
            .unwrap_err();
        let parts = reports(&error);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].what, "starting dockerd");
        assert_eq!(parts[0].causes, ["writing the file", "no space left"]);
        assert_eq!(parts[0].hint.as_deref(), Some("free some space"));
    }

    #[test]
    fn wrong_properties_exit_with_2_and_are_said_one_by_one() {
        let mut problems = Problems::default();
        problems.push(Problem::new("bind", "is not a port").hint("use 1 to 65535"));
        problems.push(Problem::new("log_level", "is not a level"));
        let error = Err::<(), _>(problems)
            .context("reading the configuration")
            .hint("see the docs")
            .unwrap_err();
        assert_eq!(exit_code_of(&error), ExitCode::BadConfig);
        let parts = reports(&error);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].property.as_deref(), Some("bind"));
        assert_eq!(parts[0].hint.as_deref(), Some("use 1 to 65535"));
    }

    #[test]
    fn the_exit_code_that_was_said_wins_through_hints_and_contexts() {
        let error = Err::<(), _>(std::io::Error::other("digest differs"))
            .exits(ExitCode::VerificationFailed)
            .hint("upload the release again")
            .context("importing")
            .unwrap_err();
        assert_eq!(exit_code_of(&error), ExitCode::VerificationFailed);
    }
}
