//! Link `registry`: the site's own registry, which job `registry` provides, and the properties `registry_client.*`, by which this
//! VM reaches it.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use serde_json::Value;

use super::address::{RegistryAddress, is_host_and_port};
use super::links::RegistryProvider;
use super::properties::RegistryClient;
use super::tls;
use super::values::{boolean, elements, is_unset, kind, number};
use bosh_job::{Problem, Problems, Secret};

/// The port of a reference that names none.
const DEFAULT_PORT: u16 = 443;
/// What dockerd asks its mirrors for, with either image store.
const HUB: &str = "docker.io";

/// The registry of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedRegistry {
    /// Where it is, without a port: first what dockerd asks as a mirror, then what recipes may call it as well.
    hosts: Vec<String>,
    port: u16,
    authority: Option<String>,
    client: Option<ClientCertificate>,
    mirrored: BTreeSet<RegistryAddress>,
}

/// What this VM shows a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate in PEM, perhaps with intermediate ones.
    pub certificate: String,
    /// Its private key in PEM.
    pub private_key: Secret,
}

impl LinkedRegistry {
    /// Its addresses as references have them, the one that dockerd asks as a mirror first.
    #[must_use]
    pub fn addresses(&self) -> Vec<RegistryAddress> {
        let with_port = self.hosts.iter().map(|host| self.at(host));
        let mut all: Vec<_> = with_port
            .filter_map(|text| RegistryAddress::parse(&text))
            .collect();
        if self.port == DEFAULT_PORT {
            let without_port = self.hosts.iter().map(|host| bracketed(host));
            all.extend(without_port.filter_map(|text| RegistryAddress::parse(&text)));
        }
        all
    }

    /// Its URL as a mirror.
    #[must_use]
    pub fn url(&self) -> String {
        let host = self.hosts.first().map(|host| self.at(host));
        format!("https://{}", host.unwrap_or_default())
    }

    /// Its hosts, without ports.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// The authority of its certificate in PEM; none if it is one that the stemcell knows.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// What this VM shows it.
    #[must_use]
    pub fn client(&self) -> Option<&ClientCertificate> {
        self.client.as_ref()
    }

    /// The registries whose images it has, too.
    #[must_use]
    pub fn mirrored(&self) -> &BTreeSet<RegistryAddress> {
        &self.mirrored
    }

    fn at(&self, host: &str) -> String {
        format!("{}:{}", bracketed(host), self.port)
    }
}

/// The registry of the link, none without a link.
pub(super) fn parse(
    provider: Option<&RegistryProvider>,
    properties: &RegistryClient,
) -> Result<Option<LinkedRegistry>, Problems> {
    let mut problems = Problems::default();
    let client = problems.note_all(client(properties));
    let name = problems.note(own_name(&properties.host));
    let Some(provider) = provider else {
        for (property, value) in [
            ("registry_client.certificate", &properties.certificate),
            ("registry_client.private_key", &properties.private_key),
            ("registry_client.host", &properties.host),
        ] {
            if !is_unset(value) {
                let what = "is set, while no job provides link `registry`";
                problems.push(Problem::new(property, what).hint(
                    "job `registry` of this release provides it; from another deployment, it must be `shared: true` there and named in `consumes` here",
                ));
            }
        }
        return problems.into_result(Some(None));
    };
    let hosts = problems.note_all(hosts(name.flatten(), provider));
    let port = problems.note(number(&of_link("port"), &provider.port, "a port", 1, 65535));
    let port = port.and_then(|port| u16::try_from(port).ok());
    let authority = if is_unset(&provider.ca) {
        Some(None)
    } else {
        let authority = tls::certificate(&of_link("tls.ca"), &provider.ca);
        problems.note(authority).map(Some)
    };
    let mirrored = problems.note_all(mirrored(provider));
    let registry = (|| {
        Some(LinkedRegistry {
            hosts: hosts?,
            port: port?,
            authority: authority?,
            client: client?,
            mirrored: mirrored?,
        })
    })();
    if let Some(registry) = &registry {
        let addresses = registry.addresses();
        for host in registry
            .mirrored
            .iter()
            .filter(|host| addresses.contains(host))
        {
            let what = format!("has {}, which is the registry itself", host.as_str());
            problems.push(Problem::new(of_link("upstreams"), what));
        }
    }
    problems.into_result(registry.map(Some))
}

fn of_link(property: &str) -> String {
    format!("{property} of link `registry`")
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn client(properties: &RegistryClient) -> Result<Option<ClientCertificate>, Problems> {
    let mut problems = Problems::default();
    let [certificate, key] = ["registry_client.certificate", "registry_client.private_key"];
    let missing =
        |name: &str, other: &str| Problem::new(name, format!("is missing, while `{other}` is set"));
    let (has_certificate, has_key) = (
        !is_unset(&properties.certificate),
        !is_unset(&properties.private_key),
    );
    let pair = match (has_certificate, has_key) {
        (false, false) => Some(None),
        (false, true) => {
            problems.push(missing(certificate, key));
            None
        }
        (true, false) => {
            problems.push(missing(key, certificate));
            None
        }
        (true, true) => {
            let certificate = problems.note(tls::certificate(certificate, &properties.certificate));
            let private_key = problems.note(tls::private_key(key, &properties.private_key));
            certificate
                .zip(private_key)
                .map(|(certificate, private_key)| {
                    Some(ClientCertificate {
                        certificate,
                        private_key,
                    })
                })
        }
    };
    problems.into_result(pair)
}

fn own_name(value: &Value) -> Result<Option<String>, Problem> {
    if is_unset(value) {
        return Ok(None);
    }
    let host = host("registry_client.host", value);
    host.map(Some)
        .map_err(|problem| problem.hint("the port is the registry's own, and comes by the link"))
}

fn hosts(own_name: Option<String>, provider: &RegistryProvider) -> Result<Vec<String>, Problems> {
    let mut problems = Problems::default();
    let mut hosts: Vec<String> = own_name.into_iter().collect();
    hosts.extend(problems.note(host(&of_link("address"), &provider.address)));
    let instances = problems.note(elements(&of_link("instances"), &provider.instances));
    for (place, instance) in instances.unwrap_or_default() {
        let host = problems.note(host(&place, instance));
        hosts.extend(host.filter(|host| !hosts.contains(host)));
    }
    problems.into_result(Some(hosts))
}

/// A host without a port.
fn host(place: &str, value: &Value) -> Result<String, Problem> {
    let wrong = |what: &str| {
        Problem::new(
            place,
            format!("must be a host without a port, and is {what}"),
        )
    };
    let text = value.as_str().ok_or_else(|| wrong(kind(value)))?.trim();
    let is_name = !text.contains(':') && is_host_and_port(text);
    if is_name || text.parse::<Ipv6Addr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(wrong("another string"))
    }
}

fn mirrored(provider: &RegistryProvider) -> Result<BTreeSet<RegistryAddress>, Problems> {
    let mut problems = Problems::default();
    let mut mirrored = BTreeSet::new();
    let upstreams = problems.note(elements(&of_link("upstreams"), &provider.upstreams));
    for (place, upstream) in upstreams.unwrap_or_default() {
        match upstream.as_str().and_then(RegistryAddress::parse) {
            Some(address) => {
                mirrored.insert(address);
            }
            None => problems.push(Problem::new(
                place,
                "has no good `host`: host or host:port, without a scheme or a path",
            )),
        }
    }
    // unless it says no, it has those of Docker Hub that jobs colocated with it bring
    let has_frozen = match &provider.frozen {
        Value::Null => Some(true),
        value => problems.note(boolean(&of_link("frozen"), value)),
    };
    if has_frozen == Some(true) {
        mirrored.extend(RegistryAddress::parse(HUB));
    }
    problems.into_result(Some(mirrored))
}

#[cfg(test)]
mod tests;
