//! From a recipe that passed its checks to containers: `prep`, the labels, an earlier project, and `up`.

mod up_failure;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bosh_job::{ErrorReport, ExitCode, Paths, atomic_write};
use docker_engine::Engine;
use recipe::{Prep, Recipe};

use crate::{
    cancel::Cancel,
    child::{End, Lines, Logged, clean_command, ended},
    compose::Compose,
    engine_socket,
    failed_services::EarlierErrors,
    failure::{Failure, Outcome, error},
    half_made,
    healing::Healing,
    health::Beginning,
    hooks::{self, Hooks},
    image_overrides,
    job::Settings,
    model::Model,
    mounts::{Outside, RecipeFiles, Texts},
    networks::{self, Claims, pools},
    other_images_in_recipe,
    preflight::{PullPolicies, message},
    redact::Redactor,
    rollback, service_in_error,
};
use state_files::AppliedProject;
use state_files::ImageMap;
use up_failure::UpFailure;

/// `up` and `prep` are given at least this long, however long the import took.
const SHORTEST: Duration = Duration::from_secs(30);

/// What it takes to bring the recipe up.
pub struct BringUp<'a> {
    pub paths: &'a Paths,
    pub settings: &'a Settings,
    pub engine: &'a Engine,
    pub compose: &'a Compose<'a>,
    pub environment: &'a [(String, String)],
    /// In a rollback: the images that the recipe ran on.
    pub kept_images: Option<&'a BTreeMap<String, String>>,
    /// The recipe as Compose understands it.
    pub model: &'a Model,
    /// Where the recipe has port 53 itself.
    pub claims: &'a Claims,
    /// What `up` shall not pull.
    pub policies: &'a PullPolicies,
    pub redactor: &'a Redactor,
    pub cancel: &'a Cancel,
    /// When the start must be over.
    pub deadline: Instant,
}

impl BringUp<'_> {
    fn recipe(&self) -> &Recipe {
        &self.settings.recipe
    }

    pub fn left(&self) -> Duration {
        self.deadline
            .saturating_duration_since(Instant::now())
            .max(SHORTEST)
    }

    /// Runs the operator's script in the recipe's directory.
    pub fn prep(&self) -> Outcome<()> {
        if self.recipe().prep.is_none() {
            return Ok(());
        }
        tracing::info!("running prep");
        let command = clean_command(&self.paths.prep(), self.environment, self.paths.running());
        let limit = self.left();
        let lines = Lines::From("prep");
        let (what, tail) = match (Logged {
            command,
            lines,
            limit,
            redactor: self.redactor,
            cancel: self.cancel,
        })
        .run()
        {
            End::Cancelled => return Err(Failure::Cancelled),
            End::Exited { status, .. } if status.success() => return Ok(()),
            End::Exited { status, tail } => (ended(status), tail),
            End::TimedOut { tail } => (format!("did not end within {} s", limit.as_secs()), tail),
            End::NotStarted(error) => (self.prep_not_started(&error), Vec::new()),
        };
        let mut found = error(format!("property `prep`: the script {what}"));
        found.property = Some("prep".to_owned());
        found.log_tail = tail;
        let mut hint = "fix the script; it runs in the recipe's directory at each start and must then exit with 0".to_owned();
        if self
            .recipe()
            .prep
            .as_ref()
            .is_some_and(Prep::has_carriage_returns)
        {
            hint.push_str("; its lines end with CR LF, and a shell takes the CR for a part of each line: save it with LF alone");
        }
        found.hint = Some(hint);
        Err(Failure::one(ExitCode::Failed, found))
    }

    /// Why the kernel did not start `prep`: of a program that is not there it says only that something is not.
    fn prep_not_started(&self, error: &std::io::Error) -> String {
        let interpreter = self.recipe().prep.as_ref().map_or("", Prep::interpreter);
        match error.kind() {
            std::io::ErrorKind::NotFound if !Path::new(interpreter).exists() => format!(
                "could not be started: its first line names the program {interpreter:?}, which is not there"
            ),
            _ => format!("could not be started by {interpreter:?}: {error}"),
        }
    }

    /// Writes the label of each service that mounts files of the recipe, after seeing that they are there, the images
    /// whose names the engine cannot resolve, and what networks need beyond the recipe.
    pub fn label(&self, model: &Model) -> Outcome<()> {
        let running = self.paths.running();
        let written = self
            .recipe()
            .files
            .iter()
            .map(|file| (Path::new(file.path.as_str()), file.digest()));
        let files = RecipeFiles {
            directory: &running,
            written: written.collect(),
            outside: Outside {
                root: self.paths.root(),
                socket: self.paths.socket(),
            },
            texts: Texts {
                paths: self.paths,
                environment: self.environment,
            },
        };
        let mut missing = files.missing(model);
        missing.extend(engine_socket::missing(model, self.paths));
        missing.extend(files.texts.refused(model));
        if !missing.is_empty() {
            return Err(Failure::Found {
                exit_code: ExitCode::BadConfig,
                errors: missing,
            });
        }
        let brought = ImageMap::left_by_importer(self.paths);
        let mut images = image_overrides::overrides(&brought, model, self.engine)?;
        if let Some(kept) = self.kept_images {
            images.extend(rollback::image_overrides(kept, model, self.engine)?);
        }
        let mut document = files
            .override_file(model, &images)
            .context("comparing the files that services mount")?;
        let (in_force, gateways) = self.seen_of_networks()?;
        networks::add_to(&mut document, model, &in_force, &gateways);
        self.policies.add_to(&mut document);
        let others =
            other_images_in_recipe::overrides(model, &brought, self.kept_images, self.engine)?;
        let texts = other_images_in_recipe::add_to(&mut document, model, &others);
        // JSON is YAML.
        let mut text = format!("{document:#}\n");
        for (placeholder, replacement) in &texts {
            text = text.replace(placeholder, replacement);
        }
        atomic_write(&Compose::override_file(self.paths), text.as_bytes(), 0o600)
            .map_err(anyhow::Error::from)?;
        Ok(())
    }

    /// Stops and removes the containers of a project that the recipe had before; its volumes stay.
    pub fn retire_earlier_project(&self) -> Outcome<()> {
        let project = &self.recipe().project;
        if let Some(earlier) = AppliedProject::name(self.paths).filter(|earlier| earlier != project)
        {
            tracing::info!(
                earlier = earlier.as_str(),
                now = project.as_str(),
                "the project has another name now, removing the earlier one's containers"
            );
            hooks::remove(self.engine, &earlier, hooks::Which::All)?;
            match self.compose.on_project(&earlier, &["down"], self.left()) {
                End::Cancelled => return Err(Failure::Cancelled),
                End::Exited { status, .. } if status.success() => {}
                End::Exited { status, tail } => {
                    return Err(self.compose_failed("down", &ended(status), tail));
                }
                End::TimedOut { tail } => {
                    return Err(self.compose_failed("down", "did not end in time", tail));
                }
                End::NotStarted(error) => {
                    return Err(self.compose_failed("down", &error.to_string(), Vec::new()));
                }
            }
        }
        AppliedProject::remember(self.paths, project)
            .context("remembering the project")
            .map_err(Failure::from)
    }

    /// Clears what an `up` that failed or was killed has left, so that the next one takes down nothing that serves.
    pub fn put_in_order(&self) -> Outcome<()> {
        let project = self.recipe().project.as_str();
        half_made::put_in_order(self.engine, project, self.cancel, self.left())?;
        hooks::remove(self.engine, project, hooks::Which::All)?;
        Ok(())
    }

    /// Lets Compose make and start what is new or changed, and remove what the recipe no longer has.
    pub fn up(&self, began: Beginning, healing: &mut Healing) -> Outcome<()> {
        let project = self.recipe().project.as_str();
        let before = EarlierErrors::look(self.engine, project, self.redactor);
        let limit = self.left();
        let up = ["up", "-d", "--remove-orphans"];
        let hooks = Hooks::listen(self.engine, project);
        let in_order = || {
            hooks.forget();
            let cleared = half_made::put_in_order(self.engine, project, self.cancel, self.left())
                .and_then(|_| hooks::remove(self.engine, project, hooks::Which::All));
            if let Err(error) = cleared {
                tracing::warn!("what a killed docker-compose has left stays: {error}");
            }
        };
        let compose = || self.compose.on_recipe_with(project, &up, limit, in_order);
        // Compose waits for one-shots, and would wait in vain for one whose end the engine missed.
        let (found, timed_out) = match healing.during(project, self.cancel, compose) {
            End::Cancelled => return Err(Failure::Cancelled),
            End::Exited { status, .. } if status.success() => return Ok(()),
            End::Exited { status, tail } => (self.compose_error("up", &ended(status), tail), false),
            End::TimedOut { tail } => {
                let how = format!("did not end within {} s", limit.as_secs());
                (self.compose_error("up", &how, tail), true)
            }
            End::NotStarted(error) => {
                let how = format!("could not be started: {error}");
                return Err(self.compose_failed("up", &how, Vec::new()));
            }
        };
        let failure = UpFailure {
            bring_up: self,
            found,
            timed_out,
        }
        .explain(hooks, began, &before);
        // After a look at what failed: that goes.
        if let Err(error) = half_made::restore(self.engine, project, self.cancel, self.left())
            .and_then(|()| hooks::remove(self.engine, project, hooks::Which::Running))
        {
            tracing::warn!("what the failed update has left stays: {error}");
        }
        Err(failure)
    }

    pub fn compose_failed(&self, command: &str, how: &str, tail: Vec<String>) -> Failure {
        Failure::one(ExitCode::Failed, self.compose_error(command, how, tail))
    }

    fn compose_error(&self, command: &str, how: &str, tail: Vec<String>) -> ErrorReport {
        let reason = tail.last().map_or(how, |line| message(line)).to_owned();
        let service = service_in_error::find(&reason, self.model, self.recipe().project.as_str());
        let unnamed = service.as_ref().filter(|&name| !reason.contains(name));
        let named = unnamed.map_or_else(String::new, |name| format!("service {name}: "));
        let mut found = error(format!("{named}docker-compose {command} {how}: {reason}"));
        found.service = service;
        if pools::says_no_more_subnets(&reason) {
            found.hint = Some(pools::hint());
        }
        found.log_tail = tail;
        found
    }
}
