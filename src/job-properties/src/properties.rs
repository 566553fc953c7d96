//! The properties of job `docker` as they are in `config.json`: a field each, which its section parses when it is asked for.

use std::collections::BTreeMap;
use std::mem::take;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::RecipeConfig;
use super::daemon_settings::DaemonSetting;

/// Every property of the job spec. A missing one is an error, since the template renders them all. `Debug` shows none: they
/// carry secrets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Properties {
    recipe: Value,
    project_name: Value,
    profiles: Value,
    variables: Value,
    files: Value,
    on_duplicate_files: Value,
    prep: Value,
    pub volumes_without_persistent_disk: Value,
    pub bind: Value,
    pub bind_without_tls: Value,
    pub tls_cacert: Value,
    pub tls_cert: Value,
    pub tls_key: Value,
    /// JH's name for it.
    #[serde(rename = "insecure-registries")]
    pub insecure_hyphen: Value,
    /// docker-boshrelease's name for it.
    #[serde(rename = "insecure_registries")]
    pub insecure_underscore: Value,
    pub registries: Value,
    pub registry_ca_cert: Value,
    pub registry_mirrors: Value,
    #[serde(deserialize_with = "RegistryClient::read")]
    pub registry_client: RegistryClient,
    #[serde(deserialize_with = "Env::read")]
    pub env: Env,
    pub container_proxies: Value,
    pub log_driver: Value,
    pub log_options: Value,
    #[serde(deserialize_with = "Vm::read")]
    pub vm: Vm,
    pub daemon: Value,
    pub image_store: Value,
    pub bip: Value,
    pub default_address_pools: Value,
    pub mtu: Value,
    pub dns_servers: Value,
    pub dns_search: Value,
    pub dns_options: Value,
    pub internal_dns_domains: Value,
    pub stable_seconds: Value,
    pub start_timeout: Value,
    pub stop_timeout: Value,
    pub restart_limit: Value,
    pub rollback_on_failure: Value,
    pub remove_old_images: Value,
    pub import_memory_mb: Value,
    pub service_log_size_mb: Value,
    pub service_log_files: Value,
    pub log_level: Value,
    /// Those that are a setting of dockerd and nothing more; the table of settings names them.
    #[serde(skip)]
    pub plain_settings: BTreeMap<&'static str, Value>,
}

/// `env.http_proxy`, `env.https_proxy`, `env.no_proxy`.
pub(super) struct Env {
    pub http: Value,
    pub https: Value,
    pub no_proxy: Value,
}

/// `registry_client.certificate`, `registry_client.private_key`, `registry_client.host`.
pub(super) struct RegistryClient {
    pub certificate: Value,
    pub private_key: Value,
    pub host: Value,
}

/// `vm.max_map_count`.
pub(super) struct Vm {
    pub max_map_count: Value,
}

impl std::fmt::Debug for Properties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Properties").finish_non_exhaustive()
    }
}

impl Properties {
    /// Those in a JSON value; the error names one that is missing or unknown.
    pub fn from_value(mut value: Value) -> Result<Self, String> {
        let mut plain_settings = BTreeMap::new();
        for (property, _) in DaemonSetting::plain() {
            let value = value
                .as_object_mut()
                .and_then(|properties| properties.remove(property))
                .ok_or_else(|| format!("`{property}` is missing"))?;
            plain_settings.insert(property, value);
        }
        let properties: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok(Self {
            plain_settings,
            ..properties
        })
    }

    /// Takes out those that make the recipe. They are a type of their own, since they are kept on disk with a recipe.
    pub fn take_recipe(&mut self) -> RecipeConfig {
        RecipeConfig {
            recipe: take(&mut self.recipe),
            project_name: take(&mut self.project_name),
            profiles: take(&mut self.profiles),
            variables: take(&mut self.variables),
            files: take(&mut self.files),
            on_duplicate_files: take(&mut self.on_duplicate_files),
            prep: take(&mut self.prep),
        }
    }
}

impl Env {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let names = ["http_proxy", "https_proxy", "no_proxy"];
        let [http, https, no_proxy] = nested("env", from, names)?;
        Ok(Self {
            http,
            https,
            no_proxy,
        })
    }
}

impl RegistryClient {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let names = ["certificate", "private_key", "host"];
        let [certificate, private_key, host] = nested("registry_client", from, names)?;
        Ok(Self {
            certificate,
            private_key,
            host,
        })
    }
}

impl Vm {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [max_map_count] = nested("vm", from, ["max_map_count"])?;
        Ok(Self { max_map_count })
    }
}

/// The values of properties with a dot in their names, `env.http_proxy` for one, which BOSH hands over as a map. serde's own
/// errors would name them without the first part, or show what stands there.
fn nested<'de, D: Deserializer<'de>, const N: usize>(
    name: &str,
    from: D,
    fields: [&str; N],
) -> Result<[Value; N], D::Error> {
    let Value::Object(mut map) = Value::deserialize(from)? else {
        return Err(D::Error::custom(format!("`{name}` is not a map")));
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
        (Some(field), _) => Err(D::Error::custom(format!("`{name}.{field}` is missing"))),
        (None, Some(unknown)) => Err(D::Error::custom(format!("`{name}.{unknown}` is unknown"))),
    }
}

#[cfg(test)]
mod tests {
    use job_fixture::rendered;
    use serde_json::json;

    use super::*;

    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut properties = rendered()["properties"].clone();
        change(&mut properties);
        Properties::from_value(properties).unwrap_err()
    }

    fn without(name: &'static str) -> impl FnOnce(&mut Value) {
        move |properties| {
            properties.as_object_mut().unwrap().remove(name);
        }
    }

    #[test]
    fn names_what_is_missing_and_what_is_unknown_in_full() {
        assert_eq!(refused(without("bind")), "missing field `bind`");
        assert_eq!(refused(without("env")), "missing field `env`");
        assert_eq!(refused(without("icc")), "`icc` is missing");
        let unknown = refused(|properties| properties["binds"] = json!(1));
        let start = "unknown field `binds`, expected one of `recipe`, `project_name`, ";
        assert!(unknown.starts_with(start), "{unknown}");
        // a field of the type, and no property
        let unknown = refused(|properties| properties["plain_settings"] = json!({}));
        assert!(
            unknown.starts_with("unknown field `plain_settings`"),
            "{unknown}"
        );
    }

    #[test]
    fn names_a_nested_one_with_its_map_and_shows_no_value() {
        let env = |value: Value| refused(|properties| properties["env"] = value);
        assert_eq!(env(json!("hunter2")), "`env` is not a map");
        assert_eq!(
            env(json!({"http_proxy": 1, "https_proxy": "hunter2"})),
            "`env.no_proxy` is missing"
        );
        assert_eq!(
            refused(|properties| properties["vm"]["x"] = json!("hunter2")),
            "`vm.x` is unknown"
        );
    }
}
