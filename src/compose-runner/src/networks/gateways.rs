//! The VM's own addresses in internal networks. Nothing else leads out of these: what a service there may ask has to
//! listen on such an address.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use docker_engine::Network;
use vm_networks::{VmNetworksError, interface_addresses};

use super::{RecipeNetwork, bridge_of, is_of};
use crate::model::Model;

/// Addresses by the network's name.
pub type Gateways = BTreeMap<String, IpAddr>;

/// The addresses in the project's internal networks that are there. A network may keep the VM out altogether.
pub fn gateways(project: &str, networks: &[Network]) -> Result<Gateways, VmNetworksError> {
    let internal = |network: &&Network| {
        network.internal && network.driver == "bridge" && is_of(project, network)
    };
    let mut internal = networks.iter().filter(internal).peekable();
    if internal.peek().is_none() {
        return Ok(Gateways::new());
    }
    let addresses = interface_addresses()?;
    Ok(internal
        .filter_map(|network| {
            let of_bridge = addresses.get(&bridge_of(network))?;
            let address = of_bridge.iter().find(|address| is_usable(**address))?;
            Some((network.name.clone(), *address))
        })
        .collect())
}

fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    }
}

/// The services that are in internal networks alone and name no resolver, with their networks.
pub fn confined(model: &Model) -> BTreeMap<&str, BTreeSet<&RecipeNetwork>> {
    let services = model
        .services
        .iter()
        .filter(|(_, service)| !service.has_dns);
    services
        .filter_map(|(name, service)| {
            let networks: BTreeSet<&RecipeNetwork> = service
                .networks
                .iter()
                .map(|key| model.networks.get(key))
                .collect::<Option<_>>()?;
            let confined = |network: &&RecipeNetwork| network.is_bridge() && network.internal;
            (!networks.is_empty() && networks.iter().all(confined))
                .then_some((name.as_str(), networks))
        })
        .collect()
}
