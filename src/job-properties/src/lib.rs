//! The job's configuration, as its template rendered it.
//!
//! `config.json` is `{"instance": {…}, "properties": {…}, "links": {…}}` and has every property and every link of the job spec, null
//! when unset.
//! It is read in two steps. The first is strict on the shape: an unknown or a missing property means that template
//! and program are of different releases. The second parses values, one section at a time, and says all that is
//! wrong with a section at once. Sections are apart because a bad recipe must not keep dockerd from starting, nor a
//! bad daemon setting the recipe that runs from being watched. Defaults are in the job spec alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod address;
mod address_pools;
mod bind;
mod daemon;
pub mod daemon_keys;
mod daemon_map;
mod daemon_settings;
mod engine_options;
mod import;
mod insecure_registry;
mod level;
mod links;
mod log_driver;
mod network;
mod properties;
mod proxies;
mod registries;
mod registry_link;
mod resolvers;
mod service_logs;
mod setting_value;
mod shape;
mod supervision;
mod tls;
mod url;
mod values;
mod volumes;

pub use address::RegistryAddress;
pub use address_pools::AddressPool;
pub use bind::{Listen, TcpAccess};
pub use bosh_job::LogLevel;
pub use daemon::{Daemon, ImageStore};
pub use daemon_settings::{
    DAEMON_SETTINGS, DaemonSetting, DaemonSource, Family, OnChange, SettingType,
};
pub use insecure_registry::InsecureRegistry;
pub use network::Networks;
pub use proxies::Proxies;
pub use registries::{Login, Mirror, Registries};
pub use registry_link::{ClientCertificate, LinkedRegistry};
pub use service_logs::ServiceLogs;
pub use setting_value::{SettingValue, Ulimit};
pub use shape::ConfigError;
pub use supervision::{RestartLimit, Supervision};
pub use tls::TlsMaterial;
pub use values::kind;
pub use volumes::VolumePolicy;

use bosh_job::Problems;
use links::Links;
use properties::Properties;

/// The whole configuration of the job `docker`.
#[derive(Debug)]
pub struct JobConfig {
    /// The BOSH instance that this is.
    pub instance: Instance,
    /// What the recipe is made of, for crate `recipe` to parse.
    pub recipe: RecipeConfig,
    /// SHA-256 of the whole, in hexadecimal: another one is another deploy's.
    pub digest: String,
    properties: Properties,
    links: Links,
}

/// What BOSH says about the instance (`spec` in a job template).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Instance group.
    pub name: String,
    /// Index in the instance group.
    pub index: Option<u64>,
    /// Instance's UUID.
    pub id: String,
    /// Availability zone.
    pub az: Option<String>,
    /// Address in the default network.
    pub ip: Option<String>,
    /// Address or DNS name for others.
    pub address: Option<String>,
    /// Deployment.
    pub deployment: String,
    /// Whether it is the instance group's first.
    pub bootstrap: Option<bool>,
    /// Size of the persistent disk in MB; 0 or none without one.
    pub persistent_disk: Option<u64>,
}

impl Instance {
    /// An instance that nothing is known of.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            name: String::new(),
            index: None,
            id: String::new(),
            az: None,
            ip: None,
            address: None,
            deployment: String::new(),
            bootstrap: None,
            persistent_disk: None,
        }
    }
}

/// The properties that make the recipe, not yet parsed. `Debug` does not show them: recipes carry secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeConfig {
    /// `recipe`: a map or a string.
    pub recipe: Value,
    /// `project_name`.
    pub project_name: Value,
    /// `profiles`; null in a recipe that was kept by a release without it.
    #[serde(default)]
    pub profiles: Value,
    /// `variables`.
    pub variables: Value,
    /// `files`: a map, or an array of maps.
    pub files: Value,
    /// `on_duplicate_files`.
    pub on_duplicate_files: Value,
    /// `prep`.
    pub prep: Value,
}

impl std::fmt::Debug for RecipeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecipeConfig").finish_non_exhaustive()
    }
}

impl JobConfig {
    /// The settings of dockerd.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn daemon(&self) -> Result<Daemon, Problems> {
        daemon::parse(&self.properties, &self.links, self.instance.ip.as_deref())
    }

    /// How dockerd makes networks for containers; it is a part of [`Self::daemon`], too.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn networks(&self) -> Result<Networks, Problems> {
        network::parse(&self.properties)
    }

    /// Domains that services in internal networks of the recipe may look up, in lower case, without a last dot.
    ///
    /// # Errors
    /// It is no list, or has what is no domain.
    pub fn internal_dns_domains(&self) -> Result<Vec<String>, Problems> {
        resolvers::internal_domains(&self.properties.internal_dns_domains)
    }

    /// How the recipe is watched, and how long things may take.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn supervision(&self) -> Result<Supervision, Problems> {
        supervision::parse(&self.properties)
    }

    /// What to do about volumes on an instance without a persistent disk.
    ///
    /// # Errors
    /// It is no policy.
    pub fn volume_policy(&self) -> Result<VolumePolicy, Problems> {
        volumes::parse(&self.properties.volumes_without_persistent_disk).map_err(Problems::from)
    }

    /// Whether images of releases gone by are removed.
    ///
    /// # Errors
    /// It is no boolean.
    pub fn remove_old_images(&self) -> Result<bool, Problems> {
        values::boolean("remove_old_images", &self.properties.remove_old_images)
            .map_err(Problems::from)
    }

    /// Bytes of memory that the import of images may take.
    ///
    /// # Errors
    /// It is no number, or too small.
    pub fn import_memory(&self) -> Result<u64, Problems> {
        import::parse_memory(&self.properties.import_memory_mb).map_err(Problems::from)
    }

    /// How much of a service's output is kept in its log files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn service_logs(&self) -> Result<ServiceLogs, Problems> {
        service_logs::parse(&self.properties)
    }

    /// How much the programs and dockerd log.
    ///
    /// # Errors
    /// It is no level.
    pub fn log_level(&self) -> Result<LogLevel, Problems> {
        level::parse(&self.properties.log_level).map_err(Problems::from)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use job_fixture::rendered;
    use serde_json::json;

    use super::*;

    pub(crate) fn with(changes: &[(&str, Value)]) -> JobConfig {
        let mut value = rendered();
        for (name, property) in changes {
            value["properties"][*name] = property.clone();
        }
        JobConfig::from_value(value).unwrap()
    }

    #[test]
    fn the_spec_s_defaults_are_good() {
        let config = with(&[]);
        config.daemon().unwrap();
        config.supervision().unwrap();
        assert_eq!(config.import_memory().unwrap(), 64 << 20);
        config.service_logs().unwrap();
        assert_eq!(config.log_level().unwrap(), LogLevel::Info);
        assert_eq!(config.volume_policy().unwrap(), VolumePolicy::Warn);
        assert!(config.remove_old_images().unwrap());
    }

    #[test]
    fn remove_old_images_must_be_a_boolean() {
        let problems = with(&[("remove_old_images", json!("no"))])
            .remove_old_images()
            .unwrap_err();
        assert_eq!(
            problems.iter().next().unwrap().property,
            "remove_old_images"
        );
    }

    #[test]
    fn debug_shows_no_recipe() {
        let config = with(&[("recipe", json!("hunter2")), ("tls_key", json!("hunter2"))]);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
