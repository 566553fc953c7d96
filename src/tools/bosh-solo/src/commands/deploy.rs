//! `deploy`: interpolates the manifest and brings this machine to it.

use super::{Environment, interpolate};
use crate::cli::Deploy;
use crate::engine::{Convergence, Deployment, converge};
use crate::hint::Hint;
use crate::plan::Plan;
use crate::state::{self, InstanceRecord};
use anyhow::{Context, Result, anyhow};
use bosh_manifest::{InterpolateOptions, Value};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Deploys a manifest.
pub fn run(environment: &Environment, arguments: Deploy) -> Result<()> {
    let host = environment.host()?;
    let base = base_of(&arguments.manifest)?;
    let own_store = arguments.variables.vars_store.is_some();
    let from_input = StandardInput::keep(&arguments.manifest, &environment.state_directory()?)?;
    let manifest = from_input
        .as_ref()
        .map_or(&arguments.manifest, |kept| &kept.path);
    let mut options = interpolate::options(manifest, arguments.variables);
    let name = name_of(environment, &options)?;
    let mut deployment = Deployment::open(
        &name,
        &host,
        &environment.state_directory()?,
        &environment.progress,
    )?;
    if !own_store {
        state::make_private_directory(deployment.directory())?;
        options.vars_store = Some(state::vars_store_path(deployment.directory()));
    }
    // Every variable must be found: a Director with its config server would refuse the others.
    options.var_errs = true;
    let manifest = bosh_manifest::interpolate(&options).hint(
        "give the variable with `-v` or `-l`, or declare it under `variables:` as a password or certificate",
    )?;
    // What the CLI sends is sorted, and so is what the templates get.
    let manifest = bosh_manifest::parse(bosh_manifest::to_yaml(&manifest).as_bytes())?;
    let json = bosh_manifest::to_json(&manifest)?;
    let progress = &environment.progress;
    progress.say(&format!("Using deployment `{name}`"));
    let plan = Plan::new(json, &base, progress)?;
    let recreate = if arguments.recreate {
        deployment
            .record
            .instances
            .iter()
            .map(InstanceRecord::name)
            .collect()
    } else {
        Vec::new()
    };
    let convergence = Convergence {
        recreate,
        skip_drain: arguments.skip_drain,
        dry_run: arguments.dry_run,
        nat: arguments.nat,
    };
    if !arguments.dry_run {
        remember_manifest(&mut deployment, &manifest, base)?;
    }
    converge(&mut deployment, &plan, &convergence)?;
    progress.say("Succeeded");
    Ok(())
}

/// A manifest from standard input, which is read more than once, in a file that only root reads.
struct StandardInput {
    path: PathBuf,
}

impl StandardInput {
    fn keep(manifest: &Path, state_directory: &Path) -> Result<Option<Self>> {
        if manifest != Path::new("-") {
            return Ok(None);
        }
        let mut text = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut text)
            .context("reading the manifest from standard input")?;
        let path = state_directory.join(format!("manifest-{}.yml", std::process::id()));
        state::write_private(&path, &text)?;
        Ok(Some(Self { path }))
    }
}

impl Drop for StandardInput {
    fn drop(&mut self) {
        // In root's own directory it does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn base_of(manifest: &Path) -> Result<PathBuf> {
    let directory = match manifest.parent() {
        _ if manifest == Path::new("-") => Path::new("."),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("."),
    };
    directory
        .canonicalize()
        .with_context(|| format!("opening directory {}", directory.display()))
}

/// The name decides where the vars store lies, so it is read before the variables are filled in.
fn name_of(environment: &Environment, options: &InterpolateOptions) -> Result<String> {
    let without_store = InterpolateOptions {
        vars_store: None,
        path: Some("/name".to_owned()),
        ..options.clone()
    };
    let name = match bosh_manifest::interpolate(&without_store)? {
        Value::String(name) if !name.contains("((") => name,
        other => {
            return Err(anyhow!(
                "the manifest's name must be a string, not {}",
                bosh_manifest::to_yaml(&other).trim()
            ));
        }
    };
    match &environment.global.deployment {
        Some(expected) if *expected != name => Err(anyhow!(
            "expected manifest to specify deployment name `{expected}` but was `{name}`"
        )),
        _ => Ok(name),
    }
}

fn remember_manifest(deployment: &mut Deployment, manifest: &Value, base: PathBuf) -> Result<()> {
    state::make_private_directory(deployment.directory())?;
    let text = bosh_manifest::to_yaml(manifest);
    state::write_private(
        &state::manifest_path(deployment.directory()),
        text.as_bytes(),
    )?;
    deployment.record.base = base;
    deployment.record.releases = releases_of(manifest);
    deployment.save()
}

fn releases_of(manifest: &Value) -> Vec<(String, String)> {
    let releases = manifest
        .get("releases")
        .and_then(Value::as_seq)
        .unwrap_or_default();
    let text = |release: &Value, key: &str| {
        release
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("0+dev.1")
            .to_owned()
    };
    releases
        .iter()
        .map(|release| (text(release, "name"), text(release, "version")))
        .collect()
}

/// The plan of the manifest that was last deployed.
pub fn last_plan(environment: &Environment, deployment: &Deployment) -> Result<Plan> {
    let options = InterpolateOptions {
        manifest: state::manifest_path(deployment.directory()),
        ..InterpolateOptions::default()
    };
    let manifest = bosh_manifest::interpolate(&options).hint("deploy the manifest again")?;
    let json = bosh_manifest::to_json(&manifest)?;
    Plan::new(json, &deployment.record.base, &environment.progress)
}

/// Deploys the last manifest again and recreates the named instances.
pub fn again(
    environment: &Environment,
    deployment: &mut Deployment,
    recreate: Vec<String>,
    skip_drain: bool,
) -> Result<()> {
    let plan = last_plan(environment, deployment)?;
    let convergence = Convergence {
        recreate,
        skip_drain,
        dry_run: false,
        nat: deployment.record.nat,
    };
    converge(deployment, &plan, &convergence)
}
