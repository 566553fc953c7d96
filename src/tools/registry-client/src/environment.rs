//! The environment variables that image-packager reads, in this crate and in the program itself. None of them is needed.
//!
//! All are those of Docker, podman and skopeo, and mean what they mean to these; an empty one counts as one that is not
//! set. A recipe's variables are whatever the recipe names.

use std::path::PathBuf;

use crate::secret::Secret;

/// The directory of Docker's `config.json`.
const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// The contents of such a file.
const DOCKER_AUTH_CONFIG: &str = "DOCKER_AUTH_CONFIG";
/// The file of logins that podman and skopeo take instead of the usual ones.
const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";
/// Where dockerd's socket is.
const DOCKER_HOST: &str = "DOCKER_HOST";
/// The user's directories, in which files with logins are.
const HOME: &str = "HOME";
const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Proxies; also in lower case.
const HTTP_PROXY: &str = "HTTP_PROXY";
const HTTPS_PROXY: &str = "HTTPS_PROXY";
const NO_PROXY: &str = "NO_PROXY";

/// The file of logins that `REGISTRY_AUTH_FILE` names.
#[must_use]
pub fn registry_auth_file() -> Option<PathBuf> {
    let file = std::env::var_os(REGISTRY_AUTH_FILE)?;
    Some(file.into()).filter(|file: &PathBuf| !file.as_os_str().is_empty())
}

/// `DOCKER_HOST` as it is, also empty.
#[must_use]
pub fn docker_host() -> Option<String> {
    std::env::var(DOCKER_HOST).ok()
}

/// All variables that are text, for a recipe that names some of them.
pub fn of_recipes() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// What a client for registries reads.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// This process's.
    pub(crate) fn of_this_process() -> Environment<'static> {
        Environment(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// One of these variables, none of them empty.
    #[cfg(test)]
    pub(crate) fn of(variable: &dyn Fn(&str) -> Option<String>) -> Environment<'_> {
        Environment(variable)
    }

    fn directory(self, name: &str) -> Option<PathBuf> {
        self.0(name).map(PathBuf::from)
    }

    pub(crate) fn docker_config(self) -> Option<PathBuf> {
        self.directory(DOCKER_CONFIG)
    }

    pub(crate) fn home(self) -> Option<PathBuf> {
        self.directory(HOME)
    }

    pub(crate) fn runtime_directory(self) -> Option<PathBuf> {
        self.directory(XDG_RUNTIME_DIR)
    }

    pub(crate) fn config_directory(self) -> Option<PathBuf> {
        self.directory(XDG_CONFIG_HOME)
    }

    pub(crate) fn docker_auth_config(self) -> Option<Secret> {
        self.0(DOCKER_AUTH_CONFIG).map(Secret::new)
    }

    pub(crate) fn http_proxy(self) -> Option<Secret> {
        self.either(HTTP_PROXY).map(Secret::new)
    }

    pub(crate) fn https_proxy(self) -> Option<Secret> {
        self.either(HTTPS_PROXY).map(Secret::new)
    }

    pub(crate) fn no_proxy(self) -> Option<String> {
        self.either(NO_PROXY)
    }

    fn either(self, name: &str) -> Option<String> {
        self.0(name).or_else(|| self.0(&name.to_lowercase()))
    }
}
