//! Which images a command line asks for: references, recipes, manifests.

use std::path::{Path, PathBuf};

use bosh_manifest::InterpolateOptions;
use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::source::variables::Variables;
use crate::source::{self, Location, env_file, manifest, recipe};

/// What the images are named by.
#[derive(Clone, Debug, Default, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["references", "recipe", "manifest"])))]
pub struct NamedImages {
    /// Images: `name:tag`, `name@sha256:…`, `docker-archive:FILE[:NAME:TAG]`, `oci:DIRECTORY[:NAME]`,
    /// `docker-daemon:NAME:TAG`
    #[arg(value_name = "REF", value_parser = location)]
    pub references: Vec<Location>,
    /// Every image of this recipe (Compose file)
    #[arg(long, value_name = "FILE")]
    pub recipe: Vec<PathBuf>,
    /// Variables of the recipe; the environment wins [default: `.env` beside the recipe]
    #[arg(long, value_name = "FILE", requires = "recipe")]
    pub env_file: Vec<PathBuf>,
    /// Every image of every recipe of jobs `docker` in this BOSH manifest
    #[arg(long, value_name = "FILE")]
    pub manifest: Vec<PathBuf>,
    /// Load manifest operations from a YAML file
    #[arg(short, long, value_name = "PATH", requires = "manifest")]
    pub ops_file: Vec<PathBuf>,
    /// Set variable of the manifest
    #[arg(short, long, value_name = "VAR=VALUE", requires = "manifest")]
    pub var: Vec<String>,
    /// Set variable of the manifest to file contents
    #[arg(long, value_name = "VAR=PATH", requires = "manifest")]
    pub var_file: Vec<String>,
    /// Load variables of the manifest from a YAML file
    #[arg(short = 'l', long, value_name = "PATH", requires = "manifest")]
    pub vars_file: Vec<PathBuf>,
    /// Load variables of the manifest from environment variables (e.g.: `MY` to load `MY_var=value`)
    #[arg(long, value_name = "PREFIX", requires = "manifest")]
    pub vars_env: Vec<String>,
    /// Pass over services whose images are built
    #[arg(long)]
    pub skip_build: bool,
}

/// All that is wrong with the files that name images.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);

/// The images, each once, with who names it, and what was passed over.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// In the order of the command line.
    pub images: Vec<(Location, Vec<String>)>,
    /// Services and models without an image to freeze.
    pub passed_over: Vec<PassedOver>,
}

/// Something that a recipe names and that has no image to freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct PassedOver {
    /// `FILE, service …`
    pub what: String,
    /// Why, to go on after `since`.
    pub why: &'static str,
}

impl From<PassedOver> for String {
    fn from(passed_over: PassedOver) -> Self {
        passed_over.what
    }
}

impl NamedImages {
    /// Reads recipes and manifests.
    pub fn read(&self) -> Result<Asked, Problems> {
        let mut asked = Asked::default();
        let mut problems = Vec::new();
        for location in &self.references {
            asked.add(location.clone(), None);
        }
        for file in &self.recipe {
            let shown = file.display();
            match self.read_recipe(file) {
                Ok(images) => asked.add_all(&images, &format!("{shown}"), &mut problems),
                Err(more) => problems.extend(
                    more.into_iter()
                        .map(|problem| format!("{shown}: {problem}")),
                ),
            }
        }
        for file in &self.manifest {
            let shown = file.display();
            let options = InterpolateOptions {
                manifest: file.clone(),
                ops_files: self.ops_file.clone(),
                vars: self.var.clone(),
                var_files: self.var_file.clone(),
                vars_files: self.vars_file.clone(),
                vars_env: self.vars_env.clone(),
                ..InterpolateOptions::default()
            };
            match manifest::read(&options, self.skip_build) {
                Ok(recipes) => {
                    for found in recipes {
                        asked.add_all(
                            &found.images,
                            &format!("{shown}, {}", found.place),
                            &mut problems,
                        );
                    }
                }
                Err(more) => problems.extend(
                    more.into_iter()
                        .map(|problem| format!("{shown}: {problem}")),
                ),
            }
        }
        if problems.is_empty() && asked.images.is_empty() {
            problems.push("no image is left to freeze: every service was passed over, since its image is built or a provider runs it".to_owned());
        }
        if problems.is_empty() {
            Ok(asked)
        } else {
            Err(Problems(problems))
        }
    }

    fn read_recipe(&self, file: &Path) -> Result<recipe::Images, Vec<String>> {
        let text =
            std::fs::read(file).map_err(|error| vec![format!("it cannot be read: {error}")])?;
        let variables = self.variables(file)?;
        recipe::read(&text, &variables, self.skip_build)
    }

    /// What Compose would know: the environment, then the env files, a later one winning. What is wrong with the file beside
    /// the recipe, which nobody named, matters only if an image's name needs it.
    fn variables(&self, recipe: &Path) -> Result<Variables, Vec<String>> {
        let mut variables: Variables = registry_client::environment::of_recipes().collect();
        let mut problems = Vec::new();
        let beside = recipe.parent().unwrap_or(Path::new("")).join(".env");
        let files = if self.env_file.is_empty() && beside.is_file() {
            std::slice::from_ref(&beside)
        } else {
            &self.env_file
        };
        for file in files {
            let shown = file.display().to_string();
            match std::fs::read(file) {
                Ok(text) => {
                    env_file::read(&String::from_utf8_lossy(&text), &shown, &mut variables);
                }
                Err(error) if self.env_file.is_empty() => {
                    variables.unread(format!("{shown}, which cannot be read: {error}"));
                }
                Err(error) => problems.push(format!("{shown} cannot be read: {error}")),
            }
        }
        if problems.is_empty() {
            Ok(variables)
        } else {
            Err(problems)
        }
    }
}

impl Asked {
    fn add(&mut self, location: Location, named_by: Option<String>) {
        let known = self.images.iter_mut().find(|(known, _)| *known == location);
        match known {
            Some((_, names)) => names.extend(named_by),
            None => self.images.push((location, named_by.into_iter().collect())),
        }
    }

    fn add_all(&mut self, images: &recipe::Images, place: &str, problems: &mut Vec<String>) {
        for (service, image) in &images.named {
            // Other sources have no business in a recipe: Compose knows references alone.
            match image.parse() {
                Ok(reference) => self.add(
                    Location::Registry(reference),
                    Some(format!("{place}, service `{service}`")),
                ),
                Err(error) => problems.push(format!("{place}, service `{service}`: {error}")),
            }
        }
        for (names, kind, why) in [
            (&images.built, "service", "its image is built"),
            (
                &images.provided,
                "service",
                "a provider runs it, and no container",
            ),
            (
                &images.models,
                "model",
                "a model is no image: Docker Model Runner fetches it",
            ),
        ] {
            let passed_over = names.iter().map(|name| PassedOver {
                what: format!("{place}, {kind} `{name}`"),
                why,
            });
            self.passed_over.extend(passed_over);
        }
    }
}

pub fn location(text: &str) -> Result<Location, String> {
    text.parse()
        .map_err(|error: source::Error| match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        })
}
