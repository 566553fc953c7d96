//! Where credentials come from, in this order: the settings, `DOCKER_AUTH_CONFIG`, Docker's `config.json`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::docker_config::{DockerConfig, normal_name};
use super::helper;
use crate::error::Result;
use crate::secret::Credentials;
use crate::settings::Settings;

/// All credentials that there are.
pub(crate) struct Keyring {
    explicit: BTreeMap<String, Credentials>,
    configurations: Vec<DockerConfig>,
    helper_time: Duration,
    /// Helpers are asked once: some show a dialog.
    found: Mutex<HashMap<String, Option<Credentials>>>,
}

impl Keyring {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let mut configurations = Vec::new();
        if let Some(text) = &settings.docker_auth_config {
            configurations.push(DockerConfig::parse(text.reveal().as_bytes(), None)?);
        }
        if let Some(file) = &settings.docker_config {
            configurations.push(DockerConfig::read(file)?);
        }
        let explicit = settings.credentials.iter();
        Ok(Self {
            explicit: explicit
                .map(|(registry, credentials)| (normal_name(registry), credentials.clone()))
                .collect(),
            configurations,
            helper_time: settings.timeouts.helper,
            found: Mutex::default(),
        })
    }

    /// The credentials for a registry; a helper is only run when a registry wants credentials.
    pub(crate) fn find(&self, registry: &str) -> Result<Option<Credentials>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(registry) {
            return Ok(known.clone());
        }
        let credentials = self.search(registry)?;
        found.insert(registry.to_owned(), credentials.clone());
        Ok(credentials)
    }

    /// Those that were found before.
    pub(crate) fn known(&self, registry: &str) -> Option<Credentials> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(registry).cloned().flatten()
    }

    fn search(&self, registry: &str) -> Result<Option<Credentials>> {
        if let Some(explicit) = self.explicit.get(registry) {
            return Ok(Some(explicit.clone()));
        }
        for configuration in &self.configurations {
            if let Some(name) = configuration.helper(registry) {
                let stored = helper::get(name, registry, self.helper_time)?;
                if stored.is_some() {
                    return Ok(stored);
                }
            }
            if let Some(written) = configuration.credentials(registry) {
                return Ok(Some(written));
            }
        }
        Ok(None)
    }
}
