//! Networks that an earlier or failed recipe left behind. Compose forgets them, and each keeps a subnet.

use bosh_job::ErrorReport;
use docker_engine::{ContainerSummary, Engine, Filters, Network};

use super::is_of;
use crate::{
    failure::{Outcome, error},
    model::Model,
};

/// The project's networks that the recipe does not have and no container uses, whether it runs or not.
pub fn leftover<'a>(
    model: &Model,
    project: &str,
    networks: &'a [Network],
    containers: &[ContainerSummary],
) -> Vec<&'a Network> {
    let is_wanted = |network: &Network| {
        let mut wanted = model.networks.values();
        wanted.any(|wanted| wanted.name == network.name)
    };
    let is_used = |network: &Network| {
        let mut places = containers
            .iter()
            .flat_map(|container| &container.network_settings.networks);
        // a container that was never started has no ID of its network
        places.any(|(name, place)| *name == network.name || place.network_id == network.id)
    };
    networks
        .iter()
        .filter(|network| is_of(project, network) && !is_wanted(network) && !is_used(network))
        .collect()
}

/// Removes these networks. One that stays is a warning.
pub fn remove_leftover(model: &Model, project: &str, engine: &Engine) -> Outcome<Vec<ErrorReport>> {
    let networks = engine.networks(&Filters::default())?;
    let containers = engine.containers(&Filters::all())?;
    let mut warnings = Vec::new();
    for network in leftover(model, project, &networks, &containers) {
        let name = &network.name;
        match engine.remove_network(&network.id) {
            Ok(()) => tracing::info!(
                network = name,
                "the recipe no longer has this network, and nothing uses it: removed"
            ),
            Err(failure) => {
                let mut found = error(format!(
                    "network {name}, which the recipe no longer has, cannot be removed"
                ));
                found.causes = vec![failure.to_string()];
                found.hint = Some(format!(
                    "`docker network inspect {name}` says what uses it; remove it by hand (`docker network rm {name}`)"
                ));
                warnings.push(found);
            }
        }
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_project_s_own_that_nothing_uses_and_the_recipe_lacks_are_left_over() {
        let network = |name: &str, project: &str| json!({"Name": name, "Id": format!("id-{name}"), "Labels": {"com.docker.compose.project": project}});
        let networks: Vec<Network> = serde_json::from_value(json!([
            network("running_wanted", "running"),
            network("running_old", "running"),
            network("running_exited", "running"),
            network("running_created", "running"),
            network("theirs", "theirs"),
            {"Name": "bridge", "Id": "b"},
        ]))
        .unwrap();
        let place = |name: &str, id: &str| json!({"Id": name, "State": "exited", "NetworkSettings": {"Networks": {name: {"NetworkID": id}}}});
        let containers: Vec<ContainerSummary> = serde_json::from_value(json!([
            place("other-name", "id-running_exited"),
            place("running_created", ""),
        ]))
        .unwrap();
        let model =
            Model::parse(br#"{"services":{},"networks":{"wanted":{"name":"running_wanted"}}}"#)
                .unwrap();
        let found = leftover(&model, "running", &networks, &containers);
        let names: Vec<&str> = found.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(names, ["running_old"]);
    }
}
