//! From a manifest to what shall be: groups, jobs with their properties, packages to compile.

mod manifest;
mod networks;
mod packages;
pub mod properties;
mod update;

pub use networks::NetworkPlan;
pub use update::{UpdateConfig, WatchTime};

use crate::progress::Progress;
use crate::release::{Job, Package, Release};
use anyhow::{Context, Result, anyhow, bail};
use manifest::{GroupSpec, JobSpec, Manifest, ReleaseRef};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a disk type says nothing about its size: 10 GiB, which a sparse file does not take.
const DEFAULT_DISK_MB: u64 = 10 * 1024;

/// A job of an instance group.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// The job as its release describes it.
    pub job: Job,
    /// The release's version as the manifest gives it.
    pub release_version: String,
    /// Bound properties, as the templates see them.
    pub properties: Value,
    /// The manifest's say on consumed links.
    pub consumes: BTreeMap<String, Value>,
    /// The manifest's say on provided links.
    pub provides: BTreeMap<String, Value>,
}

/// An instance group.
#[derive(Debug, Clone)]
pub struct GroupPlan {
    /// Its name.
    pub name: String,
    /// How many instances it has.
    pub instances: usize,
    /// Its availability zones; may be none.
    pub azs: Vec<String>,
    /// Its jobs in the manifest's order.
    pub jobs: Vec<JobPlan>,
    /// Its networks in the manifest's order.
    pub networks: Vec<NetworkPlan>,
    /// Size of each instance's persistent disk in MiB; 0 for none.
    pub persistent_disk_mb: u64,
    /// Canaries and watch times.
    pub update: UpdateConfig,
    /// Names of the packages that its jobs need at run time, with the release of each.
    pub packages: BTreeMap<String, String>,
    /// `lifecycle: errand`: its machines are there only while the errand runs.
    pub errand: bool,
}

/// A deployment as the manifest wants it.
#[derive(Debug)]
pub struct Plan {
    /// The deployment's name.
    pub deployment: String,
    /// Its groups in the manifest's order.
    pub groups: Vec<GroupPlan>,
    /// Every package that has to be compiled, dependencies first.
    pub packages: Vec<Package>,
    /// `features.use_dns_addresses`: instances are known to each other by name.
    pub dns_addresses: bool,
}

impl Plan {
    /// Reads releases and jobs, and binds properties. `base` is the directory of the manifest.
    pub fn new(manifest: Value, base: &Path, progress: &Progress) -> Result<Self> {
        let manifest = Manifest::parse(manifest, progress)?;
        let mut releases = BTreeMap::new();
        for reference in &manifest.releases {
            let directory = release_directory(reference, base)?;
            let release = Release::open(&reference.name, &directory)?;
            if releases
                .insert(reference.name.clone(), (release, version_of(reference)))
                .is_some()
            {
                bail!("release `{}` is listed twice", reference.name);
            }
        }
        let mut groups: Vec<GroupPlan> = Vec::new();
        for spec in &manifest.instance_groups {
            if groups.iter().any(|group| group.name == spec.name) {
                bail!("instance group `{}` is listed twice", spec.name);
            }
            let group = plan_group(spec, &manifest, &releases, progress)
                .with_context(|| format!("instance group `{}`", spec.name))?;
            groups.push(group);
        }
        let packages = packages::to_compile(&groups, &releases, progress)?;
        packages::refuse_collisions(&groups, &packages)?;
        Ok(Self {
            dns_addresses: manifest
                .features
                .is_some_and(|features| features.use_dns_addresses),
            deployment: manifest.name,
            groups,
            packages,
        })
    }
}

type Releases = BTreeMap<String, (Release, String)>;

fn version_of(reference: &ReleaseRef) -> String {
    match &reference.version {
        None => "0+dev.1".to_owned(),
        Some(Value::String(version)) if version == "create" || version == "latest" => {
            "0+dev.1".to_owned()
        }
        Some(Value::String(version)) => version.clone(),
        Some(other) => other.to_string(),
    }
}

fn release_directory(reference: &ReleaseRef, base: &Path) -> Result<PathBuf> {
    let path = match (&reference.path, &reference.url) {
        (Some(path), _) => path.as_str(),
        (None, Some(url)) => url.strip_prefix("file://").with_context(|| {
            format!(
                "release `{}`: bosh-solo fetches nothing; give `path:` of a release directory instead of url {url}",
                reference.name
            )
        })?,
        (None, None) => return enclosing_release(&reference.name, base),
    };
    let directory = base.join(path);
    directory.canonicalize().with_context(|| {
        format!(
            "release `{}`: opening directory {}",
            reference.name,
            directory.display()
        )
    })
}

/// The release that a manifest inside its own tree means, as `manifests/vault.yml` does: a Director knows
/// uploaded releases by their names alone.
fn enclosing_release(name: &str, base: &Path) -> Result<PathBuf> {
    let base = base
        .canonicalize()
        .with_context(|| format!("opening directory {}", base.display()))?;
    base.ancestors()
        .find(|directory| Release::open(name, directory).is_ok())
        .map(Path::to_owned)
        .with_context(|| {
            format!(
                "release `{name}` has no `path:` of a release directory, and the manifest does not lie in one of that name \
                 (there is no director that could know it)"
            )
        })
}

fn plan_group(
    spec: &GroupSpec,
    manifest: &Manifest,
    releases: &Releases,
    progress: &Progress,
) -> Result<GroupPlan> {
    let errand = match spec.lifecycle.as_deref() {
        None | Some("service") => false,
        Some("errand") => true,
        Some(other) => bail!("invalid lifecycle `{other}`: `service` or `errand`"),
    };
    let mut fallback = manifest.properties.clone().unwrap_or_default();
    if let Some(own) = &spec.properties {
        properties::merge(&mut fallback, own);
    }
    let mut jobs: Vec<JobPlan> = Vec::new();
    for job_spec in &spec.jobs {
        if jobs.iter().any(|other| other.job.name == job_spec.name) {
            bail!(
                "colocated job `{}` is there twice: two jobs of one name cannot share an instance",
                job_spec.name
            );
        }
        jobs.push(plan_job(
            job_spec, &fallback, releases, &spec.name, progress,
        )?);
    }
    let networks = networks::plan(spec.networks.as_deref().unwrap_or_default(), spec.instances)?;
    Ok(GroupPlan {
        name: spec.name.clone(),
        instances: spec.instances,
        azs: spec.azs.clone().unwrap_or_default(),
        networks,
        persistent_disk_mb: disk_size(spec)?,
        update: UpdateConfig::parse(&manifest.update, spec.update.as_ref(), spec.instances)?,
        packages: packages::at_run_time(&jobs),
        jobs,
        errand,
    })
}

fn plan_job(
    spec: &JobSpec,
    fallback: &Map<String, Value>,
    releases: &Releases,
    group: &str,
    progress: &Progress,
) -> Result<JobPlan> {
    let (release, version) = releases.get(&spec.release).ok_or_else(|| {
        anyhow!(
            "job `{}` references the unknown release `{}`",
            spec.name,
            spec.release
        )
    })?;
    let job = release.job(&spec.name, progress)?;
    let own = spec.properties.as_ref();
    let (properties, undeclared) = properties::bind(&job, own.unwrap_or(fallback))
        .with_context(|| format!("properties of job `{}`", spec.name))?;
    if own.is_some() {
        for name in undeclared {
            progress.warn(&format!(
                "property `{name}` of job `{}` in instance group `{group}` is not in the job's spec: BOSH drops it silently",
                spec.name
            ));
        }
    }
    Ok(JobPlan {
        job,
        release_version: version.clone(),
        properties,
        consumes: spec.consumes.clone().unwrap_or_default(),
        provides: spec.provides.clone().unwrap_or_default(),
    })
}

fn disk_size(spec: &GroupSpec) -> Result<u64> {
    match (spec.persistent_disk, spec.persistent_disk_type.as_deref()) {
        (Some(_), Some(_)) => {
            bail!("both `persistent_disk` and `persistent_disk_type` are given; choose one")
        }
        (Some(megabytes), None) => Ok(megabytes),
        (None, Some(name)) => Ok(size_in_name(name).unwrap_or(DEFAULT_DISK_MB)),
        (None, None) => Ok(0),
    }
}

/// Disk types are often named for their size: `10GB`, `512MB`, `1024`.
fn size_in_name(name: &str) -> Option<u64> {
    let upper = name.to_ascii_uppercase();
    let (digits, factor) = match (upper.strip_suffix("GB"), upper.strip_suffix("MB")) {
        (Some(digits), _) => (digits, 1024),
        (_, Some(digits)) => (digits, 1),
        _ => (upper.as_str(), 1),
    };
    digits
        .trim_end_matches(['_', '-', ' '])
        .parse::<u64>()
        .ok()?
        .checked_mul(factor)
}

#[cfg(test)]
mod tests;
