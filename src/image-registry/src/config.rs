//! The configuration of job `registry`, as its template renders it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use bosh_job::{Advise as _, ExitCode};
use serde::Deserialize;

use crate::access::{Grant, User};
use crate::cache::CacheConfig;
use crate::upkeep::Settings;
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
    /// The images that releases bring to this VM; none are served without it.
    pub frozen: Option<FrozenImages>,
    /// Rules of which tags stay.
    #[serde(default)]
    retention: serde_json::Value,
    /// When the disk is freed.
    #[serde(default)]
    collect: serde_json::Value,
    /// When all blobs are read again, and how fast.
    #[serde(default)]
    scrub: serde_json::Value,
}

/// Where frozen images are found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenImages {
    /// The directory of all jobs (`/var/vcap/jobs`), whose lists name them.
    pub jobs: PathBuf,
}

/// Files of a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those that it was signed by.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The certificate of the authority that signed it, which clients have to know.
    pub ca: Option<PathBuf>,
    /// Certificates of authorities whose client certificates stand for logins.
    pub client_authorities: Option<PathBuf>,
}

impl Config {
    /// How the store is kept in order.
    pub fn upkeep(&self) -> Result<Settings, bosh_job::Problems> {
        Settings::parse(&self.retention, &self.collect, &self.scrub)
    }

    /// Reads it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let json = &mut serde_json::Deserializer::from_slice(&bytes);
        let config: Self = serde_path_to_error::deserialize(json)
            // the parser's words could show a password, the path has names of properties alone
            .map_err(|error| {
                anyhow::anyhow!(
                    "{}: it has not the form that the job's spec describes",
                    property(error.path())
                )
            })
            .with_context(|| format!("reading {}", path.display()))
            .exits(ExitCode::BadConfig)?;
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
        let jobs = config.frozen.as_ref().map(|frozen| &frozen.jobs);
        ensure!(
            jobs.is_none_or(|jobs| jobs.is_absolute() && jobs.ends_with("jobs")),
            "property `frozen.jobs`: it is no absolute path of a directory `jobs`"
        );
        Ok(config)
    }
}

/// A place in the rendered file, as the operator knows it.
fn property(path: &serde_path_to_error::Path) -> String {
    match path.to_string().as_str() {
        "listen" => "property `bind` or `port`".to_owned(),
        "." => "the file".to_owned(),
        path => format!("property `{path}`"),
    }
}
