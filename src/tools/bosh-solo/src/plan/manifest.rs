//! The deployment manifest's shape, as the director's parsers want it.

use crate::progress::Progress;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Extra = BTreeMap<String, Value>;

/// A manifest after interpolation.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// The deployment's name.
    pub name: String,
    /// Releases that jobs refer to.
    pub releases: Vec<ReleaseRef>,
    /// Groups of equal instances.
    pub instance_groups: Vec<GroupSpec>,
    /// How instances are updated.
    pub update: UpdateSpec,
    /// Properties for jobs that have none of their own.
    #[serde(default)]
    pub properties: Option<Map<String, Value>>,
    /// Switches of the director; all but one mean nothing here.
    #[serde(default)]
    pub features: Option<Features>,
    #[serde(flatten)]
    extra: Extra,
}

/// `features`.
#[derive(Debug, Default, Deserialize)]
pub struct Features {
    /// Whether `address` is a name in templates and links.
    #[serde(default)]
    pub use_dns_addresses: bool,
}

/// An entry of `releases`.
#[derive(Debug, Deserialize)]
pub struct ReleaseRef {
    /// The release's name.
    pub name: String,
    /// Its version, for templates that print it.
    #[serde(default)]
    pub version: Option<Value>,
    /// A release directory, relative to the manifest's directory.
    #[serde(default)]
    pub path: Option<String>,
    /// `file://` and a release directory, as `bosh deploy` takes it.
    #[serde(default)]
    pub url: Option<String>,
    #[serde(flatten)]
    extra: Extra,
}

/// An entry of `instance_groups`.
#[derive(Debug, Deserialize)]
pub struct GroupSpec {
    /// The group's name.
    pub name: String,
    /// How many instances it has.
    pub instances: usize,
    /// Jobs that share each instance.
    pub jobs: Vec<JobSpec>,
    /// Availability zones, filled in turn.
    #[serde(default)]
    pub azs: Option<Vec<String>>,
    /// `service` or `errand`.
    #[serde(default)]
    pub lifecycle: Option<String>,
    /// Networks; the first one is the default one unless another says so.
    #[serde(default)]
    pub networks: Option<Vec<NetworkSpec>>,
    /// Size of the persistent disk in MiB.
    #[serde(default)]
    pub persistent_disk: Option<u64>,
    /// A disk type's name; there is no cloud config that could say what it means.
    #[serde(default)]
    pub persistent_disk_type: Option<String>,
    /// Properties for jobs that have none of their own.
    #[serde(default)]
    pub properties: Option<Map<String, Value>>,
    /// What differs from the deployment's `update`.
    #[serde(default)]
    pub update: Option<PartialUpdateSpec>,
    #[serde(flatten)]
    extra: Extra,
}

/// An entry of a group's `jobs`.
#[derive(Debug, Deserialize)]
pub struct JobSpec {
    /// The job's name.
    pub name: String,
    /// The release that has it.
    pub release: String,
    /// Its properties; absent is not the same as empty.
    #[serde(default)]
    pub properties: Option<Map<String, Value>>,
    /// Links that it takes from elsewhere: name to `{from: …}` or `nil`.
    #[serde(default)]
    pub consumes: Option<BTreeMap<String, Value>>,
    /// Links that it gives: name to `{as: …}`.
    #[serde(default)]
    pub provides: Option<BTreeMap<String, Value>>,
    #[serde(flatten)]
    extra: Extra,
}

/// An entry of a group's `networks`.
#[derive(Debug, Clone, Deserialize)]
pub struct NetworkSpec {
    /// The network's name; any goes.
    pub name: String,
    /// Addresses for the instances in turn.
    #[serde(default)]
    pub static_ips: Option<Vec<String>>,
    /// What this network is the default of: `dns`, `gateway`, `addressable`.
    #[serde(default)]
    pub default: Option<Vec<String>>,
    #[serde(flatten)]
    extra: Extra,
}

/// The deployment's `update`: these four are required.
#[derive(Debug, Deserialize)]
pub struct UpdateSpec {
    /// How many instances go first.
    pub canaries: Value,
    /// How many are updated at once; here always one.
    pub max_in_flight: Value,
    /// Milliseconds, `min-max` or one number, for canaries.
    pub canary_watch_time: Value,
    /// The same for the other instances.
    pub update_watch_time: Value,
    #[serde(flatten)]
    extra: Extra,
}

/// A group's `update`.
#[derive(Debug, Default, Deserialize)]
pub struct PartialUpdateSpec {
    /// See [`UpdateSpec::canaries`].
    pub canaries: Option<Value>,
    /// See [`UpdateSpec::canary_watch_time`].
    pub canary_watch_time: Option<Value>,
    /// See [`UpdateSpec::update_watch_time`].
    pub update_watch_time: Option<Value>,
    #[serde(flatten)]
    extra: Extra,
}

/// Keys of `update` that mean nothing here.
const UPDATE: [&str; 4] = [
    "serial",
    "vm_strategy",
    "max_in_flight",
    "initial_deploy_az_update_strategy",
];

impl Manifest {
    /// Reads an interpolated manifest; what it does not know it warns of.
    pub fn parse(manifest: Value, progress: &Progress) -> Result<Self> {
        let manifest: Self =
            serde_json::from_value(manifest).context("reading the deployment manifest")?;
        manifest.warn_of_unknown_keys(progress);
        Ok(manifest)
    }

    fn warn_of_unknown_keys(&self, progress: &Progress) {
        let warn = |place: &str, extra: &Extra, known: &[&str]| {
            for key in extra.keys().filter(|key| !known.contains(&key.as_str())) {
                progress.warn(&format!("manifest: unknown key `{key}` {place}"));
            }
        };
        let known = ["stemcells", "variables", "tags", "director_uuid"];
        warn("at the top", &self.extra, &known);
        warn("in `update`", &self.update.extra, &UPDATE);
        for release in &self.releases {
            let known = ["sha1", "stemcell", "exported_from"];
            warn(
                &format!("in release `{}`", release.name),
                &release.extra,
                &known,
            );
        }
        for group in &self.instance_groups {
            let place = format!("in instance group `{}`", group.name);
            let known = [
                "stemcell",
                "vm_type",
                "vm_resources",
                "vm_extensions",
                "env",
                "migrated_from",
                "tags",
            ];
            warn(&place, &group.extra, &known);
            if let Some(update) = &group.update {
                warn(&format!("in `update` {place}"), &update.extra, &UPDATE);
            }
            for job in &group.jobs {
                warn(
                    &format!("in job `{}` {place}", job.name),
                    &job.extra,
                    &["custom_provider_definitions"],
                );
            }
            for network in group.networks.iter().flatten() {
                warn(
                    &format!("in network `{}` {place}", network.name),
                    &network.extra,
                    &[],
                );
            }
        }
    }
}
