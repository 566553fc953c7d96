//! What the programs leave for each other in `sys/run`: `verdict.json` (compose-runner on the recipe) and
//! `refused.json` (docker-ctl on the daemon's settings). `docker-ctl wait` and `status` read both.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use bosh_job::{ErrorReport, ExitCode, Paths, exit_code_of};

use crate::StateFile;

/// Where a recipe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// On the way; no verdict yet.
    Starting,
    /// Every service is stable.
    Up,
    /// It was refused, or did not get stable, or is not well any more.
    Failed,
}

/// A service of the recipe, as it was seen last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceReport {
    /// Its name in the recipe.
    pub name: String,
    /// The engine's word for its container's state: running, exited, …; "missing" without a container.
    pub state: String,
    /// healthy, unhealthy, starting; none without a health check.
    pub health: Option<String>,
    /// How often the engine restarted it.
    pub restarts: u64,
    /// Exit code of its last end.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it because it was out of memory.
    #[serde(default)]
    pub oom_killed: bool,
}

/// compose-runner's word on the recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Where it stands.
    pub state: State,
    /// The compose-runner that says so; its word counts while it lives.
    pub pid: i32,
    /// What a program that hands the verdict on exits with.
    pub exit_code: ExitCode,
    /// What is wrong.
    pub errors: Vec<ErrorReport>,
    /// What an operator should know all the same.
    #[serde(default)]
    pub warnings: Vec<ErrorReport>,
    /// The services.
    pub services: Vec<ServiceReport>,
    /// Since when the state is so (RFC 3339).
    pub since: String,
    /// The configured recipe failed, and this is about the one before it, which was healthy at this time (RFC 3339).
    pub rolled_back_to: Option<String>,
}

impl StateFile for Verdict {
    const VERSION: u32 = 1;
    const MAKES_DIRECTORY: bool = false;

    fn path(paths: &Paths) -> PathBuf {
        paths.verdict()
    }
}

impl Verdict {
    /// A verdict of this process, as of now.
    #[must_use]
    pub fn new(
        state: State,
        exit_code: ExitCode,
        errors: Vec<ErrorReport>,
        services: Vec<ServiceReport>,
    ) -> Self {
        Self {
            state,
            pid: i32::try_from(std::process::id()).unwrap_or_default(),
            exit_code,
            errors,
            warnings: Vec::new(),
            services,
            since: Timestamp::now().to_string(),
            rolled_back_to: None,
        }
    }
}

/// docker-ctl's word on daemon settings that it did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// What `docker-ctl wait` exits with.
    pub exit_code: ExitCode,
    /// What is wrong.
    pub errors: Vec<ErrorReport>,
    /// What happened instead, and what to do.
    pub hint: Option<String>,
    /// Since when (RFC 3339).
    pub since: String,
    /// A dockerd that had not answered when this was written.
    #[serde(default)]
    pub late: Option<LateDockerd>,
}

/// A dockerd that is slow to start, on the settings that are wanted: once it answers, nothing is wrong with it any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LateDockerd {
    /// Its number.
    pub pid: i32,
    /// What is wrong until then.
    pub errors: Vec<ErrorReport>,
}

impl StateFile for Refused {
    const VERSION: u32 = 1;
    const MAKES_DIRECTORY: bool = false;

    fn path(paths: &Paths) -> PathBuf {
        paths.refused()
    }
}

impl Refused {
    /// The refusal that an error stands for.
    #[must_use]
    pub fn new(error: &anyhow::Error, hint: Option<String>) -> Self {
        Self {
            exit_code: exit_code_of(error),
            errors: ErrorReport::all_of(error),
            hint,
            since: Timestamp::now().to_string(),
            late: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosh_job::{Advise, Problem, Problems};

    #[test]
    fn a_verdict_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        assert_eq!(Verdict::read(&paths).unwrap(), None);
        std::fs::create_dir_all(paths.run_dir()).unwrap();
        let error = ErrorReport {
            what: "service web exited".to_owned(),
            service: Some("web".to_owned()),
            ..ErrorReport::default()
        };
        let verdict = Verdict::new(State::Failed, ExitCode::Unhealthy, vec![error], Vec::new());
        verdict.write(&paths).unwrap();
        assert_eq!(Verdict::read(&paths).unwrap(), Some(verdict));
        std::fs::write(paths.verdict(), "{").unwrap();
        assert!(
            Verdict::read(&paths)
                .unwrap_err()
                .to_string()
                .contains("verdict.json")
        );
    }

    #[test]
    fn a_refusal_names_every_property() {
        let mut problems = Problems::default();
        problems.push(Problem::new("bind", "x"));
        problems.push(Problem::new("log_level", "y"));
        let error = Err::<(), _>(problems).hint("z").unwrap_err();
        let refused = Refused::new(&error, None);
        assert_eq!(refused.exit_code, ExitCode::BadConfig);
        let named: Vec<_> = refused
            .errors
            .iter()
            .filter_map(|error| error.property.as_deref())
            .collect();
        assert_eq!(named, ["bind", "log_level"]);
    }
}
