//! From a recipe that passed its checks to containers: `prep`, the labels, an earlier project, and `up`.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bosh_job::{ExitCode, Paths, atomic_write, verdict::ErrorReport};
use docker_engine::Engine;
use recipe::{Prep, Recipe};

use crate::{
    applied,
    cancel::Cancel,
    child::{End, Lines, Logged, clean_command, ended},
    compose::Compose,
    engine_socket,
    failed_services::{self, EarlierErrors},
    failure::{Failure, Outcome, error},
    half_made,
    image_map::ImageMap,
    job::Settings,
    model::Model,
    mounts::{Outside, RecipeFiles, Texts},
    networks::{self, Claims, pools},
    preflight::{PullPolicies, message},
    redact::Redactor,
    rollback, service_in_error,
    watch::{Beginning, Watch},
};

/// `up` and `prep` are given at least this long, however long the import took.
const SHORTEST: Duration = Duration::from_secs(30);

/// Exit codes by which Compose says that the recipe is at fault: a file that it names is missing, the recipe cannot be
/// parsed, wrong usage (docker/compose, `pkg/api/errors.go` and `cmd/compose`).
const RECIPE_AT_FAULT: [i32; 3] = [14, 15, 16];

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
        let mut images = ImageMap::read(&self.paths.image_map()).overrides(model, self.engine)?;
        if let Some(kept) = self.kept_images {
            images.extend(rollback::image_overrides(kept, model, self.engine)?);
        }
        let mut document = files
            .override_file(model, &images)
            .context("comparing the files that services mount")?;
        let (in_force, gateways) = self.seen_of_networks()?;
        networks::add_to(&mut document, model, &in_force, &gateways);
        self.policies.add_to(&mut document);
        // JSON is YAML.
        let text = format!("{document:#}\n");
        atomic_write(&Compose::override_file(self.paths), text.as_bytes(), 0o600)
            .map_err(anyhow::Error::from)?;
        Ok(())
    }

    /// Stops and removes the containers of a project that the recipe had before; its volumes stay.
    pub fn retire_earlier_project(&self) -> Outcome<()> {
        let project = &self.recipe().project;
        if let Some(earlier) =
            applied::project(self.paths).filter(|earlier| earlier != project.as_str())
        {
            tracing::info!(
                earlier,
                now = project.as_str(),
                "the project has another name now, removing the earlier one's containers"
            );
            match self.compose.on_project(&earlier, &["down"], self.left()) {
                End::Cancelled => return Err(Failure::Cancelled),
                End::Exited { status, .. } if status.success() => {}
                End::Exited { status, tail } => {
                    return Err(self.compose_failed("down", &ended(status), status.code(), tail));
                }
                End::TimedOut { tail } => {
                    return Err(self.compose_failed("down", "did not end in time", None, tail));
                }
                End::NotStarted(error) => {
                    return Err(self.compose_failed("down", &error.to_string(), None, Vec::new()));
                }
            }
        }
        applied::remember(self.paths, project)
            .context("remembering the project")
            .map_err(Failure::from)
    }

    /// Clears what an `up` that failed or was killed has left, so that the next one takes down nothing that serves.
    pub fn put_in_order(&self) -> Outcome<()> {
        let project = self.recipe().project.as_str();
        half_made::put_in_order(self.engine, project, self.cancel, self.left())?;
        Ok(())
    }

    /// Lets Compose make and start what is new or changed, and remove what the recipe no longer has.
    pub fn up(&self, model: &Model, began: Beginning) -> Outcome<()> {
        let project = self.recipe().project.as_str();
        let before = EarlierErrors::look(self.engine, project, self.redactor);
        let limit = self.left();
        let up = ["up", "-d", "--remove-orphans"];
        let mut timed_out = false;
        let in_order = || {
            if let Err(error) =
                half_made::put_in_order(self.engine, project, self.cancel, self.left())
            {
                tracing::warn!("what a killed docker-compose has left stays: {error}");
            }
        };
        let failure = match self.compose.on_recipe_with(project, &up, limit, in_order) {
            End::Cancelled => return Err(Failure::Cancelled),
            End::Exited { status, .. } if status.success() => return Ok(()),
            End::Exited { status, tail } => {
                self.compose_failed("up", &ended(status), status.code(), tail)
            }
            End::TimedOut { tail } => {
                timed_out = true;
                let how = format!("did not end within {} s", limit.as_secs());
                self.compose_failed("up", &how, None, tail)
            }
            End::NotStarted(error) => {
                return Err(self.compose_failed(
                    "up",
                    &format!("could not be started: {error}"),
                    None,
                    Vec::new(),
                ));
            }
        };
        let failure = match failure {
            Failure::Found {
                exit_code,
                mut errors,
            } if exit_code != ExitCode::BadConfig => {
                let said = errors.iter().flat_map(|error| error.log_tail.clone());
                let said: Vec<String> = said.collect();
                let services = self.failed_services(model, began, &before, &said, timed_out);
                // Compose waits for services that others depend on: if one of them failed, that is why.
                let exit_code = if services.is_empty() {
                    exit_code
                } else {
                    ExitCode::Unhealthy
                };
                errors.extend(services);
                Failure::Found { exit_code, errors }
            }
            other => other,
        };
        // After a look at what failed: that goes.
        if let Err(error) = half_made::restore(self.engine, project, self.cancel, self.left()) {
            tracing::warn!("what the failed update has left stays: {error}");
        }
        Err(failure)
    }

    pub fn compose_failed(
        &self,
        command: &str,
        how: &str,
        code: Option<i32>,
        tail: Vec<String>,
    ) -> Failure {
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
        if !code.is_some_and(|code| RECIPE_AT_FAULT.contains(&code)) {
            return Failure::one(ExitCode::Failed, found);
        }
        found.what = format!("property `recipe`: {named}Compose refuses it: {reason}");
        found.property = Some("recipe".to_owned());
        found.hint =
            Some("fix the recipe; `docker compose config` shows how Compose reads it".to_owned());
        Failure::one(ExitCode::BadConfig, found)
    }

    /// The services that have failed by now, with their last words; when time is over, also those that are on their way.
    fn failed_services(
        &self,
        model: &Model,
        began: Beginning,
        before: &EarlierErrors,
        said: &[String],
        timed_out: bool,
    ) -> Vec<ErrorReport> {
        let expected = model
            .services
            .iter()
            .map(|(name, service)| (name.clone(), service.replicas))
            .collect();
        let watch = Watch::new(&self.settings.supervision, expected, began);
        let project = self.recipe().project.as_str();
        failed_services::errors(
            self.engine,
            project,
            watch,
            before,
            said,
            timed_out,
            self.redactor,
        )
    }
}
