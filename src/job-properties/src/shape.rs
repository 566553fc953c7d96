//! `config.json`: reading it, and its shape.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use vm_networks::own_address;

use super::JobConfig;
use super::links::Links;
use super::properties::Properties;

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
        let mut properties = Properties::from_value(section("properties")?)
            .map_err(|error| format!("`properties`: {error}"))?;
        let links =
            Links::from_value(section("links")?).map_err(|error| format!("`links`: {error}"))?;
        if let Some(unknown) = sections.keys().next() {
            return Err(format!("`{unknown}` is unknown"));
        }
        Ok(Self {
            instance,
            digest,
            recipe: properties.take_recipe(),
            properties,
            links,
        })
    }
}

/// Of the values, not of the file: the order of a map's keys says nothing.
fn digest(value: &Value) -> String {
    hex::encode(Sha256::digest(value.to_string()))
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
