//! The recipe's networks: where they would lie, whether those that are there still fit, and who answers names in them.

use std::collections::BTreeMap;

use docker_engine::Network;
use serde_json::Value;

mod clashes;
mod gateways;
mod in_force;
mod leftover;
mod limit;
mod name_server;
mod overrides;
pub mod pools;
mod port_53;
mod prepare;
mod stale;

pub use clashes::check;
pub use in_force::InForce;
pub use leftover::remove_leftover;
pub use name_server::NameServers;
pub use overrides::add_to;
pub use port_53::{Claims, hint};

/// The label that names the network's project.
const PROJECT_LABEL: &str = crate::compose::PROJECT_LABEL;
/// The driver's option for the MTU.
const MTU: &str = "com.docker.network.driver.mtu";
/// The label of a network whose MTU is the property's.
const MTU_LABEL: &str = "containers.mtu";
/// The driver's option for the name of the bridge.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// A network of the recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecipeNetwork {
    /// Its name in the engine.
    pub name: String,
    /// Whether somebody else makes it.
    pub external: bool,
    /// Its driver, if the recipe names one.
    pub driver: Option<String>,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Its subnets, if the recipe names them.
    pub subnets: Vec<String>,
    /// Whether nothing leads out of it.
    pub internal: bool,
}

impl RecipeNetwork {
    /// A network as Compose writes it.
    pub fn parse(key: &str, network: &Value) -> Self {
        let options = network["driver_opts"].as_object().into_iter().flatten();
        let options = options.filter_map(|(name, value)| Some((name.clone(), word(value)?)));
        let subnets = network["ipam"]["config"].as_array().into_iter().flatten();
        Self {
            name: word(&network["name"]).unwrap_or_else(|| key.to_owned()),
            // a map with a name in the first versions of the format
            external: !matches!(network["external"], Value::Null | Value::Bool(false)),
            driver: word(&network["driver"]).filter(|driver| !driver.is_empty()),
            options: options.collect(),
            subnets: subnets.filter_map(|entry| word(&entry["subnet"])).collect(),
            internal: network["internal"] == true,
        }
    }

    /// Whether Compose has dockerd make a bridge for it. Other drivers (macvlan, ipvlan) join networks of the VM on purpose.
    fn is_bridge(&self) -> bool {
        !self.external && matches!(self.driver.as_deref(), None | Some("bridge" | "default"))
    }

    /// The network of the engine that is this one, if it is there.
    fn find<'a>(&self, project: &str, networks: &'a [Network]) -> Option<&'a Network> {
        networks
            .iter()
            .find(|network| network.name == self.name && is_of(project, network))
    }
}

/// The bridge that dockerd has made for a network.
pub fn bridge_of(network: &Network) -> String {
    let named = network.options.get(BRIDGE_NAME).cloned();
    named.unwrap_or_else(|| vm_networks::bridge_of(&network.id))
}

/// Whether Compose has made the network for the project.
fn is_of(project: &str, network: &Network) -> bool {
    network.labels.get(PROJECT_LABEL).map(String::as_str) == Some(project)
}

/// A string, its `$$` read as the `$` that Compose wrote that way, or a number.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.replace("$$", "$")),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_compose_writes() {
        let network = RecipeNetwork::parse(
            "back",
            &json!({"name": "running_back", "driver": "bridge", "driver_opts": {MTU: "9000", "x": 7}, "internal": true,
                "ipam": {"config": [{"subnet": "10.5.0.0/16"}, {"gateway": "x"}, 7]}}),
        );
        assert_eq!(
            (network.name.as_str(), network.internal, network.external),
            ("running_back", true, false)
        );
        assert_eq!(network.options[MTU], "9000");
        assert_eq!(network.options["x"], "7");
        assert_eq!(network.subnets, ["10.5.0.0/16"]);
        assert!(network.is_bridge());
        let is_bridge = |value: Value| RecipeNetwork::parse("a", &value).is_bridge();
        assert!(is_bridge(json!({"ipam": {}})) && is_bridge(json!(null)));
        assert!(!is_bridge(json!({"driver": "macvlan"})) && !is_bridge(json!({"external": true})));
        assert_eq!(RecipeNetwork::parse("a", &json!([])).name, "a");
    }
}
