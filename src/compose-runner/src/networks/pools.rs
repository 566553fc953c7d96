//! Whether the address pools have a subnet for each network that the recipe makes. The engine finds that out in the middle
//! of `up`, when containers have gone already.

use bosh_job::ErrorReport;
use docker_engine::{ContainerSummary, Network};
use job_properties::AddressPool;
use vm_networks::{Cidr, VmNetwork};

use super::{RecipeNetwork, is_of, leftover::leftover};
use crate::{failure::error, model::Model};

/// What the engine says when it has no subnet left (moby, `ErrNoMoreSubnets`; older ones speak of an address pool).
const NO_MORE: [&str; 2] = [
    "address pools have been fully subnetted",
    "address pool among the defaults",
];

/// What is there already.
pub struct Surroundings<'a> {
    pub project: &'a str,
    /// The project that it was before, whose networks go first.
    pub earlier: Option<&'a str>,
    pub networks: &'a [Network],
    pub containers: &'a [ContainerSummary],
    pub vm: &'a [VmNetwork],
    /// The pools that dockerd was given; empty if it has its own.
    pub pools: &'a [AddressPool],
}

/// What to do when there are too few subnets.
pub fn hint() -> String {
    "give the engine more or smaller ones (property `default_address_pools`, such as [{base: 10.200.0.0/16, size: 24}] for 256 networks), or remove networks that nobody needs (`docker network prune`)".to_owned()
}

/// Whether that is what the engine says.
pub fn says_no_more_subnets(message: &str) -> bool {
    let message = message.to_lowercase();
    NO_MORE.iter().any(|words| message.contains(words))
}

/// The networks for which the engine has to find a subnet.
pub fn new_networks<'a>(
    model: &'a Model,
    project: &str,
    networks: &[Network],
) -> Vec<&'a RecipeNetwork> {
    let is_new = |network: &&RecipeNetwork| {
        network.is_bridge()
            && network.find(project, networks).is_none()
            && !network.subnets.iter().any(|subnet| is_v4(subnet))
    };
    model.networks.values().filter(is_new).collect()
}

/// The networks that the recipe makes, if the pools do not have a subnet for each.
pub fn check(model: &Model, there: &Surroundings<'_>) -> Option<ErrorReport> {
    let new = new_networks(model, there.project, there.networks);
    if new.is_empty() {
        return None;
    }
    let left = free(model, there, new.len());
    if left >= new.len() {
        return None;
    }
    let mut found = error(format!(
        "the recipe makes {} networks, and the engine's address pools have subnets for {left} more",
        new.len()
    ));
    let names: Vec<&str> = new.iter().map(|network| network.name.as_str()).collect();
    found.causes = vec![format!("new are {}", names.join(", "))];
    found.property = Some("recipe".to_owned());
    found.hint = Some(hint());
    Some(found)
}

/// How many subnets are free, counted up to a number.
fn free(model: &Model, there: &Surroundings<'_>, most: usize) -> usize {
    let left_over = leftover(model, there.project, there.networks, there.containers);
    let earlier = there.earlier.filter(|earlier| *earlier != there.project);
    let stays = |network: &&Network| {
        let is_left_over = left_over.iter().any(|gone| gone.id == network.id);
        !is_left_over && !earlier.is_some_and(|earlier| is_of(earlier, network))
    };
    let engine = there.networks.iter().filter(stays);
    let engine = engine.flat_map(|network| network.ipam.config.iter().map(|config| &config.subnet));
    let recipe = model.networks.values().flat_map(|network| &network.subnets);
    let named = engine
        .chain(recipe)
        .filter_map(|subnet| subnet.parse().ok());
    let used: Vec<Cidr> = named
        .chain(there.vm.iter().map(|network| network.cidr))
        .collect();
    let defaults = AddressPool::defaults();
    let pools = if there.pools.is_empty() {
        &defaults
    } else {
        there.pools
    };
    let subnets = pools.iter().flat_map(subnets);
    let is_free = |subnet: &Cidr| !used.iter().any(|used| used.overlaps(subnet));
    subnets.filter(is_free).take(most).count()
}

/// The subnets of an IPv4 pool.
fn subnets(pool: &AddressPool) -> impl Iterator<Item = Cidr> + use<> {
    let base = Some(pool.base).filter(|base| base.address().is_ipv4());
    let size = pool.size;
    base.into_iter().flat_map(move |base| base.subnets(size))
}

fn is_v4(subnet: &str) -> bool {
    subnet
        .parse::<Cidr>()
        .is_ok_and(|subnet| subnet.address().is_ipv4())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn model(new: usize, more: &serde_json::Value) -> Model {
        let mut networks: Map<String, serde_json::Value> = (0..new)
            .map(|number| (format!("n{number}"), json!({})))
            .collect();
        networks.extend(more.as_object().unwrap().clone());
        let output = json!({"services": {}, "networks": networks}).to_string();
        Model::parse(output.as_bytes()).unwrap()
    }

    fn what(model: &Model, networks: &[Network], pools: &[(&str, u8)]) -> Option<String> {
        let pools: Vec<AddressPool> = pools
            .iter()
            .map(|(base, size)| AddressPool {
                base: base.parse().unwrap(),
                size: *size,
            })
            .collect();
        let there = Surroundings {
            project: "running",
            earlier: Some("before"),
            networks,
            containers: &[],
            vm: &[],
            pools: &pools,
        };
        let found = check(model, &there)?;
        assert!(found.hint.unwrap().contains("default_address_pools"));
        Some(found.what)
    }

    fn there(name: &str, subnet: &str, project: &str) -> Network {
        let value = json!({"Name": name, "Id": name, "Driver": "bridge", "IPAM": {"Config": [{"Subnet": subnet}]},
            "Labels": {"com.docker.compose.project": project}});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn dockerd_s_own_pools_have_31_subnets_of_which_its_bridge_has_one() {
        let bridge = [there("bridge", "172.17.0.0/16", "")];
        assert_eq!(what(&model(30, &json!({})), &bridge, &[]), None);
        assert_eq!(
            what(&model(31, &json!({})), &bridge, &[]).unwrap(),
            "the recipe makes 31 networks, and the engine's address pools have subnets for 30 more"
        );
    }

    #[test]
    fn what_is_used_counts_and_what_is_left_over_or_there_already_does_not() {
        let pool = [("10.9.0.0/22", 24)];
        let networks = [
            there("theirs", "10.9.0.0/24", "theirs"),
            there("n0", "10.9.1.0/24", "running"),
            there("old", "10.9.2.0/24", "running"),
            there("before", "10.9.3.0/24", "before"),
        ];
        // n1 and n2 are new, and two are free
        assert_eq!(what(&model(3, &json!({})), &networks, &pool), None);
        assert!(what(&model(4, &json!({})), &networks, &pool).is_some());
        let own = json!({
            "own": {"ipam": {"config": [{"subnet": "10.9.3.0/24"}]}}, "out": {"external": true}, "lan": {"driver": "macvlan"},
        });
        assert!(what(&model(3, &own), &networks, &pool).is_some());
        assert_eq!(what(&model(2, &own), &networks, &pool), None);
    }

    #[test]
    fn odd_pools_are_no_trouble() {
        let size = |base: &str, size: u8| {
            let base = base.parse().unwrap();
            subnets(&AddressPool { base, size }).take(1000).count()
        };
        assert_eq!(size("10.0.0.0/8", 8), 1);
        assert_eq!(size("10.0.0.0/30", 32), 4);
        assert_eq!(size("10.0.0.0/8", 4), 0);
        assert_eq!(size("fd00::/48", 64), 0);
        assert_eq!(size("0.0.0.0/0", 32), 1000);
    }

    #[test]
    fn knows_the_engine_s_words_old_and_new() {
        for words in [
            "all predefined address pools have been fully subnetted",
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        ] {
            assert!(says_no_more_subnets(words), "{words}");
        }
        assert!(!says_no_more_subnets(
            "Pool overlaps with other one on this address space"
        ));
    }
}
