//! Docker's `config.json`, podman's and skopeo's `auth.json` and the older `.dockercfg`, as far as they are about
//! credentials (docker/cli, `cli/config/configfile`; containers-auth.json(5)).
//!
//! What Docker takes is taken: names in any case, `null` for nothing, an empty file, and whatever follows the first JSON
//! value. An entry is looked into when its registry is asked, so that a broken one harms no other registry.

use std::path::{Path, PathBuf};

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::registry_keys::ranked;
use crate::secret::{Credentials, Secret};
use crate::words::clean;

/// Docker writes the padding; who writes the file by hand may forget it. Go, too, takes any bits at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// The file of Docker before 1.7, which holds nothing but the logins.
const LEGACY: &str = ".dockercfg";

/// What is of use in it.
pub(crate) struct DockerConfig {
    /// Where it comes from; none, if it is from the environment.
    file: Option<PathBuf>,
    legacy: bool,
    auths: Map<String, Value>,
    store: Option<String>,
    helpers: Map<String, Value>,
}

impl DockerConfig {
    /// Reads a file that must be there.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).map_err(|error| unusable(Some(file), error.to_string()))?;
        Self::parse(&text, Some(file))
    }

    /// `file` is where the text comes from; none, if it is from the environment.
    pub(crate) fn parse(text: &[u8], file: Option<&Path>) -> Result<Self> {
        let text = String::from_utf8_lossy(text);
        let mut values = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'))
            .into_iter::<Value>();
        let wrong = |why: &str| unusable(file, format!("{why} as Docker writes it"));
        // What the parser says could quote a password.
        let whole = values.next().transpose().map_err(|error| {
            let (line, column) = (error.line(), error.column());
            wrong(&format!("line {line}, column {column}: it is not JSON"))
        })?;
        let mut whole = match whole {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(whole)) => whole,
            Some(_) => return Err(wrong("it is not an object")),
        };
        let legacy = file.is_some_and(|file| file.ends_with(LEGACY));
        if legacy {
            whole = Map::from_iter([("auths".to_owned(), Value::Object(whole))]);
        }
        let mut object = |name: &str| match take(&mut whole, name) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(wrong(&format!("`{name}` is not an object"))),
        };
        Ok(Self {
            auths: object("auths")?,
            helpers: object("credHelpers")?,
            store: match take(&mut whole, "credsStore") {
                None => None,
                Some(Value::String(store)) => Some(store).filter(|store| !store.is_empty()),
                Some(_) => return Err(wrong("`credsStore` is not a string")),
            },
            file: file.map(Path::to_owned),
            legacy,
        })
    }

    /// The helper that keeps a registry's credentials. Helpers know whole registries alone.
    pub(crate) fn helper(&self, registry: &str) -> Result<Option<&str>> {
        let keys = self.helpers.keys().map(String::as_str);
        for key in ranked(keys, registry, "", self.legacy) {
            match &self.helpers[key] {
                Value::Null => {}
                // An empty name says that there is none, whatever `credsStore` says.
                Value::String(helper) => {
                    return Ok(Some(helper.as_str()).filter(|it| !it.is_empty()));
                }
                _ => {
                    let why = "it is not a string as Docker writes it";
                    return Err(self.wrong("helper", key, why));
                }
            }
        }
        Ok(self.store.as_deref())
    }

    /// What is written for a repository. An entry without content only says that a helper has it.
    pub(crate) fn credentials(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credentials>> {
        let keys = self.auths.keys().map(String::as_str);
        for key in ranked(keys, registry, repository, self.legacy) {
            let found = credentials(&self.auths[key]);
            let found = found.map_err(|why| self.wrong("entry", key, &why))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn wrong(&self, what: &str, key: &str, why: &str) -> Error {
        let why = format!("the {what} for {}: {why}", clean(key));
        unusable(self.file.as_deref(), why)
    }
}

/// Go's JSON takes a name in any case, and the last of several.
fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let is_meant = |key: &&String| key.eq_ignore_ascii_case(name);
    let key = if object.contains_key(name) {
        name.to_owned()
    } else {
        object.keys().rfind(is_meant)?.clone()
    };
    object.remove(&key).filter(|value| !value.is_null())
}

/// The credentials in an entry, and what is wrong with it without its content, which is secret.
fn credentials(entry: &Value) -> Result<Option<Credentials>, String> {
    let mut entry = match entry {
        Value::Null => return Ok(None),
        Value::Object(entry) => entry.clone(),
        _ => return Err("it is not an object as Docker writes it".to_owned()),
    };
    let mut text = |name: &str| match take(&mut entry, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("`{name}` is not a string")),
    };
    let token = text("identitytoken")?;
    if !token.is_empty() {
        return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
    }
    let token = text("registrytoken")?;
    if !token.is_empty() {
        return Ok(Some(Credentials::RegistryToken(Secret::new(token))));
    }
    let auth = text("auth")?;
    let (user, password) = if auth.is_empty() {
        (text("username")?, text("password")?)
    } else {
        decoded(&auth)?
    };
    if user.is_empty() {
        return Ok(None);
    }
    Ok(Some(Credentials::Password {
        user,
        password: Secret::new(password),
    }))
}

fn decoded(auth: &str) -> Result<(String, String), String> {
    // base64(1) breaks lines, and long tokens have several.
    let auth: String = auth.split_ascii_whitespace().collect();
    let text = BASE64
        .decode(auth)
        .map_err(|_| "`auth` is not base64")
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "`auth` is not text in UTF-8"))?;
    let (user, password) = text
        .split_once(':')
        .filter(|(user, _)| !user.is_empty())
        .ok_or("`auth` is not a user and a password")?;
    // Docker's own older versions padded with zero bytes.
    Ok((user.to_owned(), password.trim_matches('\0').to_owned()))
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
            config.credentials("docker.io", "a").unwrap(),
            Some(password("anna", "ge:heim"))
        );
        assert_eq!(
            config.credentials("registry.example:5000", "a").unwrap(),
            Some(password("bert", "x"))
        );
        assert_eq!(
            config.credentials("old.example", "a").unwrap(),
            Some(password("carl", "y"))
        );
        assert_eq!(
            config.credentials("token.example", "a").unwrap(),
            Some(Credentials::IdentityToken(Secret::new("long")))
        );
        assert_eq!(
            config.credentials("direct.example", "a").unwrap(),
            Some(Credentials::RegistryToken(Secret::new("short")))
        );
        assert_eq!(config.credentials("stored.example", "a").unwrap(), None);
        assert_eq!(config.helper("cloud.example").unwrap(), Some("cloud"));
        assert_eq!(config.helper("docker.io").unwrap(), None);
        let store = DockerConfig::parse(br#"{"credsStore": "desktop"}"#, None).unwrap();
        assert_eq!(store.helper("docker.io").unwrap(), Some("desktop"));
    }

    #[test]
    fn takes_what_docker_takes() {
        for text in [
            "",
            " \n",
            "null",
            "{}",
            "\u{feff}{}",
            "{} and more",
            r#"{"auths":null,"credsStore":null,"credHelpers":null}"#,
            r#"{"auths":{"a.example":null},"credHelpers":{"a.example":null}}"#,
            r#"{"auths":{"a.example":{"auth":null,"identitytoken":null}}}"#,
            r#"{"auths":{"b.example":{"auth":"geheim"},"c.example":"geheim"}}"#,
            r#"{"auths":{"a.example":{}},"credHelpers":{"b.example":7},"plugins":7}"#,
        ] {
            let config = DockerConfig::parse(text.as_bytes(), None).unwrap();
            assert_eq!(
                config.credentials("a.example", "a").unwrap(),
                None,
                "{text}"
            );
            assert_eq!(config.helper("a.example").unwrap(), None, "{text}");
        }
        for text in [
            r#"{"auths":{"a.example":{"auth":"YW5uYTp4eHh4\nZWVlZQ=="}}}"#,
            r#"{"auths":{"a.example":{"auth":" YW5uYTp4\r\n\teHh4ZWVlZQ "}}}"#,
            r#"{"Auths":{"a.example":{"Auth":"YW5uYTp4eHh4ZWVlZQ=="}}}"#,
            r#"{"auths":{"a.example":{"Username":"anna","passWord":"xxxxeeee"}}}"#,
            r#"{"auths":{"a.example/team":{},"a.example":{"auth":"YW5uYTp4eHh4ZWVlZR=="}}}"#,
        ] {
            let config = DockerConfig::parse(text.as_bytes(), None).unwrap();
            let found = config.credentials("a.example", "team/app").unwrap();
            assert_eq!(found, Some(password("anna", "xxxxeeee")), "{text}");
        }
    }

    #[test]
    fn reads_the_older_file_of_docker() {
        let text = br#"{"https://index.docker.io/v1/": {"auth": "YW5uYTpnZTpoZWlt"}}"#;
        let config = DockerConfig::parse(text, Some(Path::new("/home/anna/.dockercfg"))).unwrap();
        let found = config.credentials("docker.io", "team/app").unwrap();
        assert_eq!(found, Some(password("anna", "ge:heim")));
    }

    #[test]
    fn an_entry_that_is_wrong_is_named_when_its_registry_is_asked_and_quoted_never() {
        for (entry, expected) in [
            (r#"{"auth": ["geheim"]}"#, "`auth` is not a string"),
            (r#"{"auth": "geheim!"}"#, "`auth` is not base64"),
            ("{\"auth\": \"###geheim\"}", "`auth` is not base64"),
            (
                r#"{"auth": "Z2VoZWlt"}"#,
                "`auth` is not a user and a password",
            ),
            (
                r#"{"auth": "OmdlaGVpbQ=="}"#,
                "`auth` is not a user and a password",
            ),
            (r#""geheim""#, "it is not an object"),
        ] {
            let text = format!(r#"{{"auths": {{"a.example/team": {entry}}}}}"#);
            let file = Path::new("/x/auth.json");
            let config = DockerConfig::parse(text.as_bytes(), Some(file)).unwrap();
            assert_eq!(config.credentials("a.example", "other").unwrap(), None);
            let error = config.credentials("a.example", "team/app").unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(
                said.contains(&format!("the entry for a.example/team: {expected}"))
                    && said.contains("/x/auth.json"),
                "{said}"
            );
            assert!(!said.contains("geheim"), "{said}");
            assert!(error.is_settings());
        }
    }

    #[test]
    fn a_key_is_shown_on_one_line() {
        let config = DockerConfig::parse(br#"{"auths": {"a/\u001b[1m": 7}}"#, None).unwrap();
        let error = config.credentials("a", "\u{1b}[1m").unwrap_err();
        assert!(error.to_string().contains("for a/ [1m: it is not"));
    }

    #[test]
    fn quotes_no_secret_when_the_file_is_wrong() {
        for text in [
            r#"{"auths": ["geheim"]}"#,
            r#"{"auths": geheim"#,
            r#""geheim""#,
            r#"{"credsStore": ["geheim"]}"#,
            r#"{"auths": {}"#,
        ] {
            let error = DockerConfig::parse(text.as_bytes(), None).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
}
