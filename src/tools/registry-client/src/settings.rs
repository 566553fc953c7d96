//! Everything that one can tell the client.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth_files;
use crate::environment::Environment;
use crate::secret::{Credentials, Secret};

/// How to reach registries, and how patient to be.
///
/// [`Settings::default`] takes nothing from the environment; [`Settings::from_environment`] does.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Docker's `config.json`, which must be there. `None`: no such file.
    pub docker_config: Option<PathBuf>,
    /// More such files, asked after it in this order; one that is not there is passed over. One that is called `.dockercfg`
    /// has the form of Docker before 1.7. All files are read only when a registry asks for credentials.
    pub auth_files: Vec<PathBuf>,
    /// The contents of such a file, as the variable `DOCKER_AUTH_CONFIG` holds them; it goes before the file.
    pub docker_auth_config: Option<Secret>,
    /// By registry (`docker.io`, `registry.example:5000`); these go before whatever else there is.
    pub credentials: BTreeMap<String, Credentials>,
    /// PEM files with certificates of authorities, trusted beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// Registries (`host` or `host:port`) that are taken with any certificate, or over plain HTTP. As with Docker,
    /// `localhost` and loopback addresses always are.
    pub insecure: Vec<String>,
    /// By registry: where to ask first, in this order. `https://mirror.example:5000`, plain HTTP only where it says
    /// `http://`; a path (`https://harbor.example/hub`) goes before the repository's name.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Proxies.
    pub proxies: Proxies,
    /// When to try again.
    pub retry: Retry,
    /// When to give up waiting.
    pub timeouts: Timeouts,
    /// How much to take.
    pub limits: Limits,
    /// What registries see in `User-Agent`; empty: `containers/VERSION`.
    pub user_agent: String,
}

/// Proxies, in the form and with the meaning of the environment's variables (as Go's `httpproxy`, which Docker uses):
/// URLs with `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`. Plain HTTP, too, goes through them by `CONNECT`.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// `HTTP_PROXY`: for URLs with `http`.
    pub http: Option<Secret>,
    /// `HTTPS_PROXY`: for URLs with `https`.
    pub https: Option<Secret>,
    /// `NO_PROXY`: hosts, `.domains`, addresses, CIDR ranges, each with an optional port, separated by commas; or `*`.
    pub none_for: String,
}

/// When a request that failed is tried again: connection errors, 408, 429 and 5xx.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts in all, at least 1. For a blob they are counted again whenever enough of it has come.
    pub attempts: u32,
    /// About how long to wait before the second attempt; each further wait is twice as long.
    pub first_wait: Duration,
    /// The longest such wait.
    pub longest_wait: Duration,
    /// The longest wait that a registry may ask for (`Retry-After`); if it asks for more, that is an error at once.
    pub longest_retry_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(20),
            longest_retry_after: Duration::from_mins(2),
        }
    }
}

/// When to give up waiting.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, from the name's resolution to the end of the TLS handshake.
    pub connect: Duration,
    /// For the head of a response.
    pub response: Duration,
    /// For a document or token as a whole.
    pub document: Duration,
    /// A blob's window: in each, at least [`Timeouts::stall_bytes`] must come.
    pub stall: Duration,
    /// The least that must come of a blob in each window, in bytes.
    pub stall_bytes: u64,
    /// For a credential helper, which may have to ask somebody.
    pub helper: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            response: Duration::from_secs(30),
            document: Duration::from_mins(1),
            stall: Duration::from_secs(30),
            stall_bytes: 32 << 10,
            helper: Duration::from_mins(1),
        }
    }
}

/// How much to take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a manifest, index, config or token. Registries and containerd refuse above 4 MiB to 8 MiB.
    pub document: u64,
    /// Redirects of one request.
    pub redirects: u32,
    /// Bytes of a blob that are sent at a time, and that are lost at most when a connection breaks. Object stores behind
    /// registries want 5 MiB at least.
    pub chunk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document: 4 << 20,
            redirects: 5,
            chunk: 32 << 20,
        }
    }
}

impl Settings {
    /// What Docker's own client, podman and skopeo would take from the environment: `DOCKER_AUTH_CONFIG`, `config.json` in
    /// `DOCKER_CONFIG` (if the file is there), the usual files with logins, `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`
    /// (also in lower case).
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(Environment::of_this_process())
    }

    fn from_variables(environment: Environment<'_>) -> Self {
        Self {
            docker_config: auth_files::named(environment),
            auth_files: auth_files::usual(environment),
            docker_auth_config: environment.docker_auth_config(),
            proxies: Proxies {
                http: environment.http_proxy(),
                https: environment.https_proxy(),
                none_for: environment.no_proxy().unwrap_or_default(),
            },
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_from_the_environment_what_docker_takes() {
        let home = tempfile::tempdir().unwrap();
        let variables = |name: &str| match name {
            "HOME" => Some(home.path().display().to_string()),
            "DOCKER_AUTH_CONFIG" => Some("{}".to_owned()),
            "https_proxy" => Some("http://proxy.example".to_owned()),
            "NO_PROXY" => Some("inside.example".to_owned()),
            _ => None,
        };
        let settings = Settings::from_variables(Environment::of(&variables));
        assert_eq!(settings.docker_config, None, "nobody named one");
        assert_eq!(settings.docker_auth_config, Some(Secret::new("{}")));
        assert_eq!(
            settings.proxies.https,
            Some(Secret::new("http://proxy.example"))
        );
        assert_eq!(settings.proxies.http, None);
        assert_eq!(settings.proxies.none_for, "inside.example");
    }
}
