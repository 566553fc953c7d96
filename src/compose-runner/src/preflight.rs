//! What can be found out before anything is touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bosh_job::{
    ExitCode, Paths,
    command::CommandError,
    verdict::ErrorReport,
    vm_networks::{is_named_by_dockerd, vm_networks},
};
use docker_engine::{Engine, Filters};
use recipe::Recipe;

use crate::{
    applied,
    child::End,
    compose::Compose,
    failure::{Failure, Findings, Outcome, error},
    image_map::ImageMap,
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

/// Compose reads files for this, and nothing else.
const CONFIG_LIMIT: Duration = Duration::from_mins(1);
/// A registry that cannot be reached must not eat up the time of the whole start.
const LONGEST_PULL: Duration = Duration::from_mins(10);

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
    pub fn run(&self) -> Outcome<(Model, Pulls<'a>)> {
        let model = self.model()?;
        let mut findings = Findings::default();
        let ports = self.ports(&model);
        findings.note(ports)?;
        let networks = self.networks(&model);
        findings.note(networks)?;
        let volumes = self.volumes(&model);
        findings.note(volumes)?;
        let pulls = Pulls::look(self.paths, self.engine, &model)?;
        let images = self.images(&model, &pulls);
        findings.note(images)?;
        findings.outcome().map(|()| (model, pulls))
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
                let clean: Vec<_> = stderr.iter().map(|line| self.said(line)).collect();
                return Err(Failure::one(
                    ExitCode::BadConfig,
                    refused_by_compose(&clean),
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

    fn ports(&self, model: &Model) -> Outcome<()> {
        let containers = self.engine.containers(&Filters::default())?;
        let applied = applied::project(self.paths);
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
        let applied = applied::project(self.paths);
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

    fn images(&self, model: &Model, pulls: &Pulls<'_>) -> Outcome<()> {
        let brought = ImageMap::read(&self.paths.image_map());
        let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut gone = Vec::new();
        for (name, service) in model
            .services
            .iter()
            .filter(|(_, service)| service.replicas > 0 && !service.built)
        {
            if let Some(id) = self.kept_images.and_then(|images| images.get(name)) {
                if !self.is_there(Some(id))? {
                    gone.push(gone_image(name, id));
                }
            } else if let Some(image) = &service.image
                && pulls.lacks(image)
                && !self.is_there(brought.resolve(image))?
            {
                missing.entry(image).or_default().insert(name);
            }
        }
        let mut findings = Findings::default();
        findings.add(ExitCode::Failed, gone);
        let pulled = !missing.is_empty();
        for (image, services) in missing {
            let may_pull =
                |name: &&&str| model.services[**name].pull_policy.as_deref() != Some("never");
            let why = match services.iter().find(may_pull) {
                None => Some("its `pull_policy` is never".to_owned()),
                Some(service) => self.pull(service, image)?,
            };
            if let Some(why) = why {
                findings.add(
                    ExitCode::Failed,
                    services
                        .iter()
                        .map(|service| missing_image(service, image, &why)),
                );
            }
        }
        if pulled {
            pulls.note();
        }
        findings.outcome()
    }

    /// Whether the engine has what image-importer says that a name stands for.
    fn is_there(&self, digest: Option<&str>) -> Outcome<bool> {
        match digest {
            Some(digest) => Ok(self.engine.inspect_image(digest)?.is_some()),
            None => Ok(false),
        }
    }

    /// Pulls a service's image; why not, if not.
    fn pull(&self, service: &str, image: &str) -> Outcome<Option<String>> {
        tracing::info!(service, image, "image is not on this machine, pulling it");
        let left = self
            .deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_secs(10));
        let limit = left.min(LONGEST_PULL);
        match self
            .compose
            .on_recipe_alone(self.recipe.project.as_str(), &["pull", service], limit)
        {
            End::Cancelled => Err(Failure::Cancelled),
            End::NotStarted(error) => Ok(Some(error.to_string())),
            End::TimedOut { .. } => Ok(Some(format!(
                "its registry did not hand it over within {} s",
                limit.as_secs()
            ))),
            End::Exited { status, .. } if status.success() => Ok(None),
            End::Exited { tail, .. } => Ok(Some(
                tail.last()
                    .map_or("Compose does not say why", |line| message(line))
                    .to_owned(),
            )),
        }
    }
}

fn gone_image(service: &str, id: &str) -> ErrorReport {
    let mut found = error(format!(
        "service {service}: the image that it ran on, {id}, is not on this machine any more"
    ));
    found.service = Some(service.to_owned());
    found
}

fn missing_image(service: &str, image: &str, why: &str) -> ErrorReport {
    let mut found = error(format!(
        "service {service}: image {image} is not on this machine and cannot be pulled"
    ));
    found.causes = vec![why.to_owned()];
    found.service = Some(service.to_owned());
    found.property = Some("recipe".to_owned());
    let hint = "freeze it into an image release (`image-packager freeze`) and colocate that release's job, or give the VM a way to its registry";
    found.hint = Some(hint.to_owned());
    found
}

/// What Compose has against the recipe. Its last line is the reason; those before it are warnings.
fn refused_by_compose(stderr: &[String]) -> ErrorReport {
    let reason = stderr
        .last()
        .map_or("Compose does not say why", |line| message(line));
    let mut found = error(format!("property `recipe`: Compose refuses it: {reason}"));
    found.causes = stderr
        .iter()
        .rev()
        .skip(1)
        .rev()
        .map(|line| message(line).to_owned())
        .collect();
    found.property = Some("recipe".to_owned());
    found.service = service_in(reason);
    let hint = "mend the recipe; `docker compose config` says the same on a workstation";
    found.hint = Some(hint.to_owned());
    found
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

    #[test]
    fn a_refusal_names_the_property_and_keeps_composes_words() {
        let lines = [
            "time=\"2026\" level=warning msg=\"x is obsolete\"",
            "services.web Additional property imag is not allowed",
        ];
        let found = refused_by_compose(&lines.map(String::from));
        assert_eq!(
            found.what,
            "property `recipe`: Compose refuses it: services.web Additional property imag is not allowed"
        );
        assert_eq!(found.causes, ["x is obsolete"]);
        assert_eq!(
            (found.property.as_deref(), found.service.as_deref()),
            (Some("recipe"), Some("web"))
        );
        assert!(refused_by_compose(&[]).what.ends_with("does not say why"));
    }
}
