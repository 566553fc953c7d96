//! What the configuration says of other registries.

use bosh_job::Secret;
use serde::{Deserialize, Deserializer};

use crate::names::Repository;

/// Another registry, whose images are given out here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its host as image references have it, with its port if it has one: `docker.io`, `registry.corp:5000`.
    pub host: String,
    /// Where it is asked, in this order: `https://HOST[:PORT]`. Docker Hub and every host have one that is known.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Its login, if it wants one.
    pub username: Option<String>,
    /// The login's password.
    #[serde(default, deserialize_with = "secret")]
    pub password: Option<Secret>,
    /// Certificates in PEM that are trusted besides those that the VM trusts.
    pub ca_certificate: Option<String>,
    /// A certificate in PEM that is shown to it, and those that it was signed by.
    pub client_certificate: Option<String>,
    /// The key of that certificate.
    #[serde(default, deserialize_with = "secret")]
    pub client_key: Option<Secret>,
    /// A proxy through which it is reached: `http://[USER:PASSWORD@]HOST:PORT`.
    #[serde(default, deserialize_with = "secret")]
    pub proxy: Option<Secret>,
    /// What stands before its repositories' names here, if not its host.
    pub repository: Option<String>,
    /// Seconds that it may be silent, and that a connection to it may take.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
}

fn timeout_seconds() -> u64 {
    30
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

impl UpstreamConfig {
    /// What stands before its repositories' names here.
    pub fn prefix(&self) -> anyhow::Result<String> {
        let prefix = self.repository.as_ref().unwrap_or(&self.host);
        prefix.parse::<Repository>().map_err(|()| {
            anyhow::anyhow!(
                "property `upstreams`: {prefix} cannot be the beginning of a repository's name; give {} a `repository` that can, as its host without the port",
                self.host
            )
        })?;
        Ok(prefix.clone())
    }

    /// Where it is asked.
    pub fn addresses(&self) -> Vec<String> {
        match (self.addresses.as_slice(), self.host.as_str()) {
            ([], "docker.io") => vec!["https://registry-1.docker.io".to_owned()],
            ([], host) => vec![format!("https://{host}")],
            (addresses, _) => addresses.to_vec(),
        }
    }
}
