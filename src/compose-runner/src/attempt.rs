//! One attempt at a recipe: the engine, the images, the checks, `up`, and the watch over what runs.

mod engine_wait;

use std::time::{Duration, Instant};

use bosh_job::{ExitCode, Options, Pid};
use docker_engine::Engine;
use recipe::WriteError;

use crate::{
    before::Before,
    bring_up::BringUp,
    cancel::Cancel,
    compose::Compose,
    deploy_failure::DeployFailure,
    deploy_warnings, engine_socket,
    failure::{self, Failure, Outcome},
    healing::Healing,
    health::Beginning,
    import::{ImportFailure, import},
    inactive,
    job::{Job, Settings},
    model::Model,
    networks::{self, Claims, NameServers},
    on_stable::OnStable,
    preflight::{Preflight, PullPolicies},
    pulls::Pulls,
    recipe_text::RecipeText,
    redact::Redactor,
    rollback::{self, Rollback},
    status_publisher::{StatusPublisher, log_errors},
    volumes,
    watch::Watch,
    watching::Watching,
};
use state_files::AppliedProject;

use engine_wait::dockerd;
pub use engine_wait::{Containerd, ENGINE_ANSWER, EngineNow};

/// How long an engine may be without its containerd before a recipe is brought up all the same: its pauses between two tries to reach
/// it grow up to a minute.
const CONTAINERD_BACK: Duration = Duration::from_secs(75);

/// What others see of the runner.
pub struct RunnerOutputs {
    pub publisher: StatusPublisher,
    pub names: NameServers,
    /// What ran before the first attempt.
    pub before: Option<Before>,
}

/// What is brought up.
pub struct Start<'a> {
    pub settings: &'a Settings,
    /// It is the previous recipe.
    pub rollback: Option<&'a Rollback>,
    /// Whether the images of colocated jobs are to be imported first.
    pub imports: bool,
}

impl<'a> Start<'a> {
    /// The configured recipe.
    pub fn of(settings: &'a Settings) -> Self {
        Self {
            settings,
            rollback: None,
            imports: true,
        }
    }
}

/// One attempt.
pub struct Attempt<'a> {
    pub job: &'a Job,
    pub options: &'a Options,
    pub cancel: &'a Cancel,
    pub start: &'a Start<'a>,
    pub redactor: &'a Redactor,
    pub engine: &'a Engine,
    /// The dockerd that it began with.
    pub dockerd: Option<Pid>,
    /// Its containerd.
    pub containerd: Option<Containerd>,
}

impl Attempt<'_> {
    /// Until the runner is told to end, or the recipe fails.
    pub fn run(&mut self, outputs: &mut RunnerOutputs) -> Outcome<()> {
        let Self { start, engine, .. } = *self;
        if let Some(rollback) = start.rollback {
            log_errors(&rollback.failed.errors);
            tracing::warn!(
                to = rollback.kept.since,
                "the recipe failed; rolling back to the previous recipe"
            );
            outputs.publisher.rolled_back_to(&rollback.kept.since);
            outputs.publisher.publish_starting();
        }
        let deadline = Instant::now() + start.settings.supervision.start_timeout;
        self.wait_for_engine(deadline, &mut outputs.publisher)?;
        self.dockerd = dockerd(self.job);
        self.containerd = Containerd::now(&self.job.paths);
        // for what runs already, whatever becomes of the recipe
        let project = start.settings.recipe.project.as_str();
        outputs
            .names
            .serve_project(engine, project, &Claims::default());
        if outputs.before.is_none() {
            let applied = AppliedProject::name(&self.job.paths);
            let applied = applied.as_deref().unwrap_or(project);
            outputs.before = Some(Before::look(engine, applied)?);
        }
        let mut failed = None;
        if start.imports {
            failed = import(self.job, self.options, self.redactor, self.cancel)?;
        }
        if let Some(import) = &failed {
            log_errors(&import.errors);
        }
        self.bring_up(outputs, deadline, failed.clone())
            .map_err(|failure| with(failure, failed))
    }

    fn bring_up(
        &self,
        outputs: &mut RunnerOutputs,
        deadline: Instant,
        import: Option<ImportFailure>,
    ) -> Outcome<()> {
        let Self {
            job,
            cancel,
            start,
            redactor,
            engine,
            ..
        } = *self;
        let settings = start.settings;
        let kept_images = start.rollback.map(|rollback| &rollback.kept.images);
        let (paths, recipe) = (&job.paths, &settings.recipe);
        let environment = recipe.environment(paths, job.instance());
        let compose = &Compose::new(paths, environment.clone(), redactor, cancel);
        // docker-ctl has written them before dockerd started; here they may be older than the configuration.
        recipe::write_files(recipe, paths).map_err(not_written)?;
        let preflight = Preflight {
            paths,
            recipe,
            engine,
            compose,
            redactor,
            kept_images,
            deadline,
        };
        let (model, pulls, policies) =
            self.check(&preflight, &environment, &mut outputs.publisher)?;
        let claims = &Claims::of_recipe(&model, engine)?;
        let bring_up = BringUp {
            paths,
            settings,
            engine,
            compose,
            environment: &environment,
            kept_images,
            model: &model,
            claims,
            policies: &policies,
            redactor,
            cancel,
            deadline,
        };
        bring_up.prep()?;
        if recipe.prep.is_some() {
            preflight.check_what_prep_makes(&model)?;
        }
        let engine_socket = engine_socket::Held::now(&model, paths);
        self.make_room(&bring_up, outputs)?;
        let began = Beginning::now();
        tracing::info!(services = model.services.len(), "bringing the recipe up");
        let mut healing = Healing::new(engine);
        let brought_up = bring_up.up(began, &mut healing);
        pulls.note();
        brought_up?;
        // containers that had port 53 before may be gone
        outputs
            .names
            .serve_project(engine, recipe.project.as_str(), claims);
        outputs.publisher.warn_besides(networks::remove_leftover(
            &model,
            self.start.settings.recipe.project.as_str(),
            self.engine,
        )?);
        let expected = model
            .services
            .iter()
            .map(|(name, service)| (name.clone(), service.replicas))
            .collect();
        let configured = start.rollback.is_none();
        let wants_rollback = configured && settings.supervision.rollback_on_failure;
        let nothing_kept = wants_rollback
            .then(|| rollback::is_possible(job, engine).err())
            .flatten();
        let on_stable = configured.then(|| OnStable::new(job, settings, engine, &model));
        let watching = Watching {
            engine,
            project: recipe.project.as_str(),
            services: model
                .services
                .into_iter()
                .filter(|(_, service)| service.replicas > 0)
                .map(|(name, _)| name)
                .collect(),
            watch: Watch::new(&settings.supervision, expected, began),
            failure: start
                .rollback
                .map(Rollback::failure)
                .or(import.map(DeployFailure::from)),
            gives_up: wants_rollback && nothing_kept.is_none(),
            note: nothing_kept.as_deref().map(rollback::impossible),
            on_stable,
            healing,
            engine_socket,
            redactor,
            cancel,
            deadline,
            start_timeout: settings.supervision.start_timeout,
        };
        watching.run(&mut outputs.publisher)
    }

    /// Checks the recipe, and has the verdict warn of what an operator should know, also of one that is refused.
    fn check<'a>(
        &self,
        preflight: &Preflight<'a>,
        environment: &[(String, String)],
        publisher: &mut StatusPublisher,
    ) -> Outcome<(Model, Pulls<'a>, PullPolicies)> {
        let settings = self.start.settings;
        let recipe = &settings.recipe;
        tracing::info!(project = recipe.project.as_str(), "checking the recipe");
        let checked = preflight.run();
        let model = checked.as_ref().ok().map(|(model, ..)| model);
        let mut warnings = deploy_warnings::of(recipe, environment, model, self.engine, settings);
        let at_risk = model.map_or(Ok(Vec::new()), |model| {
            volumes::check(self.job, recipe, self.engine, model)
        });
        warnings.extend(at_risk.iter().flatten().cloned());
        if let Ok((_, _, policies)) = &checked {
            warnings.extend(policies.warnings.clone());
        }
        let warnings = warnings.into_iter();
        publisher.warn(
            warnings
                .map(|one| failure::clean(one, self.redactor))
                .collect(),
        );
        let checked = checked?;
        at_risk?;
        Ok(checked)
    }

    /// All that comes between the checks and `up`: what an earlier recipe, or an `up` that was cut short, has left.
    fn make_room(&self, bring_up: &BringUp<'_>, outputs: &mut RunnerOutputs) -> Outcome<()> {
        let (recipe, model, claims) =
            (&self.start.settings.recipe, bring_up.model, bring_up.claims);
        self.have_missed_ends_noticed(bring_up)?;
        bring_up.put_in_order()?;
        bring_up.label(model)?;
        bring_up.retire_earlier_project()?;
        inactive::remove(
            self.engine,
            recipe.project.as_str(),
            &RecipeText::read(recipe),
            model,
        )?;
        let warnings = networks::remove_leftover(
            model,
            self.start.settings.recipe.project.as_str(),
            self.engine,
        )?;
        outputs.publisher.warn_besides(warnings);
        bring_up.prepare_networks(model)?;
        // before `up`: it lets go of port 53 where the recipe has it
        let project = recipe.project.as_str();
        let gateways = outputs.names.serve_project(self.engine, project, claims);
        outputs
            .publisher
            .warn_besides(claims.warning(model, &gateways).into_iter().collect());
        Ok(())
    }

    /// An engine that has just lost its containerd starts nothing, and may take dead containers for living ones.
    fn have_missed_ends_noticed(&self, bring_up: &BringUp<'_>) -> Outcome<()> {
        let limit = bring_up.left().min(CONTAINERD_BACK);
        let deadline = Instant::now() + limit;
        if !self
            .engine
            .wait_for_containerd(deadline, || self.cancel.is_set())
        {
            tracing::warn!("the engine does not reach its containerd");
        }
        let project = self.start.settings.recipe.project.as_str();
        if Healing::new(self.engine).settle(project, self.cancel, limit)? {
            return Err(Failure::Cancelled);
        }
        Ok(())
    }
}

/// An owner that the VM does not know is a wrong property; the rest is the disk's affair.
fn not_written(error: WriteError) -> Failure {
    match error {
        WriteError::Owner(problems) => problems.into(),
        other => anyhow::Error::from(other).into(),
    }
}

/// A failure, told together with that of the import, which may be its cause. Damaged images outweigh the rest.
fn with(failure: Failure, import: Option<ImportFailure>) -> Failure {
    match (failure, import) {
        (Failure::Found { exit_code, errors }, Some(import)) => {
            let damaged = import.exit_code == ExitCode::VerificationFailed;
            let exit_code = if damaged { import.exit_code } else { exit_code };
            Failure::Found {
                exit_code,
                errors: import.errors.into_iter().chain(errors).collect(),
            }
        }
        (failure, _) => failure,
    }
}
