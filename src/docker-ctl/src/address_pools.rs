//! Addresses for container networks that the VM does not use itself.
//!
//! What the operator asks for is refused when it overlaps a network of the VM. Of dockerd's own pools those that overlap one
//! are left out: dockerd would see links alone, no routes through a gateway, and what it has on disk of an earlier VM not at all.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context;
use bosh_job::{Advise, Problem, Problems};
use job_properties::{AddressPool, Networks};
use tracing::info;
use vm_networks::Cidr;
use vm_networks::{VmNetwork, bridges, is_named_by_dockerd, vm_networks};

use crate::daemon_json::DaemonJson;

/// The settings with the addresses that `daemon.json` is to name; none leaves them to dockerd.
pub fn choose(wanted: Networks, last_good: Option<&DaemonJson>) -> anyhow::Result<Networks> {
    let mut networks = with_bip(wanted);
    // Under the addresses that it had before, a bridge whose name the recipe gave may be dockerd's, too.
    let unchanged = last_good.is_some_and(|old| old.has_addresses_of(&networks));
    let seen = (|| {
        let bridges = bridges()?;
        vm_networks(|device| is_named_by_dockerd(device) || unchanged && bridges.contains(device))
    })();
    let vm = seen
        .context("checking that container networks keep off the VM's own")
        .hint("it needs iproute2, which is on every stemcell")?;
    let problems = overlaps(&networks, &vm);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if networks.pools.is_empty() {
        networks.pools = free_defaults(&vm).map_err(Problems::from)?;
    }
    Ok(with_bip(networks))
}

/// With pools, the default bridge is in the first subnet of them, said outright: over a live-restore dockerd would let it
/// keep the addresses that it had (moby, `configureNetworking`).
fn with_bip(mut networks: Networks) -> Networks {
    let first = |pool: &AddressPool| match pool.base.address() {
        IpAddr::V4(base) => Cidr::new(
            IpAddr::V4(Ipv4Addr::from_bits(base.to_bits() + 1)),
            pool.size,
        ),
        IpAddr::V6(_) => None,
    };
    networks.bip = networks
        .bip
        .or_else(|| networks.pools.iter().find_map(first));
    networks
}

/// What the operator asks for and the VM has already.
fn overlaps(networks: &Networks, vm: &[VmNetwork]) -> Problems {
    let mut problems = Problems::default();
    let mut check = |property: String, wanted: Cidr| {
        if let Some(found) = vm.iter().find(|network| network.cidr.overlaps(&wanted)) {
            let what = format!("is {wanted}, which overlaps {found}");
            let hint = "choose a network that the VM does not use: `ip address` and `ip route show table all` on the VM list what it uses";
            problems.push(Problem::new(property, what).hint(hint));
        }
    };
    if let Some(bip) = networks.bip {
        check("bip".to_owned(), bip);
    }
    for (position, pool) in networks.pools.iter().enumerate() {
        check(format!("default_address_pools[{position}].base"), pool.base);
    }
    problems
}

/// dockerd's own pools, one by one, without those that overlap a network of the VM; empty if none does.
fn free_defaults(vm: &[VmNetwork]) -> Result<Vec<AddressPool>, Problem> {
    let overlap = |pool: &AddressPool| vm.iter().find(|network| network.cidr.overlaps(&pool.base));
    let defaults = AddressPool::defaults();
    let Some(first) = defaults.iter().find_map(overlap) else {
        return Ok(Vec::new());
    };
    let free: Vec<AddressPool> = defaults
        .into_iter()
        .filter(|pool| overlap(pool).is_none())
        .collect();
    if free.is_empty() {
        let what = format!(
            "is not set, and all of dockerd's own pools overlap networks of the VM, such as {first}"
        );
        let hint =
            "set it to addresses that nobody uses, such as [{base: 10.200.0.0/16, size: 24}]";
        return Err(Problem::new("default_address_pools", what).hint(hint));
    }
    info!(
        pools = free.len(),
        "some of dockerd's own address pools overlap networks of the VM, and are left out; the first is {first}"
    );
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_all_of_dockerd_s_addresses() {
        let defaults = AddressPool::defaults();
        assert_eq!(defaults.len(), 15 + 16);
        assert!(defaults.iter().all(|pool| pool.base.is_network()));
        assert_eq!(defaults[30].base.to_string(), "192.168.240.0/20");
    }
}
