//! The last recipe that was healthy, kept for a rollback.
//!
//! What is kept are the properties that make the recipe, so that it comes back through the same code by which it came:
//! its Compose file, `files` with owner and mode, `variables`, `prep` and the project's name. It holds secrets, lies
//! beside the recipe's own files and is as closed as they are.
//!
//! A configuration whose recipe failed is noted with it. As long as the job has that configuration, the kept recipe is
//! the one in force: a reboot, or monit, does not try the failed one again. The next deploy does.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use bosh_job::{ErrorReport, ExitCode, Paths};
use job_properties::{JobConfig, RecipeConfig};
use serde::{Deserialize, Serialize};

use crate::StateFile;

/// A recipe that was healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRecipe {
    /// When its services were stable first (RFC 3339).
    pub since: String,
    /// The properties that it is made of.
    pub recipe: RecipeConfig,
    /// The engine's IDs of its services' images: the names may stand for others by now.
    pub images: BTreeMap<String, String>,
    /// The configuration that failed after it, if one did.
    pub failed: Option<FailedConfig>,
}

/// A configuration whose recipe was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedConfig {
    /// [`JobConfig::digest`].
    pub digest: String,
    /// What the deploy is to exit with.
    pub exit_code: ExitCode,
    /// Why it failed.
    pub errors: Vec<ErrorReport>,
}

impl StateFile for KeptRecipe {
    const VERSION: u32 = 1;

    fn path(paths: &Paths) -> PathBuf {
        paths.kept_recipe()
    }
}

impl KeptRecipe {
    /// The kept recipe, if it is the one to run: the present configuration's own was rolled back.
    #[must_use]
    pub fn in_force(paths: &Paths, config: &JobConfig) -> Option<(Self, FailedConfig)> {
        let is_on = config
            .supervision()
            .is_ok_and(|supervision| supervision.rollback_on_failure);
        let kept = is_on.then(|| Self::read(paths).ok().flatten()).flatten()?;
        let failed = kept.failed.clone()?;
        (failed.digest == config.digest).then_some((kept, failed))
    }

    /// Lets the next start try the configured recipe again.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn forget_failure(paths: &Paths) -> io::Result<()> {
        match Self::read(paths)? {
            Some(kept) if kept.failed.is_some() => Self {
                failed: None,
                ..kept
            }
            .write(paths),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::{Value, json};

    use super::*;

    fn config(changes: &[(&str, Value)]) -> JobConfig {
        let mut config = job_fixture::rendered();
        let recipe = json!({"services": {"web": {"image": "x"}}});
        let own = [("recipe", recipe), ("rollback_on_failure", json!(true))];
        for (name, value) in own.iter().chain(changes) {
            config["properties"][*name] = value.clone();
        }
        JobConfig::from_value(config).unwrap()
    }

    #[test]
    fn is_in_force_for_the_configuration_that_failed_until_the_failure_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let bad = config(&[("prep", json!("exit 1"))]);
        assert_eq!(KeptRecipe::in_force(&paths, &bad), None);
        KeptRecipe::forget_failure(&paths).unwrap();
        let failed = FailedConfig {
            digest: bad.digest.clone(),
            exit_code: ExitCode::Unhealthy,
            errors: Vec::new(),
        };
        let kept = KeptRecipe {
            since: "2026-11-20T16:03:31Z".to_owned(),
            recipe: config(&[("variables", json!({"PW": "hunter2"}))]).recipe,
            images: BTreeMap::new(),
            failed: Some(failed.clone()),
        };
        kept.write(&paths).unwrap();
        assert!(!format!("{kept:?}").contains("hunter2"));
        let mode = paths.kept_recipe().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            KeptRecipe::in_force(&paths, &bad),
            Some((kept.clone(), failed))
        );
        for other in [
            config(&[]),
            config(&[("prep", json!("exit 1")), ("start_timeout", json!(61))]),
            config(&[
                ("prep", json!("exit 1")),
                ("rollback_on_failure", json!(false)),
            ]),
        ] {
            assert_eq!(KeptRecipe::in_force(&paths, &other), None);
        }
        KeptRecipe::forget_failure(&paths).unwrap();
        assert_eq!(KeptRecipe::in_force(&paths, &bad), None);
        assert_eq!(
            KeptRecipe::read(&paths).unwrap().unwrap().recipe,
            kept.recipe
        );
        KeptRecipe::remove(&paths).unwrap();
        KeptRecipe::remove(&paths).unwrap();
        assert_eq!(KeptRecipe::read(&paths).unwrap(), None);
    }

    #[test]
    fn one_that_a_release_without_profiles_kept_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        std::fs::create_dir_all(paths.compose_dir()).unwrap();
        let kept = r#"{"since":"2026-11-20T16:03:31Z","recipe":{"recipe":"services: {}","project_name":"running","variables":{},
            "files":null,"on_duplicate_files":"raise-error","prep":null},"images":{},"failed":null}"#;
        std::fs::write(paths.kept_recipe(), kept).unwrap();
        let kept = KeptRecipe::read(&paths).unwrap().unwrap();
        let recipe = recipe::Recipe::parse(&kept.recipe).unwrap().unwrap();
        assert!(recipe.profiles.is_empty());
    }

    #[test]
    fn a_damaged_one_is_an_error_that_shows_nothing_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        std::fs::create_dir_all(paths.compose_dir()).unwrap();
        std::fs::write(paths.kept_recipe(), r#"{"since": "hunter2""#).unwrap();
        let error = KeptRecipe::read(&paths).unwrap_err().to_string();
        assert!(
            error.contains("kept.json") && !error.contains("hunter2"),
            "{error}"
        );
        assert_eq!(KeptRecipe::in_force(&paths, &config(&[])), None);
    }
}
