//! Where credentials come from, in this order: the settings, `DOCKER_AUTH_CONFIG`, the files of Docker, podman and skopeo.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::docker_config::DockerConfig;
use super::helper;
use crate::error::Result;
use crate::registry_keys::normal_name;
use crate::secret::{Credentials, Secret};
use crate::settings::Settings;

/// All credentials that there are.
pub(crate) struct Keyring {
    explicit: BTreeMap<String, Credentials>,
    sources: Vec<Source>,
    helper_time: Duration,
    found: Mutex<Found>,
}

/// What was found before.
#[derive(Default)]
struct Found {
    /// By registry and repository.
    credentials: HashMap<(String, String), Option<Credentials>>,
    /// By helper and registry. Helpers are asked once: some show a dialog.
    helpers: HashMap<(String, String), Option<Credentials>>,
}

/// Something with logins in it. It is read when a registry asks for credentials: images in files need none.
struct Source {
    place: Place,
    read: OnceLock<DockerConfig>,
}

enum Place {
    Variable(Secret),
    /// Named by somebody, so that it must be there.
    Named(PathBuf),
    /// Where others keep logins.
    Usual(PathBuf),
}

impl Keyring {
    pub(crate) fn new(settings: &Settings) -> Self {
        let variable = settings.docker_auth_config.iter().cloned();
        let named = settings.docker_config.iter().cloned();
        let usual = settings.auth_files.iter().cloned();
        let places = (variable.map(Place::Variable))
            .chain(named.map(Place::Named))
            .chain(usual.map(Place::Usual));
        let explicit = settings.credentials.iter();
        Self {
            explicit: explicit
                .map(|(registry, credentials)| (normal_name(registry), credentials.clone()))
                .collect(),
            sources: places
                .map(|place| Source {
                    place,
                    read: OnceLock::new(),
                })
                .collect(),
            helper_time: settings.timeouts.helper,
            found: Mutex::default(),
        }
    }

    /// The credentials for a repository; files are read, and helpers run, only when a registry wants credentials.
    pub(crate) fn find(&self, registry: &str, repository: &str) -> Result<Option<Credentials>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (registry.to_owned(), repository.to_owned());
        if let Some(known) = found.credentials.get(&key) {
            return Ok(known.clone());
        }
        let credentials = self.search(registry, repository, &mut found)?;
        found.credentials.insert(key, credentials.clone());
        Ok(credentials)
    }

    /// Those that were found before, for any repository of this registry.
    pub(crate) fn known(&self, registry: &str) -> Vec<Credentials> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        (found.credentials.iter())
            .filter(|((known, _), _)| known == registry)
            .filter_map(|(_, credentials)| credentials.clone())
            .collect()
    }

    fn search(
        &self,
        registry: &str,
        repository: &str,
        found: &mut Found,
    ) -> Result<Option<Credentials>> {
        if let Some(explicit) = self.explicit.get(registry) {
            return Ok(Some(explicit.clone()));
        }
        for source in &self.sources {
            let configuration = source.read()?;
            if let Some(name) = configuration.helper(registry)? {
                let key = (name.to_owned(), registry.to_owned());
                let stored = if let Some(known) = found.helpers.get(&key) {
                    known.clone()
                } else {
                    let stored = helper::get(name, registry, self.helper_time)?;
                    found.helpers.insert(key, stored.clone());
                    stored
                };
                if stored.is_some() {
                    return Ok(stored);
                }
            }
            if let Some(written) = configuration.credentials(registry, repository)? {
                return Ok(Some(written));
            }
        }
        Ok(None)
    }
}

impl Source {
    fn read(&self) -> Result<&DockerConfig> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let new = match &self.place {
            Place::Variable(text) => DockerConfig::parse(text.reveal().as_bytes(), None)?,
            Place::Usual(file) if !file.exists() => DockerConfig::parse(b"", Some(file))?,
            Place::Named(file) | Place::Usual(file) => DockerConfig::read(file)?,
        };
        Ok(self.read.get_or_init(|| new))
    }
}
