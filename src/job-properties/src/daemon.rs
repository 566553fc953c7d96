//! The settings of dockerd.

use std::collections::BTreeMap;

use serde_json::Value;

use super::links::Links;
use super::properties::Properties;
use super::proxies::{self, Proxies};
use super::registries::{self, Registries};
use super::registry_link::LinkedRegistry;
use super::setting_value::SettingValue;
use super::values::{boolean, kind};
use super::{Listen, LogLevel, Networks, bind, engine_options, level, network, tls};
use bosh_job::{Problem, Problems};

/// The settings of dockerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// `bind`: a TCP socket beside the UNIX socket.
    pub listen: Option<Listen>,
    /// `registries`, `insecure-registries`, `registry_mirrors`, link `registry`: how registries are reached.
    pub registries: Registries,
    /// `env.*_proxy`: how the internet is reached.
    pub proxies: Proxies,
    /// `image_store`; none leaves it to the engine.
    pub image_store: Option<ImageStore>,
    /// How it makes networks.
    pub networks: Networks,
    /// `log_level`.
    pub log_level: LogLevel,
    /// What else dockerd takes, by its key in `daemon.json`: never one that the fields above or the job itself set.
    pub options: BTreeMap<String, SettingValue>,
    /// `vm.max_map_count`: memory mappings that a process of the VM may have, at least.
    pub max_map_count: Option<u64>,
}

/// Where the engine keeps images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageStore {
    /// The containerd image store.
    Containerd,
    /// The older graph drivers.
    Graphdriver,
}

pub(super) fn parse(
    properties: &Properties,
    links: &Links,
    ip: Option<&str>,
) -> Result<Daemon, Problems> {
    let mut problems = Problems::default();
    let address = problems.note(bind::address(&properties.bind));
    let waived = problems.note(boolean("bind_without_tls", &properties.bind_without_tls));
    let material = problems.note_all(tls::parse(
        &properties.tls_cacert,
        &properties.tls_cert,
        &properties.tls_key,
    ));
    let listen = match (address, waived, material) {
        (Some(Some(address)), Some(waived), Some(material)) => {
            problems.note(bind::listen(address, material, waived))
        }
        // nothing to listen on, or what is wrong has been noted
        _ => None,
    };
    let registries = problems.note_all(registries::parse(properties, links));
    let linked = registries.as_ref().and_then(Registries::linked);
    let linked = linked.into_iter().flat_map(LinkedRegistry::hosts);
    let proxies = problems.note_all(proxies::parse(properties, ip.into_iter().chain(linked)));
    let image_store = problems.note(image_store(&properties.image_store));
    let networks = problems.note_all(network::parse(properties));
    let log_level = problems.note(level::parse(&properties.log_level));
    let options = problems.note_all(engine_options::parse(properties));
    let max_map_count = problems.note(engine_options::max_map_count(properties));
    let daemon = (|| {
        Some(Daemon {
            listen,
            registries: registries?,
            proxies: proxies?,
            image_store: image_store?,
            networks: networks?,
            log_level: log_level?,
            options: options?,
            max_map_count: max_map_count?,
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
