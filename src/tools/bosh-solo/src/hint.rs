//! Errors that say what to do next, and the one printer that every command's error goes through.

use error_text::error_text;
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
    error_text(error, |cause| {
        let hinted = cause.downcast_ref::<Hinted>();
        hinted.map(|hinted| hinted.hint.clone()).or_else(|| {
            let error = cause.downcast_ref::<solo_instance::Error>()?;
            error.hint()
        })
    })
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
