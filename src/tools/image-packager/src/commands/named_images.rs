//! Which images a command line asks for: references, recipes, manifests.

use std::path::{Path, PathBuf};

use bosh_manifest::InterpolateOptions;
use clap::{ArgGroup, Args};

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

/// The images, each once, with who names it, and the services that were passed over.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// In the order of the command line.
    pub images: Vec<(Location, Vec<String>)>,
    /// `service … of …`
    pub passed_over: Vec<String>,
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
            problems.push("no image is left to freeze: every service's image is built".to_owned());
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
        let variables = self.variables(file).map_err(|problem| vec![problem])?;
        recipe::read(&text, &variables, self.skip_build)
    }

    /// What Compose would know: the environment, then the env files, a later one winning.
    fn variables(&self, recipe: &Path) -> Result<Variables, String> {
        let mut variables: Variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let beside = recipe.parent().unwrap_or(Path::new("")).join(".env");
        let files: Vec<PathBuf> = if self.env_file.is_empty() {
            Some(beside)
                .filter(|file| file.is_file())
                .into_iter()
                .collect()
        } else {
            self.env_file.iter().rev().cloned().collect()
        };
        for file in files {
            let shown = file.display();
            let text = std::fs::read_to_string(&file)
                .map_err(|error| format!("{shown} cannot be read: {error}"))?;
            env_file::read(&text, &mut variables)
                .map_err(|problem| format!("{shown}, {problem}"))?;
        }
        Ok(variables)
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
        let passed_over = images
            .built
            .iter()
            .map(|service| format!("{place}, service `{service}`"));
        self.passed_over.extend(passed_over);
    }
}

fn location(text: &str) -> Result<Location, String> {
    text.parse()
        .map_err(|error: source::Error| match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        })
}
