//! Addresses of registries as the Docker client writes them in references: `host` or `host:port`.

use std::net::IpAddr;

/// What Docker calls the registry that references without an address name.
const HUB: &str = "docker.io";
/// What else people call it.
const HUB_NAMES: [&str; 5] = [
    HUB,
    "index.docker.io",
    "registry-1.docker.io",
    "https://index.docker.io/v1/",
    "https://index.docker.io/v1",
];
/// Under what name the Docker client keeps its login (moby, `registry/config.go`).
const HUB_LOGIN: &str = "https://index.docker.io/v1/";

/// The address of one registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryAddress(String);

impl RegistryAddress {
    /// The address in a text; none if it holds anything else, such as a scheme, a path or a user.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if HUB_NAMES.contains(&text) {
            return Some(Self(HUB.to_owned()));
        }
        is_host_and_port(text).then(|| Self(text.to_owned()))
    }

    /// As in a reference: `registry.example:5000`, `docker.io`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The IP address in it, if its host is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let host = match self.0.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?.0,
            None => self.0.split_once(':').map_or(&*self.0, |(host, _)| host),
        };
        host.parse().ok()
    }

    /// Whether it is Docker Hub.
    #[must_use]
    pub fn is_hub(&self) -> bool {
        self.0 == HUB
    }

    /// The key of its login in the Docker client's `config.json`.
    #[must_use]
    pub fn login_key(&self) -> &str {
        if self.is_hub() { HUB_LOGIN } else { &self.0 }
    }

    /// The names under which dockerd looks for its authority. The graph drivers ask for the host that they talk to, the
    /// containerd image store for the one in the reference.
    #[must_use]
    pub fn authority_names(&self) -> Vec<String> {
        if self.is_hub() {
            vec![HUB.to_owned(), "registry-1.docker.io".to_owned()]
        } else {
            vec![self.0.clone()]
        }
    }
}

pub(super) fn is_network(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

pub(super) fn is_host_and_port(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<std::net::Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    // also what `.` and `..` would be as the name of a directory
    host.contains(|c: char| c.is_ascii_alphanumeric())
        && host.chars().all(is_label_character)
        && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_docker_hub_by_all_its_names() {
        for name in HUB_NAMES {
            let address = RegistryAddress::parse(name).unwrap();
            assert_eq!(
                (address.as_str(), address.login_key()),
                ("docker.io", "https://index.docker.io/v1/"),
                "{name}"
            );
        }
        let other = RegistryAddress::parse("registry.example:5000").unwrap();
        assert_eq!(other.login_key(), "registry.example:5000");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for bad in [
            "", ".", "..", "-", "http://r", "u@r", "r/team", "r:0", "r:x", "a b", "r:5000/", "../x",
        ] {
            assert_eq!(RegistryAddress::parse(bad), None, "{bad}");
        }
    }
}
