//! What can be found out before anything is touched.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bosh_job::{ErrorReport, ExitCode, Paths, command::CommandError};
use docker_engine::{Engine, Filters};
use recipe::Recipe;
use vm_networks::{is_named_by_dockerd, vm_networks};

use crate::{
    compose::Compose,
    failure::{Failure, Findings, Outcome, error},
    model::Model,
    networks::{
        self, InForce,
        pools::{self, Surroundings},
    },
    ports,
    pulls::Pulls,
    redact::Redactor,
    volume_options,
};
use state_files::AppliedProject;

/// Compose reads files for this, and nothing else.
const CONFIG_LIMIT: Duration = Duration::from_mins(1);

mod builds;
mod engine_needs;
mod external;
mod hooks;
mod images;
mod names;
mod plugins;
mod quotas;
mod refusal;

pub use images::PullPolicies;

/// The checks' inputs.
pub struct Preflight<'a> {
    pub paths: &'a Paths,
    pub recipe: &'a Recipe,
    pub engine: &'a Engine,
    pub compose: &'a Compose<'a>,
    pub redactor: &'a Redactor,
    /// In a rollback: the images that the recipe ran on.
    pub kept_images: Option<&'a BTreeMap<String, String>>,
    /// When the start must be over.
    pub deadline: Instant,
}

impl<'a> Preflight<'a> {
    /// Checks the recipe, its images and its ports, and pulls what is missing where a registry can be reached.
    pub fn run(&self) -> Outcome<(Model, Pulls<'a>, PullPolicies)> {
        let model = self.model()?;
        let mut findings = Findings::default();
        findings.add(ExitCode::BadConfig, publishes_for_another(&model));
        findings.add(ExitCode::BadConfig, hooks::check(&model));
        let needs = engine_needs::missing(&model, self.engine)?;
        findings.add(ExitCode::BadConfig, needs);
        let names = self.names(&model);
        findings.note(names)?;
        let ports = self.ports(&model);
        findings.note(ports)?;
        let networks = self.networks(&model);
        findings.note(networks)?;
        let volumes = self.volumes(&model);
        findings.note(volumes)?;
        // what a rollback brings back ran without them
        if self.kept_images.is_none() {
            findings.add(ExitCode::BadConfig, quotas::check(&model, self.engine)?);
        }
        let pulls = Pulls::look(self.paths, self.engine, &model)?;
        if self.recipe.prep.is_none() {
            findings.note(self.check_what_prep_makes(&model))?;
        }
        let images = self.images(&model, &pulls);
        let policies = findings.note(images)?.unwrap_or_default();
        findings.outcome().map(|()| (model, pulls, policies))
    }

    /// Checks what `prep` may see to: without one that is done with the rest, else once it has run.
    pub fn check_what_prep_makes(&self, model: &Model) -> Outcome<()> {
        let mut findings = Findings::default();
        let project = self.recipe.project.as_str();
        findings.add(
            ExitCode::Failed,
            builds::check(model, project, self.engine)?,
        );
        findings.add(ExitCode::Failed, external::missing(model, self.engine)?);
        let plugins = plugins::missing(model, self.paths, self.compose.environment());
        findings.add(ExitCode::BadConfig, plugins);
        let unset =
            external::unset_variables(model, self.compose.environment(), &self.paths.running());
        findings.add(ExitCode::BadConfig, unset);
        findings.outcome()
    }

    /// The recipe as Compose understands it.
    pub fn model(&self) -> Outcome<Model> {
        let output = match self
            .compose
            .config(self.recipe.project.as_str(), CONFIG_LIMIT)
        {
            Ok(output) => output,
            Err(CommandError::Cancelled { .. }) => return Err(Failure::Cancelled),
            Err(CommandError::Status { status, stderr, .. }) if status.code().is_some() => {
                return Err(Failure::one(
                    ExitCode::BadConfig,
                    refused(&stderr, self.recipe, self.redactor),
                ));
            }
            Err(other) => {
                let mut found = error(self.redactor.clean(&other.to_string()));
                found.causes = anyhow::Error::from(other)
                    .chain()
                    .skip(1)
                    .map(|cause| self.redactor.clean(&cause.to_string()))
                    .collect();
                return Err(Failure::one(ExitCode::Failed, found));
            }
        };
        for line in output.stderr.lines().filter(|line| !line.trim().is_empty()) {
            tracing::warn!("docker-compose: {}", self.said(line));
        }
        let mut model = Model::parse(&output.stdout)
            .map_err(|error| Failure::from(anyhow::Error::from(error)))?;
        let unset = output.stderr.lines().filter_map(unset_variable);
        model.unset_variables = unset.map(str::to_owned).collect();
        if model.services.is_empty() {
            let mut found =
                error("property `recipe`: it has no services (or all of them belong to profiles)");
            found.property = Some("recipe".to_owned());
            found.hint = Some(
                "write at least one service under `services:`, or activate profiles in property `profiles`"
                    .to_owned(),
            );
            return Err(Failure::one(ExitCode::BadConfig, found));
        }
        Ok(model)
    }

    /// What Compose says in a line of its log, without secrets.
    fn said(&self, line: &str) -> String {
        self.redactor.clean(message(line))
    }

    fn names(&self, model: &Model) -> Outcome<()> {
        let containers = self.engine.containers(&Filters::all())?;
        let applied = AppliedProject::name(self.paths);
        let project = self.recipe.project.as_str();
        let mut findings = Findings::default();
        findings.add(
            ExitCode::Failed,
            names::check(model, &containers, project, applied.as_deref()),
        );
        findings.outcome()
    }

    fn ports(&self, model: &Model) -> Outcome<()> {
        let containers = self.engine.containers(&Filters::default())?;
        let applied = AppliedProject::name(self.paths);
        let projects = [Some(self.recipe.project.as_str()), applied.as_deref()];
        let projects: Vec<&str> = projects.into_iter().flatten().collect();
        let mut findings = Findings::default();
        findings.add(
            ExitCode::Failed,
            ports::check(
                model,
                &ports::Holders {
                    containers: &containers,
                    projects: &projects,
                    engine: Some(self.engine),
                },
            ),
        );
        findings.outcome()
    }

    fn networks(&self, model: &Model) -> Outcome<()> {
        let networks = self.engine.networks(&Filters::default())?;
        let project = self.recipe.project.as_str();
        let mut wanted = model.networks.values();
        if wanted.all(|network| network.subnets.is_empty())
            && pools::new_networks(model, project, &networks).is_empty()
        {
            return Ok(());
        }
        let bridges: Vec<String> = networks.iter().map(networks::bridge_of).collect();
        let is_own = |device: &str| {
            is_named_by_dockerd(device) || bridges.iter().any(|bridge| bridge == device)
        };
        let vm = vm_networks(is_own)
            .context("checking that the recipe's networks keep off the VM's own")?;
        let applied = AppliedProject::name(self.paths);
        let projects = [Some(project), applied.as_deref()];
        let projects: Vec<&str> = projects.into_iter().flatten().collect();
        let mut findings = Findings::default();
        let clashes = networks::check(model, &networks, &projects, &vm);
        findings.add(ExitCode::BadConfig, clashes);
        let containers = self.engine.containers(&Filters::all())?;
        let pools = InForce::read(&self.paths.daemon_json()).sized_pools;
        let there = Surroundings {
            project,
            earlier: applied.as_deref(),
            networks: &networks,
            containers: &containers,
            vm: &vm,
            pools: &pools,
        };
        findings.add(ExitCode::BadConfig, pools::check(model, &there));
        findings.outcome()
    }

    fn volumes(&self, model: &Model) -> Outcome<()> {
        if model.volumes.is_empty() {
            return Ok(());
        }
        let existing = self.engine.volumes(&Filters::default())?;
        let mut findings = Findings::default();
        findings.add(ExitCode::BadConfig, volume_options::check(model, &existing));
        findings.outcome()
    }
}

/// What Compose has against the recipe now, if anything. Its exit codes do not tell whose fault it is that `up` failed (since 2.33
/// it is 1 for everything), but a recipe that it cannot read any more is the recipe's: `prep` changes files that it names.
pub fn refusal(compose: &Compose<'_>, recipe: &Recipe, redactor: &Redactor) -> Option<ErrorReport> {
    match compose.config(recipe.project.as_str(), CONFIG_LIMIT) {
        Err(CommandError::Status { status, stderr, .. }) if status.code().is_some() => {
            Some(refused(&stderr, recipe, redactor))
        }
        _ => None,
    }
}

fn refused(stderr: &[String], recipe: &Recipe, redactor: &Redactor) -> ErrorReport {
    let clean: Vec<_> = stderr.iter().map(|line| redactor.clean(line)).collect();
    refusal::refused_by_compose(&clean, recipe.yaml_error())
}

/// Services in the network of another container, which the engine lets publish nothing.
fn publishes_for_another(model: &Model) -> Vec<ErrorReport> {
    let services = model.services.iter();
    let services =
        services.filter(|(_, service)| service.replicas > 0 && !service.ports.is_empty());
    services
        .filter_map(|(name, service)| {
            let mode = service.network_mode.as_deref()?;
            let (kind, other) = mode.split_once(':')?;
            matches!(kind, "service" | "container").then(|| {
                let mut found = error(format!(
                    "service {name} publishes ports, and is in the network of {kind} {other}, which alone can publish any"
                ));
                found.service = Some(name.clone());
                found.property = Some("recipe".to_owned());
                found.hint = Some(format!("move its `ports` to {kind} {other}"));
                found
            })
        })
        .collect()
}

/// The message in a line of Compose's log (`time=… level=… msg="…"`), or the line itself.
pub fn message(line: &str) -> &str {
    let line = line.trim();
    match line.split_once(" msg=") {
        Some((head, message)) if head.starts_with("time=") => message.trim_matches('"'),
        _ => line,
    }
}

/// The variable of which Compose says that it is not set: `The \"X\" variable is not set. …`.
fn unset_variable(line: &str) -> Option<&str> {
    let (before, _) = line.split_once("variable is not set")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = before.trim_end_matches(|c| !is_name(c));
    let start = name.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
    Some(&name[start..]).filter(|name| !name.is_empty())
}

/// The service that Compose names: `services.web …` or `service "web" …`.
pub fn service_in(message: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if let Some((_, rest)) = message.split_once("service \"") {
        return rest.split_once('"').map(|(name, _)| name.to_owned());
    }
    let (_, rest) = message.split_once("services.")?;
    let name: String = rest
        .chars()
        .take_while(|c| is_name(*c) && *c != '.')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_service_in_composes_words() {
        for (words, service) in [
            (
                "validating /x/docker-compose.yml: services.web Additional property imag is not allowed",
                Some("web"),
            ),
            (
                "service \"web\" depends on undefined service \"nope\": invalid compose project",
                Some("web"),
            ),
            (
                "error while interpolating services.db-1.image: required variable X is missing a value",
                Some("db-1"),
            ),
            ("yaml: line 4: did not find expected key", None),
            ("services must be a mapping", None),
            ("service \"", None),
            ("services.", None),
        ] {
            assert_eq!(service_in(words).as_deref(), service, "{words}");
        }
    }

    #[test]
    fn finds_the_variable_that_compose_calls_unset() {
        for line in [
            r#"time="2026-11-27T02:16:26Z" level=warning msg="The \"PW\" variable is not set. Defaulting to a blank string.""#,
            "The PW variable is not set. Defaulting to a blank string.",
            "WARN[0000] the \"PW\" variable is not set",
        ] {
            assert_eq!(unset_variable(line), Some("PW"), "{line}");
        }
        assert_eq!(unset_variable("variable is not set"), None);
        assert_eq!(unset_variable("x"), None);
    }
}
