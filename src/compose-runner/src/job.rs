//! What the operator asked for.

use anyhow::Context as _;
use bosh_job::{Options, Paths, Process, ProcessInfo};
use job_properties::{Instance, JobConfig, RecipeConfig, Supervision};
use recipe::Recipe;

use crate::failure::{Failure, Outcome};

/// The name under which the program runs.
pub const PROGRAM: &str = "compose-runner";

/// The configuration, as far as it can be read; its sections are judged where they are needed.
pub struct Job {
    /// Where everything lies.
    pub paths: Paths,
    /// The configuration file.
    pub config: JobConfig,
}

/// Everything that a recipe is run with.
#[derive(Debug)]
pub struct Settings {
    /// How it is watched.
    pub supervision: Supervision,
    /// Whether images of releases gone by are removed.
    pub remove_old_images: bool,
    /// What is run.
    pub recipe: Recipe,
}

impl Job {
    /// Reads the configuration.
    pub fn load(options: &Options) -> anyhow::Result<Self> {
        let config =
            JobConfig::load(&options.config_path()).context("reading the configuration")?;
        Ok(Self {
            paths: options.paths(),
            config,
        })
    }

    /// The properties, or everything that is wrong with them. No recipe is wrong too: nobody starts a runner then.
    pub fn settings(&self) -> Outcome<Settings> {
        self.settings_with(&self.config.recipe)
    }

    /// The same with another recipe.
    pub fn settings_with(&self, recipe: &RecipeConfig) -> Outcome<Settings> {
        let mut problems = bosh_job::Problems::default();
        let supervision = problems.note_all(self.config.supervision());
        problems.note_all(self.config.service_logs());
        let remove_old_images = problems.note_all(self.config.remove_old_images());
        let recipe = problems.note_all(Recipe::parse(recipe));
        problems.note_all(self.config.volume_policy());
        problems.note_all(self.config.internal_dns_domains());
        if matches!(recipe, Some(None)) {
            let problem = bosh_job::Problem::new("recipe", "there is no recipe to run");
            problems.push(problem.hint("give the job a recipe, or leave process `compose` to monit, which then does not start it"));
        }
        let settings = || {
            Some(Settings {
                supervision: supervision?,
                remove_old_images: remove_old_images?,
                recipe: recipe??,
            })
        };
        problems.into_result(settings()).map_err(Failure::from)
    }

    /// Whether a recipe that does not become stable is replaced by the previous one.
    pub fn rolls_back(&self) -> bool {
        let supervision = self.config.supervision();
        supervision.is_ok_and(|supervision| supervision.rollback_on_failure)
    }

    /// The instance.
    pub fn instance(&self) -> &Instance {
        &self.config.instance
    }
}

/// Ends what a runner that was killed has left behind: Compose, the import or `prep` would go on beside the next one's.
pub fn end_leftovers(paths: &Paths) {
    let (compose_file, prep) = (
        paths.compose_file().display().to_string(),
        paths.prep().display().to_string(),
    );
    let is_leftover = |process: &ProcessInfo| {
        let is_compose =
            process.program() == "docker-compose" && process.has_argument(&compose_file);
        is_compose || process.has_argument(&prep) || process.exe == paths.prep()
    };
    for process in Process::find(is_leftover) {
        let program = process.info().program().to_owned();
        tracing::info!(
            pid = process.pid().as_raw_nonzero().get(),
            program,
            "ending what an earlier runner left behind"
        );
        if let Err(error) = process.end(std::time::Duration::from_secs(1)) {
            tracing::warn!("ending {program}: {error}");
        }
    }
}
