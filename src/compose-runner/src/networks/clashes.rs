//! Subnets that the recipe names and that somebody else has. The engine looks only at its own networks, and at those not
//! before the old containers are gone; that the VM has one it does not see at all.

use bosh_job::ErrorReport;
use docker_engine::Network;
use vm_networks::{Cidr, VmNetwork};

use super::is_of;
use crate::{failure::error, model::Model};

/// What is wrong with the subnets. Networks of `projects` may have them: they are this recipe's, or make room for it.
pub fn check(
    model: &Model,
    networks: &[Network],
    projects: &[&str],
    vm: &[VmNetwork],
) -> Vec<ErrorReport> {
    let mut errors = Vec::new();
    let mut mine: Vec<(&str, Cidr)> = Vec::new();
    for (key, network) in &model.networks {
        if !network.is_bridge() {
            continue;
        }
        for subnet in &network.subnets {
            // what is none is for the engine to refuse
            let Ok(subnet) = subnet.parse::<Cidr>() else {
                continue;
            };
            let clash = mine
                .iter()
                .find(|(_, other)| other.overlaps(&subnet))
                .map(|(other, cidr)| format!("{cidr}, the subnet of network {other}"))
                .or_else(|| vm_clash(&subnet, vm))
                .or_else(|| engine_clash(&subnet, networks, projects));
            if let Some(clash) = clash {
                let mut found = error(format!(
                    "network {key} of the recipe has subnet {subnet}, which overlaps {clash}"
                ));
                found.property = Some("recipe".to_owned());
                found.hint = Some(
                    "give the network another subnet, or leave `ipam` out: dockerd then takes a free one from its pools (property `default_address_pools`)"
                        .to_owned(),
                );
                errors.push(found);
            }
            mine.push((key, subnet));
        }
    }
    errors
}

fn vm_clash(subnet: &Cidr, vm: &[VmNetwork]) -> Option<String> {
    let found = vm.iter().find(|network| network.cidr.overlaps(subnet))?;
    Some(found.to_string())
}

fn engine_clash(subnet: &Cidr, networks: &[Network], projects: &[&str]) -> Option<String> {
    let others = networks
        .iter()
        .filter(|network| !projects.iter().any(|project| is_of(project, network)));
    others
        .flat_map(|network| {
            network
                .ipam
                .config
                .iter()
                .map(move |config| (network, config))
        })
        .filter_map(|(network, config)| Some((network, config.subnet.parse::<Cidr>().ok()?)))
        .find(|(_, other)| other.overlaps(subnet))
        .map(|(network, other)| format!("{other}, the subnet of docker network {}", network.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(networks: &serde_json::Value) -> Vec<String> {
        let output = json!({"services": {}, "networks": networks}).to_string();
        let model = Model::parse(output.as_bytes()).unwrap();
        let engine: Vec<Network> = serde_json::from_value(json!([
            {"Name": "theirs", "Id": "1", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "10.7.0.0/16"}]}},
            {"Name": "running_a", "Id": "2", "Driver": "bridge", "Labels": {"com.docker.compose.project": "running"},
             "IPAM": {"Config": [{"Subnet": "10.8.0.0/16"}]}},
        ]))
        .unwrap();
        check(&model, &engine, &["running"], &[])
            .into_iter()
            .map(|error| error.what)
            .collect()
    }

    fn with(subnet: &str) -> serde_json::Value {
        json!({"ipam": {"config": [{"subnet": subnet}]}})
    }

    #[test]
    fn names_both_networks() {
        assert_eq!(
            words(&json!({"a": with("10.7.9.0/24")})),
            [
                "network a of the recipe has subnet 10.7.9.0/24, which overlaps 10.7.0.0/16, the subnet of docker network theirs"
            ]
        );
        assert_eq!(
            words(&json!({"a": with("10.9.0.0/16"), "b": with("10.9.3.0/24")})),
            [
                "network b of the recipe has subnet 10.9.3.0/24, which overlaps 10.9.0.0/16, the subnet of network a"
            ]
        );
    }

    #[test]
    fn leaves_the_project_s_own_other_drivers_and_nonsense_alone() {
        for networks in [
            json!({"a": with("10.8.0.0/16")}),
            json!({"a": {"external": true, "ipam": {"config": [{"subnet": "10.7.0.0/16"}]}}}),
            json!({"a": {"driver": "macvlan", "ipam": {"config": [{"subnet": "10.7.0.0/16"}]}}}),
            json!({"a": with("x"), "b": with(""), "c": null}),
        ] {
            assert_eq!(words(&networks), Vec::<String>::new(), "{networks}");
        }
    }
}
