//! The settings of networks under which dockerd runs. The properties may ask for others, which docker-ctl has refused.

use std::{net::IpAddr, path::Path};

use job_properties::{AddressPool, daemon_keys};
use serde_json::Value;
use vm_networks::Cidr;

/// What of `daemon.json` matters for the recipe's networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The MTU of the default bridge, which the recipe's networks shall have, too.
    pub mtu: Option<String>,
    /// The bases of the address pools; empty if they are dockerd's own.
    pub pools: Vec<Cidr>,
    /// The same with the length of their subnets.
    pub sized_pools: Vec<AddressPool>,
    /// The resolvers; empty if they are the VM's.
    pub dns: Vec<IpAddr>,
}

impl InForce {
    /// Reads `daemon.json`. One that is not there sets nothing.
    pub fn read(daemon_json: &Path) -> Self {
        let bytes = std::fs::read(daemon_json).unwrap_or_default();
        let settings: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let list = |name: &str| settings[name].as_array().cloned().unwrap_or_default();
        Self {
            mtu: settings[daemon_keys::MTU]
                .as_u64()
                .map(|mtu| mtu.to_string()),
            pools: list(daemon_keys::ADDRESS_POOLS)
                .iter()
                .filter_map(|pool| pool["base"].as_str()?.parse().ok())
                .collect(),
            sized_pools: list(daemon_keys::ADDRESS_POOLS)
                .iter()
                .filter_map(|pool| {
                    Some(AddressPool {
                        base: pool["base"].as_str()?.parse().ok()?,
                        size: u8::try_from(pool["size"].as_u64()?).ok()?,
                    })
                })
                .collect(),
            dns: list(daemon_keys::DNS)
                .iter()
                .filter_map(|server| server.as_str()?.parse().ok())
                .collect(),
        }
    }
}
