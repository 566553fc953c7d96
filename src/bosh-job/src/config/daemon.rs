//! The settings of dockerd.

use std::net::IpAddr;

use serde_json::Value;

use super::values::{boolean, kind};
use super::{Listen, LogLevel, Networks, bind, level, network, tls};
use crate::{Problem, Problems};

pub(super) struct Raw {
    pub bind: Value,
    pub bind_without_tls: Value,
    pub tls_cacert: Value,
    pub tls_cert: Value,
    pub tls_key: Value,
    pub insecure_registries: Value,
    pub image_store: Value,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon").finish_non_exhaustive()
    }
}

/// The settings of dockerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// `bind`: a TCP socket beside the UNIX socket.
    pub listen: Option<Listen>,
    /// `insecure-registries`.
    pub insecure_registries: Vec<InsecureRegistry>,
    /// `image_store`; none leaves it to the engine.
    pub image_store: Option<ImageStore>,
    /// How it makes networks.
    pub networks: Networks,
    /// `log_level`.
    pub log_level: LogLevel,
}

/// Where the engine keeps images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageStore {
    /// The containerd image store.
    Containerd,
    /// The older graph drivers.
    Graphdriver,
}

/// A registry that is reached without TLS, or whose certificate is not checked: host, host:port, or a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsecureRegistry(String);

impl InsecureRegistry {
    /// As dockerd takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn parse(
    raw: &Raw,
    networks: &network::Raw,
    log_level: &Value,
) -> Result<Daemon, Problems> {
    let mut problems = Problems::default();
    let address = problems.note(bind::address(&raw.bind));
    let waived = problems.note(boolean("bind_without_tls", &raw.bind_without_tls));
    let material = problems.note_all(tls::parse(&raw.tls_cacert, &raw.tls_cert, &raw.tls_key));
    let listen = match (address, waived, material) {
        (Some(Some(address)), Some(waived), Some(material)) => {
            problems.note(bind::listen(address, material, waived))
        }
        // nothing to listen on, or what is wrong has been noted
        _ => None,
    };
    let insecure_registries = problems.note_all(insecure_registries(&raw.insecure_registries));
    let image_store = problems.note(image_store(&raw.image_store));
    let networks = problems.note_all(network::parse(networks));
    let log_level = problems.note(level::parse(log_level));
    let daemon = (|| {
        Some(Daemon {
            listen,
            insecure_registries: insecure_registries?,
            image_store: image_store?,
            networks: networks?,
            log_level: log_level?,
        })
    })();
    problems.into_result(daemon)
}

fn image_store(value: &Value) -> Result<Option<ImageStore>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) if name == "containerd" => Ok(Some(ImageStore::Containerd)),
        Value::String(name) if name == "graphdriver" => Ok(Some(ImageStore::Graphdriver)),
        Value::String(other) => Err(Problem::new(
            "image_store",
            format!("must be containerd or graphdriver, and is {other:?}"),
        )),
        other => Err(Problem::new(
            "image_store",
            format!("must be containerd or graphdriver, and is {}", kind(other)),
        )),
    }
}

fn insecure_registries(value: &Value) -> Result<Vec<InsecureRegistry>, Problems> {
    let Value::Array(entries) = value else {
        let what = format!("must be a list of registries, and is {}", kind(value));
        return Err(Problem::new("insecure-registries", what).into());
    };
    let mut problems = Problems::default();
    let registries: Vec<_> = entries
        .iter()
        .enumerate()
        .filter_map(|(position, entry)| problems.note(registry(position, entry)))
        .collect();
    problems.into_result(Some(registries))
}

fn registry(position: usize, value: &Value) -> Result<InsecureRegistry, Problem> {
    let property = format!("insecure-registries[{position}]");
    let Some(text) = value.as_str() else {
        return Err(Problem::new(
            property,
            format!(
                "must be host, host:port or a network, and is {}",
                kind(value)
            ),
        ));
    };
    let wrong = |what: &str| {
        // it may hold a password where somebody wrote a whole URL
        Err(Problem::new(&property, what)
            .hint("write registry.example:5000, or a network as 10.0.0.0/8"))
    };
    if text.contains("://") {
        return wrong("must be host, host:port or a network, without a scheme");
    }
    if text.contains('@') {
        return wrong("must be host, host:port or a network, without a user");
    }
    if is_network(text) || is_host_and_port(text) {
        return Ok(InsecureRegistry(text.to_owned()));
    }
    wrong("must be host, host:port or a network")
}

fn is_network(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

fn is_host_and_port(text: &str) -> bool {
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
    !host.is_empty() && host.chars().all(is_label_character) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::with;
    use super::*;

    fn named(problems: &Problems) -> Vec<&str> {
        problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect()
    }

    #[test]
    fn takes_hosts_ports_and_networks_as_insecure_registries() {
        let all = [
            "registry",
            "registry.local:5000",
            "10.0.0.4:5000",
            "10.0.0.0/8",
            "[fd00::4]:5000",
            "[fd00::4]",
            "fd00::/8",
        ];
        let daemon = with(&[("insecure-registries", json!(all))])
            .daemon()
            .unwrap();
        assert_eq!(
            daemon
                .insecure_registries
                .iter()
                .map(InsecureRegistry::as_str)
                .collect::<Vec<_>>(),
            all
        );
    }

    #[test]
    fn refuses_other_registries_by_position_without_showing_them() {
        let bad = [
            "",
            "http://r",
            "u:hunter2@r",
            "r:0",
            "r:x",
            "a b",
            "10.0.0.0/33",
            "r/x",
            "[fd00::4",
            "fd00::4",
        ];
        let problems = with(&[("insecure-registries", json!(bad))])
            .daemon()
            .unwrap_err();
        let expected: Vec<_> = (0..bad.len())
            .map(|position| format!("insecure-registries[{position}]"))
            .collect();
        assert_eq!(named(&problems), expected);
        assert!(!problems.to_string().contains("hunter2"));
    }

    #[test]
    fn says_everything_that_is_wrong_at_once() {
        let problems = with(&[
            ("bind", json!("x")),
            ("bind_without_tls", json!("yes")),
            ("tls_key", json!("x")),
            ("insecure-registries", json!("r")),
            ("image_store", json!("zfs")),
            ("log_level", json!("loud")),
        ])
        .daemon()
        .unwrap_err();
        let expected = [
            "bind",
            "bind_without_tls",
            "tls_cacert",
            "tls_cert",
            "tls_key",
            "insecure-registries",
            "image_store",
            "log_level",
        ];
        assert_eq!(named(&problems), expected);
    }

    #[test]
    fn names_the_image_stores() {
        for (name, store) in [
            ("containerd", ImageStore::Containerd),
            ("graphdriver", ImageStore::Graphdriver),
        ] {
            assert_eq!(
                with(&[("image_store", json!(name))])
                    .daemon()
                    .unwrap()
                    .image_store,
                Some(store)
            );
        }
    }
}
