//! Properties `registries`, `registry_ca_cert`, `insecure-registries` and `registry_mirrors`, and link `registry`: how dockerd
//! reaches registries, and who it says it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::address::RegistryAddress;
use super::insecure_registry::InsecureRegistry;
use super::links::Links;
use super::properties::Properties;
use super::registry_link::{self, ClientCertificate, LinkedRegistry};
use super::url;
use super::values::{boolean, elements};
use bosh_job::{Problem, Problems, Secret};
use fields::{address, certificate, login, map};

mod fields;

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
    linked: Option<LinkedRegistry>,
}

/// Who the engine's users are to a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password, or a token.
    pub password: Secret,
}

/// A registry that is asked for images of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Where, perhaps with a path.
    pub url: String,
    /// The host of that.
    pub address: RegistryAddress,
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
        if let Some(linked) = &self.linked
            && let Some(authority) = linked.authority()
        {
            for address in linked.addresses() {
                let name = address.as_str().to_owned();
                by_name.entry(name).or_default().insert(authority);
            }
        }
        by_name
            .into_iter()
            .map(|(name, certificates)| (name, certificates.into_iter().collect()))
            .collect()
    }

    /// What this VM shows registries, by the name under which dockerd looks for it.
    #[must_use]
    pub fn client_certificates(&self) -> BTreeMap<String, &ClientCertificate> {
        let client = self
            .linked
            .as_ref()
            .and_then(|linked| Some((linked, linked.client()?)));
        let named = client.into_iter().flat_map(|(linked, client)| {
            let addresses = linked.addresses().into_iter();
            addresses.map(move |address| (address.as_str().to_owned(), client))
        });
        named.collect()
    }

    /// The site's own registry.
    #[must_use]
    pub fn linked(&self) -> Option<&LinkedRegistry> {
        self.linked.as_ref()
    }

    /// What dockerd takes as insecure.
    #[must_use]
    pub fn insecure(&self) -> &[InsecureRegistry] {
        &self.insecure
    }

    /// Whether dockerd does not hold it to TLS.
    #[must_use]
    pub fn is_insecure(&self, address: &RegistryAddress) -> bool {
        self.insecure.iter().any(|entry| entry.covers(address))
    }

    /// Registries whose images others are asked for first, with those in their order. Without a link that is Docker Hub alone.
    #[must_use]
    pub fn mirrored(&self) -> BTreeMap<RegistryAddress, Vec<Mirror>> {
        let mut mirrored: BTreeMap<_, Vec<Mirror>> = BTreeMap::new();
        if let Some(linked) = &self.linked
            && let Some(address) = linked.addresses().into_iter().next()
        {
            for host in linked.mirrored() {
                let mirror = Mirror {
                    url: linked.url(),
                    address: address.clone(),
                };
                mirrored.entry(host.clone()).or_default().push(mirror);
            }
        }
        for mirror in &self.mirrors {
            if let Some(hub) = RegistryAddress::parse(NAME_OF_MIRRORS) {
                let of_hub = mirrored.entry(hub).or_default();
                if of_hub.iter().all(|other| other.url != mirror.url) {
                    of_hub.push(mirror.clone());
                }
            }
        }
        mirrored
    }

    /// URLs of the mirrors of Docker Hub.
    #[must_use]
    pub fn mirrors(&self) -> Vec<String> {
        let of_hub = self
            .mirrored()
            .into_iter()
            .find(|(address, _)| address.is_hub());
        let of_hub = of_hub.into_iter().flat_map(|(_, mirrors)| mirrors);
        of_hub.map(|mirror| mirror.url).collect()
    }
}

pub(super) fn parse(properties: &Properties, links: &Links) -> Result<Registries, Problems> {
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
    let linked = registry_link::parse(links.registry.as_ref(), &properties.registry_client);
    found.linked = problems.note_all(linked).flatten();
    if let Some(linked) = &found.linked {
        let insecure = linked.addresses().into_iter();
        for address in insecure.filter(|address| found.is_insecure(address)) {
            let what = format!(
                "{} is the registry of link `registry`, and insecure, so that it would be shown no client certificate",
                address.as_str()
            );
            let problem = Problem::new("insecure-registries", what);
            problems.push(problem.hint("take it away; the link brings the registry's authority"));
        }
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
