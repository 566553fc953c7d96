//! A group's networks: any name goes, since there is no cloud config that could know it.

use super::manifest::NetworkSpec;
use anyhow::{Context, Result, bail};
use std::net::Ipv4Addr;

/// A network of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Its name.
    pub name: String,
    /// Addresses of the instances in turn; empty for addresses of bosh-solo's choice.
    pub static_ips: Vec<Ipv4Addr>,
    /// `dns`, `gateway`: what this network is the default of.
    pub defaults: Vec<String>,
}

/// Checks the networks of a group; without any, there is one called `default`.
pub fn plan(specs: &[NetworkSpec], instances: usize) -> Result<Vec<NetworkPlan>> {
    let mut networks: Vec<NetworkPlan> = Vec::new();
    for spec in specs {
        let static_ips = parse_addresses(spec.static_ips.as_deref().unwrap_or_default())
            .with_context(|| format!("`static_ips` of network `{}`", spec.name))?;
        if !static_ips.is_empty() && static_ips.len() != instances {
            bail!(
                "{instances} instances, but {} static addresses in network `{}`",
                static_ips.len(),
                spec.name
            );
        }
        if networks.iter().any(|other| other.name == spec.name) {
            bail!("network `{}` is listed twice", spec.name);
        }
        networks.push(NetworkPlan {
            name: spec.name.clone(),
            static_ips,
            defaults: spec.default.clone().unwrap_or_default(),
        });
    }
    if networks.is_empty() {
        networks.push(NetworkPlan {
            name: "default".to_owned(),
            static_ips: Vec::new(),
            defaults: Vec::new(),
        });
    }
    if networks.len() == 1 {
        networks[0].defaults = vec!["dns".to_owned(), "gateway".to_owned()];
    }
    if networks
        .iter()
        .filter(|network| !network.static_ips.is_empty())
        .count()
        > 1
    {
        bail!(
            "static addresses in more than one network: an instance of bosh-solo has one address"
        );
    }
    Ok(networks)
}

fn parse_addresses(texts: &[String]) -> Result<Vec<Ipv4Addr>> {
    let mut addresses = Vec::new();
    for text in texts {
        let parse = |part: &str| -> Result<u32> {
            let address: Ipv4Addr = part.trim().parse().with_context(|| {
                format!("`{text}` is neither an IPv4 address nor a range of two")
            })?;
            Ok(u32::from(address))
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (parse(first)?, parse(last)?),
            None => (parse(text)?, parse(text)?),
        };
        if first > last || last - first > 255 {
            bail!("range `{text}` runs backwards or is longer than 256 addresses");
        }
        addresses.extend((first..=last).map(Ipv4Addr::from));
    }
    Ok(addresses)
}
