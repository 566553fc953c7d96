//! The configuration of job `registry`, as its template renders it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::access::{Grant, User};
use crate::cache::CacheConfig;
use crate::upstream::UpstreamConfig;

/// All of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the registry listens.
    pub listen: SocketAddr,
    /// Where everything lies that is pushed.
    pub store: PathBuf,
    /// The socket through which root asks of it what nobody else may.
    pub admin_socket: PathBuf,
    /// Its certificate.
    pub tls: Option<Tls>,
    /// The logins.
    #[serde(default)]
    pub users: Vec<User>,
    /// What may be done without a login.
    #[serde(default)]
    pub anonymous: Vec<Grant>,
    /// Other registries, whose images are given out.
    #[serde(default)]
    pub upstreams: Vec<UpstreamConfig>,
    /// What of them is kept.
    pub cache: Option<CacheConfig>,
}

/// Files of a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those that it was signed by.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Certificates of authorities whose client certificates stand for logins.
    pub client_authorities: Option<PathBuf>,
}

impl Config {
    /// Reads it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let config: Self = serde_json::from_slice(&bytes)
            // the parser's words could show a password
            .map_err(|error| {
                anyhow::anyhow!(
                    "line {}, column {}: not of the form that this release's template renders",
                    error.line(),
                    error.column()
                )
            })
            .with_context(|| format!("reading {}", path.display()))?;
        let mut names: Vec<_> = config.users.iter().map(|user| &user.name).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        ensure!(
            twice.is_none(),
            "property `users`: {} is there twice",
            twice.map_or("", |pair| pair[0])
        );
        ensure!(
            config.upstreams.is_empty() || config.cache.is_some(),
            "property `cache.max_size`: the cache of `upstreams` needs one, as 10G"
        );
        Ok(config)
    }
}
