//! Errors that say what to do next, and the one printer that every command's error goes through.

use std::error::Error as StdError;
use std::fmt;

/// An error with a piece of advice; it shows and chains as the error that it wraps.
#[derive(Debug)]
struct Hinted {
    error: anyhow::Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl StdError for Hinted {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Adds advice to a failed result.
pub trait Hint<T> {
    /// Attaches `hint`, which is printed below the error's causes.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Hint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| {
            anyhow::Error::new(Hinted {
                error: error.into(),
                hint: hint.into(),
            })
        })
    }
}

/// The text for standard error: `error:`, then the causes, then the hints.
pub fn report(error: &anyhow::Error) -> String {
    let mut lines = Vec::new();
    let mut hints = Vec::new();
    let mut said = String::new();
    for cause in error.chain() {
        if let Some(hinted) = cause.downcast_ref::<Hinted>() {
            hints.push(format!("hint: {}", hinted.hint));
        }
        if let Some(error) = cause.downcast_ref::<solo_instance::Error>() {
            hints.extend(error.hint().map(|hint| format!("hint: {hint}")));
        }
        let text = cause.to_string();
        // An error that repeats what its parent already said adds nothing.
        if said.ends_with(&text) {
            continue;
        }
        let indented = text.replace('\n', "\n    ");
        lines.push(if lines.is_empty() {
            format!("error: {indented}")
        } else {
            format!("  caused by: {indented}")
        });
        said = text;
    }
    lines.extend(hints);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn prints_error_causes_and_hints_in_that_order() {
        let result: anyhow::Result<()> = Err(anyhow!("no such file"))
            .context("reading a.yml")
            .hint("make it");
        let error = result.context("deploying").unwrap_err();
        assert_eq!(
            report(&error),
            "error: deploying\n  caused by: reading a.yml\n  caused by: no such file\nhint: make it"
        );
    }
}
