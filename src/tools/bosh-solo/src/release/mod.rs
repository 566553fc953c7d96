//! A release directory, read as `bosh create-release` and the director read it.

pub mod fingerprint;
mod glob;
mod job_spec;
mod package_spec;

pub use job_spec::{Job, LinkDefinition};
pub use package_spec::Package;

use crate::progress::Progress;
use crate::yaml;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct FinalConfig {
    name: Option<String>,
    final_name: Option<String>,
}

/// A release, whose jobs and packages are read when somebody asks for them.
#[derive(Debug, Clone)]
pub struct Release {
    /// The name by which the manifest's jobs refer to it.
    pub name: String,
    directory: PathBuf,
}

impl Release {
    /// Opens the release in `directory`, which must call itself `name`.
    pub fn open(name: &str, directory: &Path) -> Result<Self> {
        let config = directory.join("config/final.yml");
        if !config.is_file() {
            bail!(
                "release `{name}`: {} is no release directory (no config/final.yml)",
                directory.display()
            );
        }
        let parsed: FinalConfig = yaml::read_as(&config)?;
        let own_name = match (parsed.name, parsed.final_name) {
            (Some(_), Some(_)) => bail!("{} has both `name` and `final_name`", config.display()),
            (Some(own), None) | (None, Some(own)) => own,
            (None, None) => bail!("{} has no `name`", config.display()),
        };
        if own_name != name {
            bail!(
                "release in {} is called `{own_name}`, but the manifest calls it `{name}`",
                directory.display()
            );
        }
        Ok(Self {
            name: own_name,
            directory: directory.to_owned(),
        })
    }

    /// Reads one job.
    pub fn job(&self, name: &str, progress: &Progress) -> Result<Job> {
        Job::read(&self.directory, &self.name, name, progress)
            .with_context(|| format!("reading job `{name}` of release `{}`", self.name))
    }

    /// Reads `wanted` and all that they depend on, in an order in which each can be compiled.
    pub fn packages(&self, wanted: &[String], progress: &Progress) -> Result<Vec<Package>> {
        let mut ordered = Vec::new();
        for name in wanted {
            self.visit(name, &mut Vec::new(), &mut ordered, progress)?;
        }
        Ok(ordered)
    }

    fn visit(
        &self,
        name: &str,
        path: &mut Vec<String>,
        ordered: &mut Vec<Package>,
        progress: &Progress,
    ) -> Result<()> {
        if ordered.iter().any(|package| package.name == name) {
            return Ok(());
        }
        if path.iter().any(|ancestor| ancestor == name) {
            bail!(
                "packages of release `{}` depend on each other in a circle: {} -> {name}",
                self.name,
                path.join(" -> ")
            );
        }
        let package = Package::read(&self.directory, &self.name, name, progress)
            .with_context(|| format!("reading package `{name}` of release `{}`", self.name))?;
        path.push(name.to_owned());
        for dependency in &package.dependencies {
            self.visit(dependency, path, ordered, progress)?;
        }
        path.pop();
        ordered.push(package);
        Ok(())
    }
}

/// The spec of a job or package, which must have the name of its directory.
fn read_spec<S: DeserializeOwned>(
    release_directory: &Path,
    release: &str,
    what: &str,
    name: &str,
    own_name: fn(&S) -> &str,
) -> Result<S> {
    let all = release_directory.join(format!("{what}s"));
    let path = all.join(name).join("spec");
    if !path.is_file() {
        bail!(
            "{what} `{name}` not found in release `{release}`: {} does not exist ({what}s there: {})",
            path.display(),
            names_in(&all).join(", ")
        );
    }
    let spec = yaml::read_as(&path)?;
    if own_name(&spec) != name {
        bail!(
            "{what} directory `{name}` does not match {what} name `{}` in {}",
            own_name(&spec),
            path.display()
        );
    }
    Ok(spec)
}

/// Names of the entries of a directory, for an error that lists what there is.
fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real `bosh create-release` says of `tests/data/zoo`: dotfiles, links that dangle and
    /// links to directories, modes, braces, blobs, excluded files.
    #[test]
    fn jobs_and_packages_have_the_fingerprints_that_the_bosh_cli_gives_them() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/zoo");
        let release = Release::open("zoo", &directory).unwrap();
        let packages = release
            .packages(&["zoo".to_owned()], &Progress::silent())
            .unwrap();
        let found: Vec<(&str, &str)> = packages
            .iter()
            .map(|package| (package.name.as_str(), package.fingerprint.as_str()))
            .collect();
        let expected = [
            (
                "bare",
                "9d24f2d034c3514b13f7faf52b9d644ee72dbfad2785472e4e8cf1168f4d04c3",
            ),
            (
                "zoo",
                "32eaaf53618f3a458a6598e93f4bc057fea1d9a5cbb5d59cf3b708fcdb98294d",
            ),
        ];
        assert_eq!(found, expected);
        let job = release.job("keeper", &Progress::silent()).unwrap();
        assert_eq!(
            job.fingerprint,
            "5a86e1d8cc7fd9e9ebc8aa08875ee325c8a5b640547da8540e66adf8e408b35c"
        );
    }
}
