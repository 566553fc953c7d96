//! The job's configuration, as its template rendered it.
//!
//! `config.json` is `{"instance": {…}, "properties": {…}}` and has every property of the job spec, null when unset.
//! It is read in two steps. The first is strict on the shape: an unknown or a missing property means that template
//! and program are of different releases. The second parses values, one section at a time, and says all that is
//! wrong with a section at once. Sections are apart because a bad recipe must not keep dockerd from starting, nor a
//! bad daemon setting the recipe that runs from being watched. Defaults are in the job spec alone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

mod address;
mod bind;
mod daemon;
mod daemon_map;
mod engine_options;
mod import;
mod insecure_registry;
mod level;
mod log_driver;
mod network;
mod proxies;
mod registries;
mod service_logs;
mod supervision;
mod tls;
mod url;
mod values;
mod volumes;

pub use address::RegistryAddress;
pub use bind::{Listen, TcpAccess};
pub use daemon::{Daemon, ImageStore};
pub use insecure_registry::InsecureRegistry;
pub use level::LogLevel;
pub use network::{AddressPool, Networks};
pub use proxies::Proxies;
pub use registries::{Login, Registries};
pub use service_logs::ServiceLogs;
pub use supervision::{RestartLimit, Supervision};
pub use tls::TlsMaterial;
pub use volumes::VolumePolicy;

use crate::Problems;

/// The whole configuration of the job `docker`.
#[derive(Debug)]
pub struct JobConfig {
    /// The BOSH instance that this is.
    pub instance: Instance,
    /// What the recipe is made of, for crate `recipe` to parse.
    pub recipe: RecipeConfig,
    /// SHA-256 of the whole, in hexadecimal: another one is another deploy's.
    pub digest: String,
    daemon: daemon::Raw,
    network: network::Raw,
    internal_dns_domains: Value,
    supervision: supervision::Raw,
    volumes_without_persistent_disk: Value,
    remove_old_images: Value,
    import_memory_mb: Value,
    service_logs: service_logs::Raw,
    log_level: Value,
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

/// The properties that make the recipe, not yet parsed. `Debug` does not show them: recipes carry secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeConfig {
    /// `recipe`: a map or a string.
    pub recipe: Value,
    /// `project_name`.
    pub project_name: Value,
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

/// Why `config.json` could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("reading the job's configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not JSON.
    #[error("the job's configuration {} is not JSON", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
    },
    /// It is JSON of another shape than this program's.
    #[error("the job's configuration {} does not fit this program: {what}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What differs; never a property's value.
        what: String,
    },
}

/// Every property of the job spec. A missing one is an error, since the template renders them all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    recipe: Value,
    project_name: Value,
    variables: Value,
    files: Value,
    on_duplicate_files: Value,
    prep: Value,
    volumes_without_persistent_disk: Value,
    bind: Value,
    bind_without_tls: Value,
    tls_cacert: Value,
    tls_cert: Value,
    tls_key: Value,
    #[serde(rename = "insecure-registries")]
    insecure_hyphen: Value,
    #[serde(rename = "insecure_registries")]
    insecure_underscore: Value,
    registries: Value,
    registry_ca_cert: Value,
    registry_mirrors: Value,
    env: Value,
    container_proxies: Value,
    log_driver: Value,
    log_options: Value,
    vm: Value,
    daemon: Value,
    image_store: Value,
    bip: Value,
    default_address_pools: Value,
    mtu: Value,
    dns_servers: Value,
    dns_search: Value,
    dns_options: Value,
    internal_dns_domains: Value,
    stable_seconds: Value,
    start_timeout: Value,
    stop_timeout: Value,
    restart_limit: Value,
    rollback_on_failure: Value,
    remove_old_images: Value,
    import_memory_mb: Value,
    service_log_size_mb: Value,
    service_log_files: Value,
    log_level: Value,
}

impl JobConfig {
    /// Reads the file, and checks its shape; the sections' values are parsed when they are asked for.
    ///
    /// # Errors
    /// The file is not there, is not JSON, or has other properties than this program knows.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let value = serde_json::from_slice(&bytes).map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            source,
        })?;
        Self::from_value(value).map_err(|what| ConfigError::Shape {
            path: path.to_owned(),
            what,
        })
    }

    /// The configuration in a JSON value; the error says what is wrong with its shape.
    ///
    /// # Errors
    /// It has other keys than this program knows, or lacks some.
    pub fn from_value(value: Value) -> Result<Self, String> {
        let digest = digest(&value);
        let Value::Object(mut sections) = value else {
            return Err("it is not a map".to_owned());
        };
        let mut section = |name: &str| match sections.remove(name) {
            Some(Value::Object(section)) => Ok(Value::Object(section)),
            // serde would print what stands there, which may be a secret
            Some(_) => Err(format!("`{name}` is not a map")),
            None => Err(format!("`{name}` is missing")),
        };
        let instance = serde_json::from_value(section("instance")?)
            .map_err(|error| format!("`instance`: {error}"))?;
        let mut properties = section("properties")?;
        let options = engine_options::take(&mut properties)?;
        let properties: Properties =
            serde_json::from_value(properties).map_err(|error| format!("`properties`: {error}"))?;
        if let Some(unknown) = sections.keys().next() {
            return Err(format!("`{unknown}` is unknown"));
        }
        let [http, https, no_proxy] = nested(
            "env",
            properties.env,
            ["http_proxy", "https_proxy", "no_proxy"],
        )?;
        let [max_map_count] = nested("vm", properties.vm, ["max_map_count"])?;
        Ok(Self {
            instance,
            digest,
            recipe: RecipeConfig {
                recipe: properties.recipe,
                project_name: properties.project_name,
                variables: properties.variables,
                files: properties.files,
                on_duplicate_files: properties.on_duplicate_files,
                prep: properties.prep,
            },
            daemon: daemon::Raw {
                bind: properties.bind,
                bind_without_tls: properties.bind_without_tls,
                tls_cacert: properties.tls_cacert,
                tls_cert: properties.tls_cert,
                tls_key: properties.tls_key,
                image_store: properties.image_store,
                registries: registries::Raw {
                    registries: properties.registries,
                    registry_ca_cert: properties.registry_ca_cert,
                    insecure_hyphen: properties.insecure_hyphen,
                    insecure_underscore: properties.insecure_underscore,
                    mirrors: properties.registry_mirrors,
                },
                proxies: proxies::Raw {
                    http,
                    https,
                    no_proxy,
                    container_proxies: properties.container_proxies,
                },
                options: engine_options::Raw {
                    options,
                    log_driver: properties.log_driver,
                    log_options: properties.log_options,
                    max_map_count,
                    daemon: properties.daemon,
                },
            },
            network: network::Raw {
                bip: properties.bip,
                default_address_pools: properties.default_address_pools,
                mtu: properties.mtu,
                dns_servers: properties.dns_servers,
                dns_search: properties.dns_search,
                dns_options: properties.dns_options,
            },
            internal_dns_domains: properties.internal_dns_domains,
            supervision: supervision::Raw {
                stable_seconds: properties.stable_seconds,
                start_timeout: properties.start_timeout,
                stop_timeout: properties.stop_timeout,
                restart_limit: properties.restart_limit,
                rollback_on_failure: properties.rollback_on_failure,
            },
            volumes_without_persistent_disk: properties.volumes_without_persistent_disk,
            remove_old_images: properties.remove_old_images,
            import_memory_mb: properties.import_memory_mb,
            service_logs: service_logs::Raw {
                size_mb: properties.service_log_size_mb,
                files: properties.service_log_files,
            },
            log_level: properties.log_level,
        })
    }

    /// The settings of dockerd.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn daemon(&self) -> Result<Daemon, Problems> {
        daemon::parse(
            &self.daemon,
            &self.network,
            &self.log_level,
            self.instance.ip.as_deref(),
        )
    }

    /// How dockerd makes networks for containers; it is a part of [`Self::daemon`], too.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn networks(&self) -> Result<Networks, Problems> {
        network::parse(&self.network)
    }

    /// Domains that services in internal networks of the recipe may look up, in lower case, without a last dot.
    ///
    /// # Errors
    /// It is no list, or has what is no domain.
    pub fn internal_dns_domains(&self) -> Result<Vec<String>, Problems> {
        network::parse_domains(&self.internal_dns_domains)
    }

    /// How the recipe is watched, and how long things may take.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn supervision(&self) -> Result<Supervision, Problems> {
        supervision::parse(&self.supervision)
    }

    /// What to do about volumes on an instance without a persistent disk.
    ///
    /// # Errors
    /// It is no policy.
    pub fn volume_policy(&self) -> Result<VolumePolicy, Problems> {
        volumes::parse(&self.volumes_without_persistent_disk).map_err(Problems::from)
    }

    /// Whether images of releases gone by are removed.
    ///
    /// # Errors
    /// It is no boolean.
    pub fn remove_old_images(&self) -> Result<bool, Problems> {
        values::boolean("remove_old_images", &self.remove_old_images).map_err(Problems::from)
    }

    /// Bytes of memory that the import of images may take.
    ///
    /// # Errors
    /// It is no number, or too small.
    pub fn import_memory(&self) -> Result<u64, Problems> {
        import::parse_memory(&self.import_memory_mb).map_err(Problems::from)
    }

    /// How much of a service's output is kept in its log files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn service_logs(&self) -> Result<ServiceLogs, Problems> {
        service_logs::parse(&self.service_logs)
    }

    /// How much the programs and dockerd log.
    ///
    /// # Errors
    /// It is no level.
    pub fn log_level(&self) -> Result<LogLevel, Problems> {
        level::parse(&self.log_level).map_err(Problems::from)
    }
}

/// Of the values, not of the file: the order of a map's keys says nothing.
fn digest(value: &Value) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(value.to_string());
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The values of properties with a dot in their names, `env.http_proxy` for one, which BOSH hands over as a map.
fn nested<const N: usize>(
    name: &str,
    value: Value,
    fields: [&str; N],
) -> Result<[Value; N], String> {
    let Value::Object(mut map) = value else {
        return Err(format!("`properties`: `{name}` is not a map"));
    };
    let mut missing = None;
    let values = fields.map(|field| {
        map.remove(field).unwrap_or_else(|| {
            missing = Some(field);
            Value::Null
        })
    });
    match (missing, map.keys().next()) {
        (None, None) => Ok(values),
        (Some(field), _) => Err(format!("`properties`: `{name}.{field}` is missing")),
        (None, Some(unknown)) => Err(format!("`properties`: `{name}.{unknown}` is unknown")),
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
    fn the_digest_tells_configurations_apart() {
        assert_eq!(with(&[]).digest, with(&[]).digest);
        assert_eq!(with(&[]).digest.len(), 64);
        assert_ne!(
            with(&[]).digest,
            with(&[("stable_seconds", json!(11))]).digest
        );
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
    fn refuses_an_unknown_and_a_missing_property_by_name() {
        let mut value = rendered();
        value["properties"]["binds"] = json!(1);
        assert!(JobConfig::from_value(value).unwrap_err().contains("binds"));
        for name in rendered()["properties"].as_object().unwrap().keys() {
            let mut value = rendered();
            value["properties"].as_object_mut().unwrap().remove(name);
            let error = JobConfig::from_value(value).unwrap_err();
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn refuses_another_shape_without_showing_what_is_in_it() {
        let mut value = rendered();
        value["properties"] = json!("hunter2");
        let error = JobConfig::from_value(value).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(JobConfig::from_value(json!([])).is_err());
        let mut value = rendered();
        value["extra"] = json!(1);
        assert!(JobConfig::from_value(value).unwrap_err().contains("extra"));
    }

    #[test]
    fn a_file_that_is_not_there_or_not_json_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        assert!(
            JobConfig::load(&path)
                .unwrap_err()
                .to_string()
                .contains("config.json")
        );
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(
            JobConfig::load(&path).unwrap_err(),
            ConfigError::Syntax { .. }
        ));
    }

    #[test]
    fn debug_shows_no_recipe() {
        let config = with(&[("recipe", json!("hunter2")), ("tls_key", json!("hunter2"))]);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
