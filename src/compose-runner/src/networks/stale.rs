//! Networks that no longer fit what the recipe and the properties ask for. dockerd cannot change a network, and Compose
//! before 2.32 does not recreate one; so the runner does, with the services in it and no others.

use std::collections::BTreeSet;

use docker_engine::{ContainerSummary, Network, Status};
use vm_networks::Cidr;

use super::{MTU, MTU_LABEL, RecipeNetwork, in_force::InForce, is_of};
use crate::{
    compose::{ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL},
    model::Model,
};

/// What must be recreated.
#[derive(Debug, Default)]
pub struct Stale<'a> {
    /// Networks to remove, each with the reason.
    pub networks: Vec<(&'a Network, &'static str)>,
    /// The project's services with containers in one of these, or in one that somebody has removed.
    pub services: BTreeSet<&'a str>,
    /// Containers of others that run in one of these.
    pub strangers: Vec<(&'a str, &'a str)>,
}

impl<'a> Stale<'a> {
    /// Compares what is there with what is wanted.
    pub fn find(
        model: &Model,
        in_force: &InForce,
        project: &str,
        networks: &'a [Network],
        containers: &'a [ContainerSummary],
    ) -> Self {
        let wanted = model
            .networks
            .values()
            .filter(|network| network.is_bridge());
        let mut stale: Vec<(&Network, &'static str)> = wanted
            .filter_map(|wanted| {
                let there = wanted.find(project, networks)?;
                Some((there, difference(wanted, there, in_force)?))
            })
            .collect();
        stale.extend(in_the_way(model, project, networks));
        let mut found = Self {
            networks: stale,
            ..Self::default()
        };
        // the engine's own `bridge` has another ID at each of its starts
        let is_recipe_s = |name: &str| model.networks.values().any(|wanted| wanted.name == name);
        let is_gone = |name: &str, id: &str| {
            !id.is_empty() && is_recipe_s(name) && !networks.iter().any(|network| network.id == id)
        };
        for container in containers {
            found.sort_in(container, project, is_gone);
        }
        found
    }

    fn sort_in(
        &mut self,
        container: &'a ContainerSummary,
        project: &str,
        is_gone: impl Fn(&str, &str) -> bool,
    ) {
        let label = |name: &str| container.labels.get(name).map(String::as_str);
        // `docker compose run` is not the recipe's, and no stop of a service ends it
        let ours = label(PROJECT_LABEL) == Some(project) && label(ONE_OFF_LABEL) != Some("True");
        for (name, place) in &container.network_settings.networks {
            let id = place.network_id.as_str();
            let goes = self.networks.iter().find(|(network, _)| network.id == id);
            let is_gone = is_gone(name, id);
            match (ours, label(SERVICE_LABEL)) {
                (true, Some(service)) if goes.is_some() || is_gone => {
                    self.services.insert(service);
                }
                _ => {
                    if let Some((network, _)) = goes
                        && matches!(
                            container.state,
                            Status::Running | Status::Paused | Status::Restarting
                        )
                    {
                        self.strangers.push((container.name(), &network.name));
                    }
                }
            }
        }
    }
}

/// How a network differs from what is wanted, as far as it matters; nothing that Compose or the engine filled in counts.
fn difference(wanted: &RecipeNetwork, there: &Network, in_force: &InForce) -> Option<&'static str> {
    let mtu = there.options.get(MTU);
    let mtu_differs = match (wanted.options.get(MTU), &in_force.mtu) {
        (Some(own), _) => mtu != Some(own),
        (None, Some(property)) => mtu != Some(property),
        // one that the engine gives to all networks stays
        (None, None) => there.labels.contains_key(MTU_LABEL),
    };
    if mtu_differs {
        return Some("its MTU");
    }
    if wanted.internal != there.internal {
        return Some("whether it is internal");
    }
    let cidrs = |subnets: &mut dyn Iterator<Item = &String>| -> Vec<Cidr> {
        subnets
            .filter_map(|subnet| subnet.parse().ok())
            .map(|subnet: Cidr| subnet.network())
            .collect()
    };
    let there = cidrs(&mut there.ipam.config.iter().map(|config| &config.subnet));
    let wanted = cidrs(&mut wanted.subnets.iter());
    if !wanted.iter().all(|subnet| there.contains(subnet)) {
        return Some("its subnet");
    }
    let is_outside = |subnet: &Cidr| {
        let of_family = |pool: &&Cidr| pool.address().is_ipv4() == subnet.address().is_ipv4();
        let mut pools = in_force.pools.iter().filter(of_family).peekable();
        pools.peek().is_some() && !pools.any(|pool| pool.contains(subnet))
    };
    if wanted.is_empty() && there.iter().any(is_outside) {
        return Some("the address pools");
    }
    None
}

/// Networks of the project that the recipe no longer has, and that have a subnet which it names for another.
fn in_the_way<'a>(
    model: &Model,
    project: &str,
    networks: &'a [Network],
) -> Vec<(&'a Network, &'static str)> {
    let wanted: Vec<Cidr> = model
        .networks
        .values()
        .filter(|network| network.is_bridge())
        .flat_map(|network| {
            network
                .subnets
                .iter()
                .filter_map(|subnet| subnet.parse().ok())
        })
        .collect();
    let is_left = |network: &&Network| {
        is_of(project, network)
            && !model
                .networks
                .values()
                .any(|wanted| wanted.name == network.name)
    };
    let has_it = |network: &&Network| {
        let mut subnets = network
            .ipam
            .config
            .iter()
            .filter_map(|config| config.subnet.parse::<Cidr>().ok());
        subnets.any(|subnet| wanted.iter().any(|wanted| wanted.overlaps(&subnet)))
    };
    networks
        .iter()
        .filter(is_left)
        .filter(has_it)
        .map(|network| (network, "the recipe, which gives its subnet to another"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn networks() -> Vec<Network> {
        let labels = json!({PROJECT_LABEL: "running"});
        serde_json::from_value(json!([
            {"Name": "running_default", "Id": "1", "Driver": "bridge", "Labels": labels,
             "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}},
            {"Name": "running_old", "Id": "2", "Driver": "bridge", "Labels": labels,
             "IPAM": {"Config": [{"Subnet": "10.5.0.0/16"}]}},
            {"Name": "theirs", "Id": "3", "Driver": "bridge"},
        ]))
        .unwrap()
    }

    fn containers() -> Vec<ContainerSummary> {
        let container = |name: &str, project: &str, network: &str, state: &str| {
            let key = if name == "default-bridge" {
                "bridge"
            } else {
                "running_default"
            };
            json!({"Id": name, "Names": [format!("/{name}")], "State": state,
                "Labels": {PROJECT_LABEL: project, SERVICE_LABEL: name},
                "NetworkSettings": {"Networks": {key: {"NetworkID": network}}}})
        };
        serde_json::from_value(json!([
            container("web", "running", "1", "running"),
            container("db", "running", "1", "exited"),
            container("lost", "running", "9", "exited"),
            container("default-bridge", "running", "9", "exited"),
            container("new", "running", "", "created"),
            container("debug", "x", "1", "running"),
            container("old-debug", "x", "1", "exited"),
        ]))
        .unwrap()
    }

    /// What is stale and why, the services, the strangers.
    fn find(wanted: &Value, in_force: &InForce) -> (Vec<String>, Vec<String>, Vec<String>) {
        let output = json!({"services": {}, "networks": wanted}).to_string();
        let model = Model::parse(output.as_bytes()).unwrap();
        let (networks, containers) = (networks(), containers());
        let stale = Stale::find(&model, in_force, "running", &networks, &containers);
        (
            stale
                .networks
                .iter()
                .map(|(network, why)| format!("{}: {why}", network.name))
                .collect(),
            stale.services.iter().map(ToString::to_string).collect(),
            stale
                .strangers
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        )
    }

    fn default(more: &Value) -> Value {
        let mut network = json!({"name": "running_default"});
        for (key, value) in more.as_object().unwrap() {
            network[key] = value.clone();
        }
        json!({"default": network})
    }

    #[test]
    fn a_network_that_fits_stays_and_a_container_whose_network_is_gone_is_made_anew() {
        let (stale, services, strangers) = find(&default(&json!({})), &InForce::default());
        assert_eq!((stale.len(), strangers.len()), (0, 0));
        assert_eq!(services, ["lost"]);
    }

    #[test]
    fn each_difference_is_named_with_those_whom_it_concerns() {
        let mtu = InForce {
            mtu: Some("1400".into()),
            ..InForce::default()
        };
        let pools = InForce {
            pools: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/48".parse().unwrap()],
            ..InForce::default()
        };
        let none = InForce::default();
        let own = default(&json!({"driver_opts": {MTU: "9000"}}));
        let subnet = |subnet: &str| json!({"ipam": {"config": [{"subnet": subnet}]}});
        for (wanted, in_force, why) in [
            (default(&json!({})), &mtu, "its MTU"),
            (own, &mtu, "its MTU"),
            (default(&json!({})), &pools, "the address pools"),
            (
                default(&json!({"internal": true})),
                &none,
                "whether it is internal",
            ),
            (default(&subnet("10.6.0.0/16")), &none, "its subnet"),
        ] {
            let (stale, services, strangers) = find(&wanted, in_force);
            assert_eq!(stale, [format!("running_default: {why}")]);
            assert_eq!(services, ["db", "lost", "web"]);
            assert_eq!(strangers, ["debug"]);
        }
        let mut moved = default(&subnet("172.18.0.0/16"));
        moved["new"] = subnet("10.5.0.0/24");
        let (stale, ..) = find(&moved, &pools);
        assert_eq!(
            stale,
            ["running_old: the recipe, which gives its subnet to another"]
        );
    }
}
