//! The images of colocated jobs, brought in by `image-importer` before the recipe needs them.

use std::time::Duration;

use bosh_job::{ExitCode, Options, Paths, verdict::ErrorReport};
use recipe::instance_environment;

use crate::{
    cancel::Cancel,
    child::{End, Lines, Logged, clean_command, ended},
    failure::{Failure, Outcome, error},
    job::Job,
    redact::Redactor,
    watching::Reservation,
};

/// Importing has no bound of its own but this one; `docker-ctl wait` gives up earlier and says so.
const LIMIT: Duration = Duration::from_hours(4);

/// What an import that failed leaves behind: the runner goes on, and the verdict tells of it.
#[derive(Clone, Debug)]
pub struct ImportFailure {
    /// `image-importer`'s exit code.
    pub exit_code: ExitCode,
    /// What it said.
    pub errors: Vec<ErrorReport>,
}

impl From<ImportFailure> for Reservation {
    fn from(import: ImportFailure) -> Self {
        Self {
            exit_code: import.exit_code,
            errors: import.errors,
            well: "the recipe's services are up in spite of it".to_owned(),
            unwell: None,
        }
    }
}

/// Runs the import to its end.
pub fn import(
    job: &Job,
    options: &Options,
    redactor: &Redactor,
    cancel: &Cancel,
) -> Outcome<Option<ImportFailure>> {
    let paths: &Paths = &job.paths;
    let environment = instance_environment(paths, job.instance());
    let mut command = clean_command(&paths.program("image-importer"), &environment, paths.tmp());
    command
        .arg("--root")
        .arg(paths.root())
        .arg("--config")
        .arg(options.config_path());
    let failed = |exit_code, errors| Ok(Some(ImportFailure { exit_code, errors }));
    match (Logged {
        command,
        lines: Lines::AsTheyAre,
        limit: LIMIT,
        redactor,
        cancel,
    })
    .run()
    {
        End::Cancelled => Err(Failure::Cancelled),
        End::Exited { status, .. } if status.success() => Ok(None),
        End::Exited { status, tail } => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            let exit_code = code
                .and_then(|code| ExitCode::try_from(code).ok())
                .unwrap_or(ExitCode::Failed);
            failed(exit_code, told(&tail, &ended(status)))
        }
        End::TimedOut { tail } => failed(
            ExitCode::Failed,
            told(&tail, &format!("did not end within {} s", LIMIT.as_secs())),
        ),
        End::NotStarted(error) => failed(
            ExitCode::Failed,
            told(&[], &format!("could not be started: {error}")),
        ),
    }
}

/// The importer's errors, read from its last lines (`error: …`, `caused by: …`, `hint: …`).
fn told(tail: &[String], how: &str) -> Vec<ErrorReport> {
    let mut errors: Vec<ErrorReport> = Vec::new();
    for line in tail {
        if let Some(what) = line.strip_prefix("error: ") {
            errors.push(error(format!("importing images: {what}")));
        } else if let Some(last) = errors.last_mut() {
            if let Some(cause) = line.strip_prefix("caused by: ") {
                last.causes.push(cause.to_owned());
            } else if let Some(hint) = line.strip_prefix("hint: ") {
                last.hint = Some(hint.to_owned());
            }
        }
    }
    if errors.is_empty() {
        let mut found = error(format!("importing images: image-importer {how}"));
        found.log_tail = tail.to_vec();
        errors.push(found);
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_importers_errors_are_handed_on_one_by_one() {
        let tail = [
            "error: image a: digest differs",
            "caused by: layer 3",
            "hint: upload the release again",
            "error: image b: gone",
        ];
        let errors = told(&tail.map(String::from), "exited with 4");
        assert_eq!(errors.len(), 2);
        assert_eq!(errors[0].what, "importing images: image a: digest differs");
        assert_eq!(errors[0].causes, ["layer 3"]);
        assert_eq!(errors[0].hint.as_deref(), Some("upload the release again"));
        assert_eq!(errors[1].what, "importing images: image b: gone");
    }

    #[test]
    fn an_importer_without_words_is_told_with_its_last_lines() {
        let errors = told(
            &["2026 INFO image-importer: start".to_owned()],
            "was killed by signal 9",
        );
        assert_eq!(
            errors[0].what,
            "importing images: image-importer was killed by signal 9"
        );
        assert_eq!(errors[0].log_tail.len(), 1);
    }
}
