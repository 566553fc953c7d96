//! Why `up` failed: the recipe, hooks, services, or what Compose says alone.

use bosh_job::{ErrorReport, ExitCode};
use docker_engine::Filters;
use recipe::labels;

use crate::{
    bring_up::BringUp,
    compose::PROJECT_LABEL,
    failed_services::{self, EarlierErrors},
    failure::Failure,
    health::Beginning,
    hooks::{FailedHooks, Hooks, post_start},
    preflight::{message, refusal},
    watch::Watch,
};

/// An `up` that failed.
pub struct UpFailure<'a> {
    pub bring_up: &'a BringUp<'a>,
    /// What Compose said.
    pub found: ErrorReport,
    /// Whether it was ended because its time was over.
    pub timed_out: bool,
}

impl UpFailure<'_> {
    /// Finds out why.
    pub fn explain(self, hooks: Hooks, began: Beginning, before: &EarlierErrors) -> Failure {
        let BringUp {
            settings,
            compose,
            redactor,
            model,
            ..
        } = *self.bring_up;
        let FailedHooks {
            failed,
            mut never_started,
        } = hooks.failed(self.timed_out, redactor);
        if !failed.is_empty() {
            let mut errors = failed;
            errors.extend(self.failed_services(began, before));
            return unhealthy(errors);
        }
        if !self.timed_out
            && let Some(refusal) = refusal(compose, &settings.recipe, redactor)
        {
            return Failure::one(ExitCode::BadConfig, refusal);
        }
        let said = self.found.log_tail.last().map_or("", |line| message(line));
        if let Some(mut found) = post_start(said, model) {
            self.stop(found.service.as_deref().unwrap_or_default(), began);
            found.log_tail = self.found.log_tail;
            return unhealthy(vec![found]);
        }
        // Compose waits for services that others depend on: if one of them failed, that is why.
        let services = self.failed_services(began, before);
        if services.is_empty() && !self.timed_out {
            if let [hook] = never_started.as_mut_slice() {
                hook.causes.push(self.found.what);
                return unhealthy(never_started);
            }
            return Failure::one(ExitCode::Failed, self.found);
        }
        let exit_code = if services.is_empty() {
            ExitCode::Failed
        } else {
            ExitCode::Unhealthy
        };
        let errors = [vec![self.found], services].concat();
        Failure::Found { exit_code, errors }
    }

    /// The services that have failed by now, with their last words; when time is over, also those that are on their way.
    fn failed_services(&self, began: Beginning, before: &EarlierErrors) -> Vec<ErrorReport> {
        let BringUp {
            settings,
            engine,
            redactor,
            model,
            ..
        } = *self.bring_up;
        let services = model.services.iter();
        let expected = services.map(|(name, service)| (name.clone(), service.replicas));
        let watch = Watch::new(&settings.supervision, expected.collect(), began);
        failed_services::errors(
            engine,
            settings.recipe.project.as_str(),
            watch,
            before,
            &self.found.log_tail,
            self.timed_out,
            redactor,
        )
    }

    /// Stops the containers of a service whose `post_start` hook failed. Left to run, they would be up for the next `up`, which
    /// runs no hook in what runs already.
    fn stop(&self, service: &str, began: Beginning) {
        let BringUp {
            engine, settings, ..
        } = *self.bring_up;
        let project = settings.recipe.project.as_str();
        let filters = Filters::default().label(format!("{PROJECT_LABEL}={project}"));
        let stop = || -> docker_engine::Result<()> {
            for summary in engine.containers(&filters)? {
                if labels::service(&summary.labels) != Some(service) {
                    continue;
                }
                let container = engine.inspect_container(&summary.id)?;
                let started: Option<jiff::Timestamp> = container.state.started_at.parse().ok();
                if started.is_some_and(|started| began.is_before(started)) {
                    engine.stop_container(&summary.id, None)?;
                }
            }
            Ok(())
        };
        if let Err(error) = stop() {
            tracing::warn!(service, "it goes on without its hook: {error}");
        }
    }
}

fn unhealthy(errors: Vec<ErrorReport>) -> Failure {
    Failure::Found {
        exit_code: ExitCode::Unhealthy,
        errors,
    }
}
