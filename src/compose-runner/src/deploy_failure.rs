//! A deploy that failed, although its services run.

use bosh_job::{ErrorReport, ExitCode};

/// A deploy that failed, although its services are well: images of colocated jobs are not there, or the services are
/// those of the previous recipe.
pub struct DeployFailure {
    pub exit_code: ExitCode,
    /// Why it failed.
    pub errors: Vec<ErrorReport>,
    /// What is told of services that are well.
    pub well: String,
    /// Why and what is told of services that are not; nothing but these, if there is nothing here.
    pub unwell: Option<String>,
}
