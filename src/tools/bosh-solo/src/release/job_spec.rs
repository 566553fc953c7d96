//! A job of a release directory: `jobs/<job>/{spec,monit,templates/}`.

use super::fingerprint::{self, Links, SourceFile};
use crate::progress::Progress;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A property that the spec declares; only declared properties reach the templates.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PropertyDefinition {
    /// The value of an instance that sets none; nil when absent.
    #[serde(default)]
    pub default: Value,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

/// An entry of `provides` or `consumes`.
#[derive(Debug, Clone, Deserialize)]
pub struct LinkDefinition {
    /// The link's name inside the job.
    pub name: String,
    /// What provider and consumer must agree on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Properties that a provider hands over.
    #[serde(default)]
    pub properties: Vec<String>,
    /// Whether a consumer can do without.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Debug, Deserialize)]
struct Spec {
    name: String,
    #[serde(default)]
    templates: Option<BTreeMap<String, String>>,
    #[serde(default)]
    packages: Option<Vec<String>>,
    #[serde(default)]
    properties: Option<BTreeMap<String, Option<PropertyDefinition>>>,
    #[serde(default)]
    provides: Option<Vec<LinkDefinition>>,
    #[serde(default)]
    consumes: Option<Vec<LinkDefinition>>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

/// A job as its release describes it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name, which is also its directory's.
    pub name: String,
    /// The name of the release that it comes from.
    pub release: String,
    /// Template file to destination below the job's directory on the VM.
    pub templates: BTreeMap<String, String>,
    /// Packages that it needs at run time.
    pub packages: Vec<String>,
    /// Declared properties by dotted name.
    pub properties: BTreeMap<String, PropertyDefinition>,
    /// Links that it offers.
    pub provides: Vec<LinkDefinition>,
    /// Links that it wants.
    pub consumes: Vec<LinkDefinition>,
    /// What the BOSH CLI would call this version of the job.
    pub fingerprint: String,
    directory: PathBuf,
}

impl Job {
    /// Reads `jobs/<name>` of the release in `release_directory`.
    pub fn read(
        release_directory: &Path,
        release: &str,
        name: &str,
        progress: &Progress,
    ) -> Result<Self> {
        let spec = super::read_spec(release_directory, release, "job", name, |spec: &Spec| {
            &spec.name
        })?;
        let directory = release_directory.join("jobs").join(name);
        let job = Self {
            name: spec.name,
            release: release.to_owned(),
            templates: spec.templates.unwrap_or_default(),
            packages: spec.packages.unwrap_or_default(),
            properties: spec
                .properties
                .unwrap_or_default()
                .into_iter()
                .map(|(name, definition)| (name, definition.unwrap_or_default()))
                .collect(),
            provides: spec.provides.unwrap_or_default(),
            consumes: spec.consumes.unwrap_or_default(),
            fingerprint: String::new(),
            directory,
        };
        job.warn_of_unknown_keys(&spec.extra, progress);
        job.check()?;
        let fingerprint = job.compute_fingerprint()?;
        Ok(Self { fingerprint, ..job })
    }

    fn warn_of_unknown_keys(&self, extra: &BTreeMap<String, Value>, progress: &Progress) {
        let spec = self.directory.join("spec");
        for key in extra.keys() {
            if !["description", "logs"].contains(&key.as_str()) {
                progress.warn(&format!("{}: unknown key `{key}`", spec.display()));
            }
        }
        for (name, definition) in &self.properties {
            for key in definition.extra.keys() {
                if !["description", "example", "env", "env_fields", "type"].contains(&key.as_str())
                {
                    progress.warn(&format!(
                        "{}: property `{name}` has the unknown key `{key}`",
                        spec.display()
                    ));
                }
            }
        }
    }

    fn check(&self) -> Result<()> {
        // Director: jobs/release/release_job.rb, validate_monit and validate_templates.
        if !self.monit_path().is_file() {
            bail!(
                "job `{}` is missing its monit file {}: a director refuses such a release (an empty file is fine)",
                self.name,
                self.monit_path().display()
            );
        }
        for template in self.templates.keys() {
            let path = self.template_path(template);
            if !path.is_file() {
                bail!(
                    "missing template file {} of job `{}`",
                    path.display(),
                    self.name
                );
            }
        }
        for destination in self.templates.values() {
            let inside = Path::new(destination)
                .components()
                .all(|component| matches!(component, std::path::Component::Normal(_)));
            if !inside {
                bail!(
                    "job `{}` has a template destination outside its directory: `{destination}`",
                    self.name
                );
            }
        }
        Ok(())
    }

    fn compute_fingerprint(&self) -> Result<String> {
        let file = |relative: &str, source: PathBuf| SourceFile {
            relative: relative.to_owned(),
            source,
            with_mode: true,
        };
        let mut files = vec![
            file("job.MF", self.directory.join("spec")),
            file("monit", self.monit_path()),
        ];
        let schema = self.directory.join("properties_schema.json");
        if schema.is_file() {
            files.push(file("properties_schema.json", schema));
        }
        files.extend(
            self.templates
                .keys()
                .map(|name| file(&format!("templates/{name}"), self.template_path(name))),
        );
        fingerprint::of_files(&files, &[], Links::Followed)
    }

    /// Whether `bosh run-errand` can run it: it has a `bin/run`.
    pub fn is_errand(&self) -> bool {
        self.templates
            .values()
            .any(|destination| destination == "bin/run")
    }

    fn template_path(&self, template: &str) -> PathBuf {
        self.directory.join("templates").join(template)
    }

    fn monit_path(&self) -> PathBuf {
        self.directory.join("monit")
    }

    /// The ERB source of the monit file.
    pub fn monit_source(&self) -> Result<String> {
        read_text(&self.monit_path())
    }

    /// The ERB source of a template.
    pub fn template_source(&self, template: &str) -> Result<String> {
        read_text(&self.template_path(template))
    }
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| {
        format!(
            "reading template {} (templates are UTF-8 text)",
            path.display()
        )
    })
}
