//! Docker's `config.json`, as far as it is about credentials (docker/cli, `cli/config/configfile`).

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::secret::{Credentials, Secret};

/// Docker writes the padding; who writes the file by hand may forget it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is of use in it.
pub(crate) struct DockerConfig {
    credentials: BTreeMap<String, Credentials>,
    store: Option<String>,
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl DockerConfig {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).map_err(|error| unusable(Some(file), error.to_string()))?;
        Self::parse(&text, Some(file))
    }

    /// `file` is where the text comes from; none, if it is from the environment.
    pub(crate) fn parse(text: &[u8], file: Option<&Path>) -> Result<Self> {
        // What the parser says could quote a password.
        let written: Written = serde_json::from_slice(text).map_err(|error| {
            let why = format!(
                "line {}, column {}: it is not JSON as Docker writes it",
                error.line(),
                error.column()
            );
            unusable(file, why)
        })?;
        let mut credentials = BTreeMap::new();
        for (name, entry) in written.auths {
            let found = entry
                .credentials()
                .map_err(|why| unusable(file, format!("the entry for {name}: {why}")))?;
            if let Some(found) = found {
                credentials.insert(normal_name(&name), found);
            }
        }
        Ok(Self {
            credentials,
            store: written.store.filter(|store| !store.is_empty()),
            helpers: written
                .helpers
                .into_iter()
                .map(|(name, helper)| (normal_name(&name), helper))
                .collect(),
        })
    }

    /// The helper that keeps a registry's credentials.
    pub(crate) fn helper(&self, registry: &str) -> Option<&str> {
        self.helpers
            .get(registry)
            .or(self.store.as_ref())
            .map(String::as_str)
            .filter(|helper| !helper.is_empty())
    }

    pub(crate) fn credentials(&self, registry: &str) -> Option<Credentials> {
        self.credentials.get(registry).cloned()
    }
}

impl Entry {
    fn credentials(self) -> Result<Option<Credentials>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(Secret::new(
                self.identitytoken,
            ))));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::RegistryToken(Secret::new(
                self.registrytoken,
            ))));
        }
        let (user, password) = if self.auth.is_empty() {
            (self.username, self.password)
        } else {
            let decoded = BASE64
                .decode(self.auth.trim())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or("`auth` is not base64")?;
            let (user, password) = decoded
                .split_once(':')
                .ok_or("`auth` is not a user and a password")?;
            (
                user.to_owned(),
                // Docker's own older versions padded with zero bytes.
                password.trim_matches('\0').to_owned(),
            )
        };
        if user.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credentials::Password {
            user,
            password: Secret::new(password),
        }))
    }
}

/// The registry that a key means: Docker writes `https://index.docker.io/v1/`, others a host, older versions a URL.
pub(crate) fn normal_name(key: &str) -> String {
    let name = key.split_once("://").map_or(key, |(_, rest)| rest);
    let name = name.split('/').next().unwrap_or_default();
    match name {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

fn unusable(file: Option<&Path>, why: String) -> Error {
    match file {
        Some(file) => Error::SettingFile {
            what: "Docker's configuration",
            path: file.to_owned(),
            why,
        },
        None => Error::Setting {
            what: "the variable",
            value: "DOCKER_AUTH_CONFIG".into(),
            why,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Credentials {
        Credentials::Password {
            user: user.into(),
            password: Secret::new(password),
        }
    }

    #[test]
    fn reads_what_docker_login_writes() {
        let text = br#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "YW5uYTpnZTpoZWlt"},
                "registry.example:5000": {"username": "bert", "password": "x", "email": "ignored"},
                "http://old.example/v1/": {"auth": "Y2FybDp5AAA="},
                "token.example": {"identitytoken": "long", "auth": "PHRva2VuPjo="},
                "direct.example": {"registrytoken": "short"},
                "stored.example": {}
            },
            "HttpHeaders": {"User-Agent": "Docker-Client/19.03"},
            "credHelpers": {"cloud.example": "cloud"}
        }"#;
        let config = DockerConfig::parse(text, None).unwrap();
        assert_eq!(
            config.credentials("docker.io"),
            Some(password("anna", "ge:heim"))
        );
        assert_eq!(
            config.credentials("registry.example:5000"),
            Some(password("bert", "x"))
        );
        assert_eq!(
            config.credentials("old.example"),
            Some(password("carl", "y"))
        );
        assert_eq!(
            config.credentials("token.example"),
            Some(Credentials::IdentityToken(Secret::new("long")))
        );
        assert_eq!(
            config.credentials("direct.example"),
            Some(Credentials::RegistryToken(Secret::new("short")))
        );
        assert_eq!(config.credentials("stored.example"), None);
        assert_eq!(config.helper("cloud.example"), Some("cloud"));
        assert_eq!(config.helper("docker.io"), None);
        let store = DockerConfig::parse(br#"{"credsStore": "desktop"}"#, None).unwrap();
        assert_eq!(store.helper("docker.io"), Some("desktop"));
    }

    #[test]
    fn quotes_no_secret_when_the_file_is_wrong() {
        for text in [
            r#"{"auths": {"a": {"auth": ["geheim"]}}}"#,
            r#"{"auths": {"a": {"auth": "geheim"}}}"#,
            r#"{"auths": {"a": "geheim"}}"#,
            r#"{"auths": geheim"#,
        ] {
            let error = DockerConfig::parse(text.as_bytes(), None).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
}
