//! The network of a deployment: a bridge of this machine, a link to each instance, and a way out if asked for.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command;
use crate::error::{Error, Result};
use crate::firewall;
use crate::links::{ip, link_exists, remove_link};
use crate::plan;
use crate::routes;
use crate::spec::NetworkSpec;
use crate::subnet::{self, Subnet};

/// The private network of a deployment: a bridge of this machine.
#[derive(Debug, Clone)]
pub struct Network {
    file: PathBuf,
    /// Marks what belongs to the deployment: links' aliases and firewall rules' comments.
    tag: String,
    record: Record,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    bridge: String,
    subnet: Subnet,
    nat: bool,
    /// `group/index` to address.
    addresses: BTreeMap<String, Ipv4Addr>,
}

impl Network {
    /// The subnet.
    #[must_use]
    pub const fn subnet(&self) -> Subnet {
        self.record.subnet
    }

    /// This machine's address in it.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.record.subnet.gateway()
    }

    /// The bridge's name.
    #[must_use]
    pub fn bridge(&self) -> &str {
        &self.record.bridge
    }

    /// Whether instances have a way out to the internet.
    #[must_use]
    pub const fn nat(&self) -> bool {
        self.record.nat
    }

    /// The network that a deployment has already.
    pub(crate) fn load(deployment_directory: &Path, tag: &str) -> Result<Option<Self>> {
        let file = deployment_directory.join("network.json");
        Ok(plan::load_if_there(&file)?.map(|record| Self {
            file,
            tag: tag.to_owned(),
            record,
        }))
    }

    /// The deployment's network with what `spec` asks for. `others` are the subnets of other deployments, which may
    /// be down now.
    pub(crate) fn ensure(
        deployment_directory: &Path,
        tag: &str,
        bridge: &str,
        spec: NetworkSpec,
        others: &[Subnet],
    ) -> Result<Self> {
        let mut network = match Self::load(deployment_directory, tag)? {
            Some(network) => network,
            None => Self {
                file: deployment_directory.join("network.json"),
                tag: tag.to_owned(),
                record: Record {
                    bridge: bridge.to_owned(),
                    subnet: routes::choose_subnet(spec.subnet, others, bridge)?,
                    nat: spec.nat,
                    addresses: BTreeMap::new(),
                },
            },
        };
        if let Some(wanted) = spec
            .subnet
            .filter(|wanted| *wanted != network.record.subnet)
        {
            network.move_to(routes::choose_subnet(Some(wanted), others, bridge)?)?;
        }
        network.record.nat = spec.nat;
        plan::save(&network.file, &network.record)?;
        network.bring_up()?;
        Ok(network)
    }

    /// Another subnet: only while no instance has an address.
    fn move_to(&mut self, subnet: Subnet) -> Result<()> {
        if let Some((instance, address)) = self
            .record
            .addresses
            .iter()
            .find(|(_, a)| !subnet.contains(**a))
        {
            return Err(Error::SubnetTaken {
                subnet: subnet.to_string(),
                by: format!(
                    "nothing, but instance {instance} has {address} of {} already",
                    self.record.subnet
                ),
            });
        }
        self.remove_bridge()?;
        self.record.subnet = subnet;
        Ok(())
    }

    /// Makes the bridge, if it is not there (this machine may have been rebooted), and the firewall rules.
    pub(crate) fn bring_up(&self) -> Result<()> {
        let bridge = self.bridge();
        if !link_exists(bridge) {
            ip(["link", "add", bridge, "type", "bridge"])?;
            ip(["link", "set", bridge, "alias", &alias(&self.tag)])?;
            ip(["link", "set", bridge, "addrgenmode", "none"])?;
        }
        ip([
            "addr",
            "replace",
            &format!("{}/{}", self.gateway(), self.subnet().prefix()),
            "dev",
            bridge,
        ])?;
        ip(["link", "set", bridge, "up"])?;
        firewall::set(&self.tag, bridge, self.subnet(), self.nat())
    }

    /// Gives an instance its address; the one it has already if that is what is wanted.
    pub(crate) fn allocate(
        &mut self,
        instance: &str,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr> {
        let address = self.pick(instance, wanted)?;
        self.record.addresses.insert(instance.to_owned(), address);
        plan::save(&self.file, &self.record)?;
        Ok(address)
    }

    fn pick(&self, instance: &str, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr> {
        let subnet = self.subnet();
        let owner = |address: Ipv4Addr| {
            self.record
                .addresses
                .iter()
                .find(|(i, a)| **a == address && *i != instance)
        };
        match (wanted, self.record.addresses.get(instance)) {
            (None, Some(address)) => Ok(*address),
            (None, None) => subnet::first_free_address(subnet, |address| owner(address).is_some())
                .ok_or(Error::Address {
                    address: subnet.gateway(),
                    why: format!("every address of {subnet} is in use"),
                }),
            (Some(address), _) => {
                let why = if !subnet.contains(address) {
                    format!("it is outside the deployment's subnet {subnet}")
                } else if !subnet.hosts().any(|host| host == address) {
                    format!(
                        "it is the network's, this machine's or the broadcast address of {subnet}"
                    )
                } else if let Some((other, _)) = owner(address) {
                    format!("instance {other} has it")
                } else {
                    return Ok(address);
                };
                Err(Error::Address { address, why })
            }
        }
    }

    /// Takes an instance's address back.
    pub(crate) fn release(&mut self, instance: &str) -> Result<()> {
        if self.record.addresses.remove(instance).is_some() {
            plan::save(&self.file, &self.record)?;
        }
        Ok(())
    }

    /// Connects the network namespace of process `pid`: its `eth0` gets the address.
    pub(crate) fn connect(&self, link: &str, pid: i32, address: Ipv4Addr) -> Result<()> {
        let pid = pid.to_string();
        ip([
            "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", &pid,
        ])?;
        ip(["link", "set", link, "alias", &alias(&self.tag)])?;
        ip(["link", "set", link, "addrgenmode", "none"])?;
        ip(["link", "set", link, "master", self.bridge(), "up"])?;
        let inside = |args: &[&str]| {
            let namespace = ["--target", &pid, "--net", "ip"];
            command::run("nsenter", namespace.iter().chain(args)).map(drop)
        };
        inside(&["link", "set", "eth0", "addrgenmode", "none"])?;
        inside(&[
            "addr",
            "add",
            &format!("{address}/{}", self.subnet().prefix()),
            "dev",
            "eth0",
        ])?;
        inside(&["link", "set", "eth0", "up"])?;
        if self.nat() {
            inside(&[
                "route",
                "add",
                "default",
                "via",
                &self.gateway().to_string(),
            ])?;
        }
        Ok(())
    }

    /// What instances have in `/etc/resolv.conf`. Without a way out nobody answers at this machine's address, at
    /// once; no nameserver at all would make dockerd fall back on a public one.
    pub(crate) fn nameservers(&self) -> Vec<String> {
        let own = || vec![self.gateway().to_string()];
        if !self.nat() {
            return own();
        }
        ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"]
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok())
            .map(|text| usable_nameservers(&text))
            .find(|found| !found.is_empty())
            .unwrap_or_else(own)
    }

    /// Removes the bridge and the firewall rules.
    pub(crate) fn remove(&self) -> Result<()> {
        firewall::unset(&self.tag)?;
        self.remove_bridge()
    }

    fn remove_bridge(&self) -> Result<()> {
        remove_link(self.bridge())
    }
}

fn usable_nameservers(resolv_conf: &str) -> Vec<String> {
    resolv_conf
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("nameserver")?
                .split_whitespace()
                .next()
        })
        .filter(|address| address.parse::<Ipv4Addr>().is_ok_and(|a| !a.is_loopback()))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn alias(tag: &str) -> String {
    format!("bosh-solo:{tag}")
}

#[cfg(test)]
mod tests;
