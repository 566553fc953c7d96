//! The recipe before: noted as the one in force when the configured one fails, and then brought up by the same steps.
//!
//! The note is on disk before anything is touched, so that a reboot or a new runner goes on with the rollback and does
//! not try the failed recipe again.

use std::collections::BTreeMap;

use bosh_job::ErrorReport;
use docker_engine::{Engine, Filters};
use recipe::{Recipe, labels};
use state_files::{FailedConfig, KeptRecipe, StateFile as _};

use crate::{
    compose::PROJECT_LABEL,
    deploy_failure::DeployFailure,
    failure::{Failure, error},
    job::{Job, Settings},
    model::Model,
};

/// A rollback under way or done.
#[derive(Debug)]
pub struct Rollback {
    /// How the previous recipe is run.
    pub settings: Settings,
    pub kept: KeptRecipe,
    pub failed: FailedConfig,
}

impl Rollback {
    /// The rollback that is in force, if one is.
    pub fn in_force(job: &Job) -> Option<Self> {
        let (kept, failed) = KeptRecipe::in_force(&job.paths, &job.config)?;
        let settings = job.settings_with(&kept.recipe).ok()?;
        Some(Self {
            settings,
            kept,
            failed,
        })
    }

    /// Puts the previous recipe in force, if `rollback_on_failure` is on. The failure comes back if it is not, or if that
    /// is impossible, and then with the reason.
    pub fn after(job: &Job, engine: &Engine, failure: Failure) -> Result<Self, Failure> {
        let Failure::Found {
            exit_code,
            mut errors,
        } = failure
        else {
            return Err(failure);
        };
        if !job.rolls_back() {
            return Err(Failure::Found { exit_code, errors });
        }
        let begun = is_possible(job, engine).and_then(|kept| {
            let digest = job.config.digest.clone();
            let failed = FailedConfig {
                digest,
                exit_code,
                errors: errors.clone(),
            };
            let kept = KeptRecipe {
                failed: Some(failed),
                ..kept
            };
            kept.write(&job.paths).map_err(|error| error.to_string())?;
            Self::in_force(job).ok_or_else(|| "the recipe that was kept is gone".to_owned())
        });
        begun.map_err(|why| {
            errors.push(impossible(&why));
            Failure::Found { exit_code, errors }
        })
    }

    /// "the recipe of 2026-…"
    fn recipe(&self) -> String {
        format!("the recipe of {}", self.kept.since)
    }

    /// What the verdict tells of it.
    pub fn failure(&self) -> DeployFailure {
        let recipe = self.recipe();
        DeployFailure {
            exit_code: self.failed.exit_code,
            errors: self.failed.errors.clone(),
            well: format!("rolled back to {recipe}, its services are up"),
            unwell: Some(format!(
                "rolled back to {recipe}, and its services are not well either"
            )),
        }
    }

    /// The rollback failed as well.
    pub fn failed(&self, failure: Failure) -> Failure {
        let Failure::Found { errors, .. } = failure else {
            return failure;
        };
        let as_well = error(format!("the rollback to {} failed as well", self.recipe()));
        let why = self.failed.errors.clone();
        Failure::Found {
            exit_code: self.failed.exit_code,
            errors: [why, vec![as_well], errors].concat(),
        }
    }
}

/// Whether there is a recipe to go back to; why not, if not.
pub fn is_possible(job: &Job, engine: &Engine) -> Result<KeptRecipe, String> {
    match KeptRecipe::read(&job.paths) {
        Ok(Some(kept)) if is_what_runs(&kept, job, engine) => Err(format!(
            "this recipe is the one that was healthy last, the one of {}",
            kept.since
        )),
        Ok(Some(kept)) if job.settings_with(&kept.recipe).is_ok() => Ok(kept),
        Ok(Some(_)) => Err("this release does not take the recipe that was kept".to_owned()),
        Ok(None) => Err(
            "no recipe has been healthy on this VM since `rollback_on_failure` is on".to_owned(),
        ),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether the kept recipe is the configured one, and its containers are of the images that it was healthy with: it fails
/// later, after a reboot for one, and a rollback would bring up the same again. An engine that does not answer rolls nothing
/// back either.
fn is_what_runs(kept: &KeptRecipe, job: &Job, engine: &Engine) -> bool {
    let Ok(Some(recipe)) = Recipe::parse(&kept.recipe) else {
        return false;
    };
    let project = Filters::all().label(format!("{PROJECT_LABEL}={}", recipe.project.as_str()));
    kept.recipe == job.config.recipe
        && engine.containers(&project).is_ok_and(|containers| {
            containers.iter().all(|container| {
                labels::service(&container.labels)
                    .and_then(|service| kept.images.get(service))
                    .is_none_or(|image| *image == container.image_id)
            })
        })
}

/// Says that there is nothing to roll back to.
pub fn impossible(why: &str) -> ErrorReport {
    error(format!("nothing was rolled back: {why}"))
}

/// The images of the kept recipe whose names stand for something else by now, for the override file.
pub fn image_overrides(
    kept: &BTreeMap<String, String>,
    model: &Model,
    engine: &Engine,
) -> docker_engine::Result<BTreeMap<String, String>> {
    let mut overrides = BTreeMap::new();
    for (name, service) in &model.services {
        if let Some((image, id)) = service.image.as_ref().zip(kept.get(name))
            && engine
                .inspect_image(image)?
                .is_none_or(|found| found.id != *id)
        {
            overrides.insert(name.clone(), id.clone());
        }
    }
    Ok(overrides)
}
