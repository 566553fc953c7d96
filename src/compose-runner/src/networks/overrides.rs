//! What the runner adds to the recipe's networks, in its override file. What the recipe says itself stands.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{
    MTU, MTU_LABEL,
    gateways::{Gateways, confined},
    in_force::InForce,
};
use crate::model::Model;

/// Resolvers that a container uses at most.
const MOST_SERVERS: usize = 3;

/// Adds the MTU of networks, and the resolver of services that can reach nobody else's.
pub fn add_to(document: &mut Value, model: &Model, in_force: &InForce, gateways: &Gateways) {
    if let Some(mtu) = &in_force.mtu {
        let networks = model.networks.iter();
        for (key, _) in networks
            .filter(|(_, network)| network.is_bridge() && !network.options.contains_key(MTU))
        {
            document["networks"][key] =
                json!({"driver_opts": {MTU: mtu}, "labels": {MTU_LABEL: mtu}});
        }
    }
    for (service, networks) in confined(model) {
        let servers: Vec<&IpAddr> = networks
            .iter()
            .filter_map(|network| gateways.get(&network.name))
            .take(MOST_SERVERS)
            .collect();
        if !servers.is_empty() {
            document["services"][service]["dns"] = json!(servers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_what_the_recipe_does_not_say_itself() {
        let internal = json!({"name": "running_in", "internal": true});
        let output = json!({
            "services": {
                "db": {"networks": {"in": null}}, "own": {"networks": {"in": null}, "dns": ["10.0.0.1"]},
                "both": {"networks": {"in": null, "default": null}}, "host": {"network_mode": "host"},
                "later": {"networks": {"new": null}},
            },
            "networks": {"in": internal, "default": {}, "new": {"internal": true}, "lan": {"driver": "macvlan"},
                "big": {"driver_opts": {MTU: "9000"}}, "theirs": {"external": true}},
        });
        let model = Model::parse(output.to_string().as_bytes()).unwrap();
        let mut document = json!({"services": {"db": {"image": "x"}}});
        let gateways = Gateways::from([("running_in".to_owned(), "172.18.0.1".parse().unwrap())]);
        add_to(&mut document, &model, &InForce::default(), &Gateways::new());
        assert_eq!(document, json!({"services": {"db": {"image": "x"}}}));
        let in_force = InForce {
            mtu: Some("1400".into()),
            ..InForce::default()
        };
        add_to(&mut document, &model, &in_force, &gateways);
        let mtu = json!({"driver_opts": {MTU: "1400"}, "labels": {MTU_LABEL: "1400"}});
        assert_eq!(
            document,
            json!({
                "services": {"db": {"image": "x", "dns": ["172.18.0.1"]}},
                "networks": {"in": mtu, "default": mtu, "new": mtu},
            })
        );
    }
}
