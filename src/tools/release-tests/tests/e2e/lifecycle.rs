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

/// An image whose second layer hides a directory and a file of the first: overlayfs notes that in an extended attribute
/// and a device node, which a copy of the disk has to carry along.
const IMAGE_WITH_WHITEOUTS: &str = r"
set -e
. /var/vcap/jobs/docker/envrc
docker run --name first fixture/busybox:1 sh -c 'mkdir /dir /kept; echo old >/dir/old; echo old >/kept/old; echo old >/kept/gone'
docker commit first layered:1
docker run --name second layered:1 sh -c 'rm -r /dir /kept/gone; mkdir /dir; echo new >/dir/new'
docker commit second layered:2
docker rm first second
docker run -d --name operators --restart always --init -v named-by-an-operator:/data layered:2 sleep 1000000
docker exec operators sh -c 'echo own >/data/x; rm /kept/old'
";

#[test]
fn data_survives_all_that_operators_do_and_the_disk_unmounts() {
    let recipe = |version: &str| {
        let settings = json!({
            "volumes": ["named:/named", "/anonymous"], "stop_grace_period": "5s", "environment": {"VERSION": version},
        });
        json!({"services": {"db": sleeper(settings)}, "volumes": {"named": {}}})
    };
    let deployment = Deployment::new("e2e-volumes")
        .recipe(recipe("1"))
        .persistent_disk(512);
    deployment.deploy_ok();
    deployment
        .docker(
            "exec running-db-1 sh -c 'echo precious > /named/x; echo dear > /anonymous/x; sync'",
        )
        .ok();
    let intact = |deployment: &Deployment, when: &str| {
        wait_until(&format!("the container is back {when}"), LIMIT, || {
            running(deployment).contains(&"running-db-1".to_owned())
        });
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
    intact(&deployment, "after stop and start");
    deployment.solo(&["restart"]).ok();
    intact(&deployment, "after a restart");
    deployment.solo(&["reboot", "docker/0"]).ok();
    intact(&deployment, "after a reboot");

    // bosh-solo fails a recreate whose disk does not unmount, as a Director does
    deployment.ssh(IMAGE_WITH_WHITEOUTS).ok();
    deployment
        .ssh("monit unmonitor docker; sleep 1; kill -9 $(pidof dockerd)")
        .ok();
    deployment.solo(&["recreate"]).ok();
    intact(&deployment, "after a recreate with dockerd dead");

    // another disk, and a container that changes with it
    let mut deployment = deployment.persistent_disk(640);
    deployment.set("recipe", recipe("2"));
    deployment.deploy_ok();
    intact(&deployment, "after a change of the disk");
    assert_eq!(
        deployment
            .docker("exec running-db-1 sh -c 'echo $VERSION'")
            .ok(),
        "2"
    );
    let operators = |deployment: &Deployment| running(deployment).contains(&"operators".to_owned());
    wait_until("the operator's container is back", LIMIT, || {
        operators(&deployment)
    });
    let read = deployment.docker("exec operators sh -c 'ls /dir /kept; cat /data/x'");
    assert_eq!(read.ok(), "/dir:\nnew\n\n/kept:\nown");
    let read = deployment.docker("run --rm layered:2 ls /dir /kept");
    assert_eq!(read.ok(), "/dir:\nnew\n\n/kept:\nold");
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
