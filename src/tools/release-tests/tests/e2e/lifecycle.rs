//! The life of a recipe under monit and BOSH: restart, reboot, stop, start, delete.

use std::time::Duration;

use release_tests::{Deployment, wait_until};
use serde_json::json;

use crate::{sleeper, sleepers};

const LIMIT: Duration = Duration::from_mins(1);

fn running(deployment: &Deployment) -> Vec<String> {
    // none while dockerd is away
    let mut names: Vec<String> = deployment
        .docker("ps --format '{{.Names}}'")
        .stdout
        .lines()
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn a_monit_restart_and_a_reboot_bring_the_recipe_back() {
    let deployment = Deployment::new("e2e-restart").recipe(sleepers(&["one", "two"]));
    deployment.deploy_ok();
    let before = running(&deployment);
    assert_eq!(before, ["running-one-1", "running-two-1"]);

    deployment.ssh("monit restart docker").ok();
    // monit answers at once and acts later
    wait_until("monit stops the processes", LIMIT, || {
        deployment.state(Some("compose")) != "running"
    });
    wait_until("monit starts them again", LIMIT, || {
        deployment.state(Some("compose")) == "running"
            && deployment.state(Some("docker")) == "running"
    });
    wait_until("the recipe is back after monit restart", LIMIT, || {
        running(&deployment) == before
    });

    for how in ["reboot", "reboot"] {
        deployment.solo(&[how, "docker/0"]).ok();
        wait_until("the recipe is back after a reboot", LIMIT, || {
            running(&deployment) == before
        });
        wait_until("BOSH sees it running", LIMIT, || {
            deployment.state(None) == "running"
        });
    }
}

#[test]
fn stop_and_start_keep_containers_and_both_kinds_of_volumes() {
    let volumes = json!({"volumes": ["named:/named", "/anonymous"]});
    let mut recipe = json!({"services": {"db": sleeper(volumes)}, "volumes": {"named": {}}});
    recipe["services"]["db"]["stop_grace_period"] = json!("5s");
    let deployment = Deployment::new("e2e-volumes")
        .recipe(recipe)
        .persistent_disk(512);
    deployment.deploy_ok();
    deployment
        .docker(
            "exec running-db-1 sh -c 'echo precious > /named/x; echo dear > /anonymous/x; sync'",
        )
        .ok();
    let intact = |when: &str| {
        let read = deployment
            .docker("exec running-db-1 cat /named/x /anonymous/x")
            .ok();
        assert_eq!(read, "precious\ndear", "{when}");
    };

    deployment.solo(&["stop"]).ok();
    assert_eq!(
        deployment
            .ssh("pidof dockerd containerd containerd-shim-runc-v2")
            .stdout,
        "",
        "left after stop"
    );
    deployment.solo(&["start"]).ok();
    wait_until("the container is back", LIMIT, || {
        running(&deployment) == ["running-db-1"]
    });
    intact("after stop and start");

    deployment.solo(&["restart"]).ok();
    wait_until("the container is back", LIMIT, || {
        running(&deployment) == ["running-db-1"]
    });
    intact("after a restart");

    deployment.solo(&["reboot", "docker/0"]).ok();
    wait_until("the container is back", LIMIT, || {
        running(&deployment) == ["running-db-1"]
    });
    intact("after a reboot");

    deployment.solo(&["recreate"]).ok();
    wait_until("the container is back", LIMIT, || {
        running(&deployment) == ["running-db-1"]
    });
    intact("after a recreate with a persistent disk");
}

#[test]
fn a_stop_ends_dependants_first() {
    let recipe = json!({"services": {
        "db": sleeper(json!({"stop_grace_period": "3s"})),
        "app": sleeper(json!({"depends_on": ["db"]})),
        "web": sleeper(json!({"depends_on": ["app"]})),
    }});
    let deployment = Deployment::new("e2e-order").recipe(recipe);
    deployment.deploy_ok();
    deployment.solo(&["stop"]).ok();
    deployment.solo(&["start"]).ok();
    wait_until("the services are back", LIMIT, || {
        running(&deployment).len() == 3
    });
    let log = deployment.read("/var/vcap/sys/log/docker/compose-runner.log");
    let position = |name: &str| {
        log.lines()
            .position(|line| {
                line.contains(&format!("running-{name}-1")) && line.contains("Stopping")
            })
            .unwrap_or_else(|| panic!("no stop of {name} in\n{log}"))
    };
    assert!(
        position("web") < position("app") && position("app") < position("db"),
        "{log}"
    );
}
