//! Properties `registries`, `registry_ca_cert`, `insecure-registries` and `registry_mirrors`: how dockerd reaches registries,
//! and who it says it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::address::RegistryAddress;
use super::insecure_registry::InsecureRegistry;
use super::properties::Properties;
use super::values::{boolean, elements, is_unset, kind};
use super::{tls, url};
use bosh_job::{Problem, Problems, Secret};

const FIELDS: [&str; 5] = ["address", "username", "password", "ca_cert", "insecure"];
/// The containerd image store looks for the authority of Docker Hub's mirrors under the name of Docker Hub
/// (moby, `daemon/hosts.go`, 28 and later).
const NAME_OF_MIRRORS: &str = "docker.io";

/// What the properties say of registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    logins: BTreeMap<RegistryAddress, Login>,
    authorities: BTreeMap<RegistryAddress, BTreeSet<String>>,
    insecure: Vec<InsecureRegistry>,
    mirrors: Vec<Mirror>,
}

/// Who the engine's users are to a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password, or a token.
    pub password: Secret,
}

/// A mirror of Docker Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirror {
    url: String,
    address: RegistryAddress,
}

impl Registries {
    /// The logins by registry.
    pub fn logins(&self) -> impl Iterator<Item = (&RegistryAddress, &Login)> {
        self.logins.iter()
    }

    /// The certificates of authorities in PEM, by the name under which dockerd looks for them.
    #[must_use]
    pub fn authorities(&self) -> BTreeMap<String, String> {
        let mut by_name: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (address, certificates) in &self.authorities {
            let is_mirror = self.mirrors.iter().any(|mirror| mirror.address == *address);
            let more = is_mirror.then(|| NAME_OF_MIRRORS.to_owned());
            for name in address.authority_names().into_iter().chain(more) {
                let certificates = certificates.iter().map(String::as_str);
                by_name.entry(name).or_default().extend(certificates);
            }
        }
        by_name
            .into_iter()
            .map(|(name, certificates)| (name, certificates.into_iter().collect()))
            .collect()
    }

    /// What dockerd takes as insecure.
    #[must_use]
    pub fn insecure(&self) -> &[InsecureRegistry] {
        &self.insecure
    }

    /// URLs of the mirrors of Docker Hub.
    #[must_use]
    pub fn mirrors(&self) -> Vec<&str> {
        self.mirrors
            .iter()
            .map(|mirror| mirror.url.as_str())
            .collect()
    }
}

pub(super) fn parse(properties: &Properties) -> Result<Registries, Problems> {
    let mut problems = Problems::default();
    let mut found = Registries::default();
    for (property, value) in [
        ("insecure-registries", &properties.insecure_hyphen),
        ("insecure_registries", &properties.insecure_underscore),
    ] {
        for (place, entry) in problems.note(elements(property, value)).unwrap_or_default() {
            if let Some(registry) = problems.note(InsecureRegistry::parse(&place, entry)) {
                found.add_insecure(registry);
            }
        }
    }
    let entries = problems.note(elements("registries", &properties.registries));
    for (place, entry) in entries.unwrap_or_default() {
        problems.note_all(found.add(&place, entry));
    }
    let certificates = problems.note(elements("registry_ca_cert", &properties.registry_ca_cert));
    for (place, entry) in certificates.unwrap_or_default() {
        problems.note_all(found.add_domain(&place, entry));
    }
    let mirrors = problems.note(elements("registry_mirrors", &properties.registry_mirrors));
    for (place, entry) in mirrors.unwrap_or_default() {
        found.mirrors.extend(problems.note(mirror(&place, entry)));
    }
    for address in found.authorities.keys() {
        if found.insecure.contains(&InsecureRegistry::from(address)) {
            let what = format!(
                "{} has a `ca_cert` and is insecure, so that its certificate would not be checked",
                address.as_str()
            );
            problems.push(Problem::new("registries", what).hint("take one of them away"));
        }
    }
    problems.into_result(Some(found))
}

impl Registries {
    fn add_insecure(&mut self, registry: InsecureRegistry) {
        if !self.insecure.contains(&registry) {
            self.insecure.push(registry);
        }
    }

    /// An entry of `registries`. Entries for one address add up, so that ops files need not know of each other.
    fn add(&mut self, place: &str, entry: &Value) -> Result<(), Problems> {
        let fields = map(place, entry, &FIELDS)?;
        let mut problems = Problems::default();
        let address = problems.note(address(place, "address", fields));
        let login = problems.note_all(login(place, fields));
        let certificate = problems.note(certificate(place, fields));
        let is_insecure = match fields.get("insecure") {
            None | Some(Value::Null) => Some(false),
            Some(value) => problems.note(boolean(&format!("{place}.insecure"), value)),
        };
        if let (Some(address), Some(login), Some(certificate), Some(is_insecure)) =
            (address, login, certificate, is_insecure)
        {
            if is_insecure && address.is_hub() {
                let what = "is true, while Docker Hub is reached over TLS alone";
                problems.push(Problem::new(format!("{place}.insecure"), what));
            } else if is_insecure {
                self.add_insecure(InsecureRegistry::from(&address));
            }
            if let Some(certificate) = certificate {
                let all = self.authorities.entry(address.clone()).or_default();
                all.insert(certificate);
            }
            if let Some(login) = login
                && let Some(other) = self.logins.insert(address.clone(), login.clone())
                && other != login
            {
                let what = format!(
                    "is a second login for {}, and differs from the first",
                    address.as_str()
                );
                problems.push(Problem::new(place, what).hint("a registry has one login"));
            }
        }
        problems.into_result(Some(()))
    }

    /// An entry of docker-boshrelease's `registry_ca_cert`.
    fn add_domain(&mut self, place: &str, entry: &Value) -> Result<(), Problems> {
        let fields = map(place, entry, &["domain_name", "ca_cert"])?;
        let mut problems = Problems::default();
        let address = problems.note(address(place, "domain_name", fields));
        match problems.note(certificate(place, fields)) {
            Some(None) => {
                problems.push(Problem::new(format!("{place}.ca_cert"), "is missing"));
            }
            Some(Some(certificate)) => {
                if let Some(address) = address {
                    let all = self.authorities.entry(address).or_default();
                    all.insert(certificate);
                }
            }
            None => {}
        }
        problems.into_result(Some(()))
    }
}

fn map<'a>(
    place: &str,
    entry: &'a Value,
    known: &[&str],
) -> Result<&'a Map<String, Value>, Problems> {
    let Value::Object(fields) = entry else {
        let what = format!("must be a map with {}, and is {}", list(known), kind(entry));
        return Err(Problem::new(place, what).into());
    };
    let mut problems = Problems::default();
    for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
        let what = format!("is unknown; an entry has {}", list(known));
        problems.push(Problem::new(format!("{place}.{name}"), what));
    }
    problems.into_result(Some(fields))
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn address(
    place: &str,
    name: &str,
    fields: &Map<String, Value>,
) -> Result<RegistryAddress, Problem> {
    let value = fields.get(name).unwrap_or(&Value::Null);
    let wrong = |what: String| {
        // it may hold a password where somebody wrote a whole URL
        Problem::new(format!("{place}.{name}"), what)
            .hint("write it as references have it: registry.example:5000, or docker.io")
    };
    let text = value
        .as_str()
        .ok_or_else(|| wrong(format!("must be host or host:port, and is {}", kind(value))))?;
    RegistryAddress::parse(text.trim())
        .ok_or_else(|| wrong("must be host or host:port, without scheme, user or path".to_owned()))
}

fn login(place: &str, fields: &Map<String, Value>) -> Result<Option<Login>, Problems> {
    let mut problems = Problems::default();
    let mut text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) if text.is_empty() => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(other) => {
            let what = format!("must be a string, and is {}; quote a number", kind(other));
            problems.push(Problem::new(format!("{place}.{name}"), what));
            None
        }
    };
    let (username, password) = (text("username"), text("password"));
    let login = match (username, password) {
        (Some(Some(username)), Some(Some(password))) => {
            if username.contains(':') {
                let what = "holds a colon, which ends the name in a login of HTTP";
                problems.push(Problem::new(format!("{place}.username"), what));
            }
            Some(Some(Login {
                username,
                password: Secret::new(password),
            }))
        }
        (Some(None), Some(None)) => Some(None),
        (Some(None), Some(Some(_))) => {
            let what = "is missing, while `password` is set";
            problems.push(Problem::new(format!("{place}.username"), what));
            None
        }
        (Some(Some(_)), Some(None)) => {
            let what = "is missing, while `username` is set";
            problems.push(Problem::new(format!("{place}.password"), what));
            None
        }
        _ => None,
    };
    problems.into_result(login)
}

fn certificate(place: &str, fields: &Map<String, Value>) -> Result<Option<String>, Problem> {
    match fields.get("ca_cert") {
        None => Ok(None),
        Some(value) if is_unset(value) => Ok(None),
        Some(value) => tls::certificate(&format!("{place}.ca_cert"), value).map(Some),
    }
}

fn mirror(place: &str, value: &Value) -> Result<Mirror, Problem> {
    let parts = url::parse(place, value, &["http", "https"])?;
    if parts.has_user {
        return Err(
            Problem::new(place, "holds a user, and dockerd shows no login to a mirror").hint(
                "let the mirror serve everybody on its network, or name the registry itself in the recipe and in `registries`",
            ),
        );
    }
    let address = RegistryAddress::parse(parts.host_and_port)
        .ok_or_else(|| Problem::new(place, "has no good host and port"))?;
    Ok(Mirror {
        url: parts.text.to_owned(),
        address,
    })
}

#[cfg(test)]
mod tests;
