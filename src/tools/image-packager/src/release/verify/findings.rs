//! Problems, as they are collected.

use std::sync::{Mutex, PoisonError};

use super::Problem;
use crate::release::{Error, Release};

/// What to do about a file that was edited.
pub(super) const FREEZE_AGAIN: &str = "run `image-packager freeze` for the image again, which writes the file again, or take the version that git has";

/// Problems, reported from several threads.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Mutex<Vec<Problem>>,
}

impl Findings {
    pub(super) fn add(
        &self,
        file: impl Into<String>,
        problem: impl Into<String>,
        hint: Option<&str>,
    ) {
        let problem = Problem {
            file: file.into(),
            problem: problem.into(),
            hint: hint.map(str::to_owned),
        };
        let problems = self.problems.lock();
        problems
            .unwrap_or_else(PoisonError::into_inner)
            .push(problem);
    }

    pub(super) fn error(&self, release: &Release, file: &str, error: &Error) {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        // Relative to the release, as all of a verdict is.
        let text = text.replace(&format!("{}/", release.root.display()), "");
        self.add(file, text, error.hint().as_deref());
    }
}
