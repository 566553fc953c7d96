//! Why a step of the runner did not get its work done.

use bosh_job::{ErrorReport, ExitCode, Problems, exit_code_of};

use crate::redact::Redactor;

/// Everything that is wrong, for the verdict; or that there is no time for more.
#[derive(Debug)]
pub enum Failure {
    /// It was found out, and this is it.
    Found {
        /// How `docker-ctl wait` is to exit.
        exit_code: ExitCode,
        /// At least one.
        errors: Vec<ErrorReport>,
    },
    /// The runner was told to end.
    Cancelled,
}

/// The outcome of a step.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// One error.
    pub fn one(exit_code: ExitCode, error: ErrorReport) -> Self {
        Self::Found {
            exit_code,
            errors: vec![error],
        }
    }

    /// All that is wrong.
    pub fn errors(&self) -> &[ErrorReport] {
        match self {
            Self::Found { errors, .. } => errors,
            Self::Cancelled => &[],
        }
    }

    /// Whether anything that is told of it says something.
    pub fn says(&self, says: impl Fn(&str) -> bool) -> bool {
        self.errors().iter().any(|error| {
            let lines = error.causes.iter().chain(&error.log_tail);
            says(&error.what) || lines.into_iter().any(|line| says(line))
        })
    }

    /// The same without secrets that got into the sentences of this program. What others said is without any already.
    pub fn clean(self, redactor: &Redactor) -> Self {
        match self {
            Self::Found { exit_code, errors } => Self::Found {
                exit_code,
                errors: errors
                    .into_iter()
                    .map(|error| clean(error, redactor))
                    .collect(),
            },
            Self::Cancelled => Self::Cancelled,
        }
    }
}

/// An error without secrets that got into the sentences of this program.
pub fn clean(error: ErrorReport, redactor: &Redactor) -> ErrorReport {
    let own = |text: String| redactor.clean_own(&text);
    let each = |lines: Vec<String>| lines.into_iter().map(own).collect();
    ErrorReport {
        what: own(error.what),
        causes: each(error.causes),
        hint: error.hint.map(own),
        log_tail: each(error.log_tail),
        ..error
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Found {
            exit_code: exit_code_of(&error),
            errors: ErrorReport::all_of(&error),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        anyhow::Error::from(problems).into()
    }
}

impl From<docker_engine::Error> for Failure {
    fn from(error: docker_engine::Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        let Self::Found {
            exit_code,
            mut errors,
        } = Self::from(anyhow::Error::from(error))
        else {
            return Self::Cancelled;
        };
        for error in &mut errors {
            error.hint = error.hint.take().or_else(|| hint.clone());
        }
        Self::Found { exit_code, errors }
    }
}

/// An error in words alone.
pub fn error(what: impl Into<String>) -> ErrorReport {
    ErrorReport {
        what: what.into(),
        ..ErrorReport::default()
    }
}

/// Findings of several checks, so that an operator learns of all at once.
#[derive(Debug, Default)]
pub struct Findings {
    exit_code: ExitCode,
    errors: Vec<ErrorReport>,
}

impl Findings {
    /// Adds errors. Wrong configuration outweighs what failed at run time: it must be fixed first.
    pub fn add(&mut self, exit_code: ExitCode, errors: impl IntoIterator<Item = ErrorReport>) {
        let before = self.errors.len();
        self.errors.extend(errors);
        if self.errors.len() > before && self.exit_code != ExitCode::BadConfig {
            self.exit_code = exit_code;
        }
    }

    /// Adds what a check found; [`Failure::Cancelled`] ends the checks.
    pub fn note<T>(&mut self, outcome: Outcome<T>) -> Outcome<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Cancelled) => Err(Failure::Cancelled),
            Err(Failure::Found { exit_code, errors }) => {
                self.add(exit_code, errors);
                Ok(None)
            }
        }
    }

    /// A failure if anything was found.
    pub fn outcome(self) -> Outcome<()> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Failure::Found {
                exit_code: self.exit_code,
                errors: self.errors,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_configuration_outweighs_other_findings() {
        let mut findings = Findings::default();
        findings.add(ExitCode::BadConfig, [error("a")]);
        findings.add(ExitCode::Failed, [error("b")]);
        let Err(Failure::Found { exit_code, errors }) = findings.outcome() else {
            panic!("nothing found")
        };
        assert_eq!((exit_code, errors.len()), (ExitCode::BadConfig, 2));
    }

    #[test]
    fn checks_that_find_nothing_are_no_failure() {
        let mut findings = Findings::default();
        findings.add(ExitCode::BadConfig, []);
        assert!(findings.outcome().is_ok());
    }
}
