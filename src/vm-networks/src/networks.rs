//! The networks that the VM itself uses: its addresses, its routes, its resolvers. A container network over one of them
//! would cut the VM off from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::Cidr;
use crate::resolv_conf::ResolvConf;
use bosh_job::command::{Checked, CommandError};

const LIMIT: Duration = Duration::from_secs(10);

/// A network that the VM uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmNetwork {
    /// Its addresses.
    pub cidr: Cidr,
    /// What the VM uses it for, in words.
    what: String,
}

impl fmt::Display for VmNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} of the VM", self.cidr, self.what)
    }
}

/// Why the VM's networks could not be learnt.
#[derive(Debug, thiserror::Error)]
pub enum VmNetworksError {
    /// iproute2 did not say.
    #[error("asking `ip` for the VM's networks")]
    Command(#[from] CommandError),
    /// It said something else.
    #[error("what `ip -json {question}` wrote is not what it writes")]
    Shape {
        /// What it was asked.
        question: &'static str,
        /// How it differs.
        source: serde_json::Error,
    },
}

/// The bridges of this VM.
///
/// # Errors
/// `ip` is not there, or fails.
pub fn bridges() -> Result<BTreeSet<String>, VmNetworksError> {
    let links: Vec<Link> = ask("link show type bridge")?;
    Ok(links.into_iter().map(|link| link.ifname).collect())
}

/// The addresses of each network interface of this VM.
///
/// # Errors
/// `ip` is not there, or fails.
pub fn interface_addresses() -> Result<BTreeMap<String, Vec<IpAddr>>, VmNetworksError> {
    let links: Vec<Link> = ask("address show")?;
    let addresses = |link: Link| {
        let addresses = link.addr_info.into_iter();
        let addresses = addresses.filter_map(|address| address.local).collect();
        (link.ifname, addresses)
    };
    Ok(links.into_iter().map(addresses).collect())
}

/// The bridge that dockerd makes for a network without a name for it.
#[must_use]
pub fn bridge_of(network_id: &str) -> String {
    format!("br-{}", network_id.get(..12).unwrap_or(network_id))
}

/// Whether a device is one that dockerd makes by itself and names itself.
#[must_use]
pub fn is_named_by_dockerd(device: &str) -> bool {
    let is_id = |id: &str| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(device, "docker0" | "docker_gwbridge") || device.strip_prefix("br-").is_some_and(is_id)
}

/// What the VM uses, addresses first, without what belongs to devices that are the engine's own. Default routes do not
/// count: everything overlaps them.
///
/// # Errors
/// `ip` is not there, or fails.
pub fn vm_networks(is_own: impl Fn(&str) -> bool) -> Result<Vec<VmNetwork>, VmNetworksError> {
    let links: Vec<Link> = ask("address show")?;
    let routes: Vec<Route> = ask("route show table all")?;
    let mut networks = Vec::new();
    let links = links.into_iter().filter(|link| !is_own(&link.ifname));
    networks.extend(links.flat_map(of_link));
    let routes = routes
        .iter()
        .filter(|route| !route.device().is_some_and(&is_own));
    for route in routes.filter_map(of_route) {
        // an address brings routes along
        let known = |known: &VmNetwork| known.cidr.network() == route.cidr;
        if !networks.iter().any(known) {
            networks.push(route);
        }
    }
    let resolvers = ResolvConf::of_vm(Path::new("/")).servers;
    let resolvers = resolvers
        .into_iter()
        .filter(|address| !address.is_loopback());
    networks.extend(resolvers.map(|address| VmNetwork {
        cidr: Cidr::host(address),
        what: "a resolver".to_owned(),
    }));
    Ok(networks)
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    local: Option<IpAddr>,
    prefixlen: Option<u8>,
}

#[derive(Deserialize)]
struct Route {
    #[serde(default)]
    dst: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    dev: Option<String>,
    gateway: Option<String>,
    table: Option<String>,
    #[serde(default)]
    nexthops: Vec<NextHop>,
}

#[derive(Deserialize)]
struct NextHop {
    dev: Option<String>,
    gateway: Option<String>,
}

impl Route {
    fn device(&self) -> Option<&str> {
        let of_hop = || self.nexthops.first()?.dev.as_deref();
        self.dev.as_deref().or_else(of_hop)
    }

    fn gateway(&self) -> Option<&str> {
        let of_hop = || self.nexthops.first()?.gateway.as_deref();
        self.gateway.as_deref().or_else(of_hop)
    }
}

fn ask<T: serde::de::DeserializeOwned>(question: &'static str) -> Result<T, VmNetworksError> {
    let output = Checked::new("ip", LIMIT)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .arg("-json")
        .args(question.split(' '))
        .run()?;
    // without any line to write, some versions write nothing at all
    let text = match output.stdout.trim_ascii() {
        [] => b"[]",
        text => text,
    };
    serde_json::from_slice(text).map_err(|source| VmNetworksError::Shape { question, source })
}

fn of_link(link: Link) -> impl Iterator<Item = VmNetwork> {
    let device = link.ifname;
    link.addr_info.into_iter().filter_map(move |address| {
        let cidr = Cidr::new(address.local?, address.prefixlen?)?;
        Some(VmNetwork {
            cidr,
            what: format!("an address on {device}"),
        })
    })
}

fn of_route(route: &Route) -> Option<VmNetwork> {
    let kind = route.kind.as_deref().unwrap_or("unicast");
    if matches!(kind, "broadcast" | "multicast" | "anycast" | "throw") {
        return None;
    }
    let cidr = route.dst.parse::<Cidr>().ok().or_else(|| {
        // `default` is no address, and passed over with that
        route.dst.parse().ok().map(Cidr::host)
    })?;
    if is_default(&cidr) {
        return None;
    }
    let mut what = match kind {
        "unicast" => "a route".to_owned(),
        other => format!("a route ({other})"),
    };
    for (word, value) in [("via", route.gateway()), ("on", route.device())] {
        if let Some(value) = value {
            what = format!("{what} {word} {value}");
        }
    }
    let table = route.table.as_deref().filter(|&table| table != "main");
    if let Some(table) = table {
        what = format!("{what} in table {table}");
    }
    Some(VmNetwork { cidr, what })
}

/// A default route, whole or in the two or eight parts in which VPNs write it, to win over the one that is there.
fn is_default(cidr: &Cidr) -> bool {
    cidr.bits() <= if cidr.address().is_ipv4() { 1 } else { 3 }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn route(route: Value) -> Option<String> {
        of_route(&serde_json::from_value(route).unwrap()).map(|network| network.to_string())
    }

    #[test]
    fn reads_routes_as_ip_writes_them() {
        for (value, expected) in [
            (
                json!({"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}),
                None,
            ),
            (json!({"dst": "0.0.0.0/1", "dev": "tun0"}), None),
            (
                json!({"dst": "2000::/3", "gateway": "fd00::1", "dev": "eth0"}),
                None,
            ),
            (
                json!({"type": "broadcast", "dst": "10.0.0.255", "dev": "eth0", "table": "local"}),
                None,
            ),
            (
                json!({"type": "multicast", "dst": "ff00::/8", "dev": "eth0", "table": "local"}),
                None,
            ),
            (
                json!({"dst": "10.0.0.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "flags": []}),
                Some("10.0.0.0/24, a route on eth0 of the VM"),
            ),
            (
                json!({"dst": "172.20.0.0/16", "gateway": "10.0.0.1", "dev": "eth0"}),
                Some("172.20.0.0/16, a route via 10.0.0.1 on eth0 of the VM"),
            ),
            (
                json!({"dst": "172.20.0.7", "dev": "eth0", "table": "100", "scope": "link"}),
                Some("172.20.0.7/32, a route on eth0 in table 100 of the VM"),
            ),
            (
                json!({"type": "blackhole", "dst": "10.9.0.0/16"}),
                Some("10.9.0.0/16, a route (blackhole) of the VM"),
            ),
            (
                json!({"dst": "10.8.0.0/16", "nexthops": [{"gateway": "10.0.0.1", "dev": "eth1", "weight": 1}]}),
                Some("10.8.0.0/16, a route via 10.0.0.1 on eth1 of the VM"),
            ),
            (
                json!({"dst": "fd00::/64", "dev": "eth0", "protocol": "kernel", "metric": 256}),
                Some("fd00::/64, a route on eth0 of the VM"),
            ),
        ] {
            assert_eq!(route(value).as_deref(), expected);
        }
    }

    #[test]
    fn knows_the_devices_that_dockerd_names() {
        for (device, expected) in [
            ("docker0", true),
            ("br-0123456789ab", true),
            ("br-0123456789a", false),
            ("br-lan", false),
            ("eth0", false),
        ] {
            assert_eq!(is_named_by_dockerd(device), expected, "{device}");
        }
        assert_eq!(bridge_of("0123456789abcdef"), "br-0123456789ab");
    }

    #[test]
    fn finds_the_loopback_network_of_this_machine() {
        let found = vm_networks(|_| false).unwrap();
        let loopback: Cidr = "127.0.0.0/8".parse().unwrap();
        let on_loopback = |network: &&VmNetwork| network.cidr.overlaps(&loopback);
        assert!(
            found.iter().any(|network| on_loopback(&network)),
            "{found:?}"
        );
        let others = vm_networks(|device| device == "lo").unwrap();
        assert!(
            !others.iter().any(|network| on_loopback(&network)),
            "{others:?}"
        );
    }
}
