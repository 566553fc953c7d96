//! Names of variables that mean something to Compose, to the Docker CLI, to the shell or to this release.

use crate::{Recipe, dotenv, files::RecipeFile};
use bosh_job::Problem;

/// Settings of Compose that change neither what runs nor where.
const HARMLESS: [&str; 8] = [
    "COMPOSE_ANSI",
    "COMPOSE_BAKE",
    "COMPOSE_CONVERT_WINDOWS_PATHS",
    "COMPOSE_DOCKER_CLI_BUILD",
    "COMPOSE_HTTP_TIMEOUT",
    "COMPOSE_PARALLEL_LIMIT",
    "COMPOSE_PROGRESS",
    "COMPOSE_STATUS_STDOUT",
];

/// What to do instead of setting a variable; nothing if it can be set.
pub(crate) fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "COMPOSE_PROFILES" => "list the profiles in property `profiles`",
        "COMPOSE_PROJECT_NAME" => "set property `project_name`",
        "COMPOSE_FILE" | "COMPOSE_PATH_SEPARATOR" => {
            "write the whole recipe into property `recipe`, with `include:` of other `files` if need be"
        }
        "COMPOSE_ENV_FILES" | "COMPOSE_DISABLE_ENV_FILE" => {
            "write what Compose interpolates into property `variables`"
        }
        "COMPOSE_REMOVE_ORPHANS" | "COMPOSE_IGNORE_ORPHANS" => {
            "leave it out: containers of services that the recipe no longer has are always removed"
        }
        "DOCKER_DEFAULT_PLATFORM" => "write `platform:` at the services in the recipe",
        "PATH" | "HOME" | "PWD" | "TMPDIR" => {
            "choose another name; PATH, HOME, PWD and TMPDIR are the job's"
        }
        _ if HARMLESS.contains(&name) => return None,
        _ if name.starts_with("COMPOSE_") => {
            "leave it out, or choose another name: the job itself tells Compose how to run"
        }
        _ if name.starts_with("DOCKER_") => {
            "leave it out, or choose another name: the job's own engine is the one that is used"
        }
        _ if name.starts_with("BOSH_") => {
            "choose another name; BOSH_* are the instance's own values"
        }
        _ => return None,
    })
}

/// What is wrong with the file `.env` among `files`. Compose obeys what it sets of `COMPOSE_*`; the rest of what is reserved
/// only reaches services that have it as `env_file`, since the job's own values outweigh it.
pub(crate) fn check_dotenv(files: &[RecipeFile], project: &str) -> Vec<Problem> {
    let file = files
        .iter()
        .find(|file| file.path.as_str() == dotenv::FILE_NAME);
    let text = file.map_or("", |file| file.content.reveal());
    let is_refused = |(name, value): &(String, String)| {
        name.starts_with("COMPOSE_") && !(name == "COMPOSE_PROJECT_NAME" && value == project)
    };
    dotenv::entries(text)
        .iter()
        .filter(|entry| is_refused(entry))
        .filter_map(|(name, _)| {
            let property = format!("files[{:?}]", dotenv::FILE_NAME);
            let what = format!("sets {name}, which has a meaning of its own to Compose");
            Some(Problem::new(property, what).hint(instead(name)?))
        })
        .collect()
}

impl Recipe {
    /// What Compose's interpolation finds in the file `.env` among `files`.
    #[must_use]
    pub fn dotenv(&self) -> Vec<(String, String)> {
        let file = self
            .files
            .iter()
            .find(|file| file.path.as_str() == dotenv::FILE_NAME);
        file.map_or_else(Vec::new, |file| dotenv::entries(file.content.reveal()))
    }
}
