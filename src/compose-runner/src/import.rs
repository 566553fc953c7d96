//! The images of colocated jobs, brought in by `image-importer` before the recipe needs them.

use std::time::Duration;

use bosh_job::{ErrorReport, ExitCode, Options, Paths};
use recipe::instance_environment;
use state_files::ReportFile;

use crate::{
    cancel::Cancel,
    child::{End, Lines, Logged, clean_command, ended},
    deploy_failure::DeployFailure,
    failure::{Failure, Outcome, clean, error},
    job::Job,
    redact::Redactor,
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

impl From<ImportFailure> for DeployFailure {
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
    let failed = |exit_code, errors| Ok(Some(ImportFailure { exit_code, errors }));
    let report = match ReportFile::of(&mut command, paths.root(), &options.config_path()) {
        Ok(report) => report,
        Err(error) => {
            let how = format!("cannot be asked: {error}");
            return failed(ExitCode::Failed, vec![told(&how, Vec::new())]);
        }
    };
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
            let errors = report
                .read()
                .map(|report| report.errors().cloned().collect());
            let errors = errors
                .filter(|errors: &Vec<_>| !errors.is_empty())
                .map_or_else(
                    || vec![told(&ended(status), tail)],
                    |errors| reported(errors, redactor),
                );
            failed(exit_code, errors)
        }
        End::TimedOut { tail } => {
            let how = format!("did not end within {} s", LIMIT.as_secs());
            failed(ExitCode::Failed, vec![told(&how, tail)])
        }
        End::NotStarted(error) => {
            let how = format!("could not be started: {error}");
            failed(ExitCode::Failed, vec![told(&how, Vec::new())])
        }
    }
}

/// The errors of the importer's report, for the verdict.
fn reported(errors: Vec<ErrorReport>, redactor: &Redactor) -> Vec<ErrorReport> {
    errors
        .into_iter()
        .map(|error| {
            let what = format!("importing images: {}", error.what);
            clean(ErrorReport { what, ..error }, redactor)
        })
        .collect()
}

/// An importer that gave no report is told with its last lines, which are without secrets.
fn told(how: &str, tail: Vec<String>) -> ErrorReport {
    ErrorReport {
        log_tail: tail,
        ..error(format!("importing images: image-importer {how}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_importers_errors_are_handed_on_one_by_one_without_secrets() {
        let errors = (0..10).map(|number| ErrorReport {
            what: format!("image {number}: digest differs"),
            causes: vec!["layer of hunter2".to_owned()],
            hint: Some("upload the release again".to_owned()),
            ..ErrorReport::default()
        });
        let told = reported(errors.collect(), &Redactor::new(["hunter2"]));
        assert_eq!(told.len(), 10);
        assert_eq!(told[9].what, "importing images: image 9: digest differs");
        assert_eq!(told[9].causes, ["layer of [redacted]"]);
        assert_eq!(told[9].hint.as_deref(), Some("upload the release again"));
    }
}
