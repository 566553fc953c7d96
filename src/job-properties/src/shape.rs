//! The shape of `config.json`: which keys there are, and which property belongs to which section.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use vm_networks::own_address;

use super::{
    JobConfig, RecipeConfig, daemon, engine_options, network, proxies, registries, service_logs,
    supervision,
};

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
    profiles: Value,
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
        let mut config = Self::from_value(value).map_err(|what| ConfigError::Shape {
            path: path.to_owned(),
            what,
        })?;
        // `bosh create-env` does not say it
        if config.instance.ip.as_deref().is_none_or(str::is_empty) {
            config.instance.ip = own_address().map(|address| address.to_string());
        }
        Ok(config)
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
                profiles: properties.profiles,
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
}

/// Of the values, not of the file: the order of a map's keys says nothing.
fn digest(value: &Value) -> String {
    hex::encode(Sha256::digest(value.to_string()))
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
mod tests {
    use job_fixture::rendered;
    use serde_json::json;

    use super::{super::tests::with, *};

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
}
