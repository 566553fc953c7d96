//! A later death shows in BOSH, and clears when it is over, without a restart loop.

use std::time::Duration;

use release_tests::{Deployment, wait_until};
use serde_json::json;

use crate::sleeper;

/// Two cycles of monit, one more to notice, and a healthcheck's own second.
const LIMIT: Duration = Duration::from_secs(35);

/// Newer monits do not look at a process's sockets before its start's timeout is over; 5.2.5 of the stemcells does.
fn let_monit_begin_to_look() {
    std::thread::sleep(Duration::from_secs(35));
}

#[test]
fn a_service_that_turns_unhealthy_shows_as_failing_and_clears_on_recovery() {
    let check = json!({"healthcheck": {"test": ["CMD", "test", "!", "-e", "/broken"], "interval": "1s", "retries": 1, "timeout": "2s"}});
    let deployment =
        Deployment::new("e2e-health").recipe(json!({"services": {"web": sleeper(check)}}));
    deployment.deploy_ok();
    let_monit_begin_to_look();
    let before = deployment.started_at("web");
    let runner = deployment.read("/var/vcap/sys/run/docker/compose.pid");

    deployment.docker("exec running-web-1 touch /broken").ok();
    wait_until("compose shows as failing", LIMIT, || {
        deployment.state(Some("compose")) == "failing"
    });
    assert_eq!(deployment.state(None), "failing");
    deployment.docker("exec running-web-1 rm /broken").ok();
    wait_until("compose shows as running", LIMIT, || {
        deployment.state(Some("compose")) == "running"
    });

    assert_eq!(
        deployment.started_at("web"),
        before,
        "nothing may have been restarted"
    );
    assert_eq!(
        deployment.read("/var/vcap/sys/run/docker/compose.pid"),
        runner,
        "nor the runner"
    );
}

#[test]
fn a_service_that_dies_against_its_policy_shows_as_failing() {
    let service = json!({"restart": "no", "command": ["sh", "-c", "while ! test -e /die; do sleep 0.2; done; exit 5"]});
    let deployment =
        Deployment::new("e2e-death").recipe(json!({"services": {"web": sleeper(service)}}));
    deployment.deploy_ok();
    let_monit_begin_to_look();
    deployment.docker("exec running-web-1 touch /die").ok();
    wait_until("compose shows as failing", LIMIT, || {
        deployment.state(Some("compose")) == "failing"
    });
    assert!(
        deployment.logs().contains("exited with 5"),
        "{}",
        deployment.logs()
    );
}

#[test]
fn a_service_that_keeps_restarting_shows_as_failing_and_clears_when_it_stays_up() {
    let mut recipe = json!({"services": {"web": sleeper(json!({
        "command": ["sh", "-c", "while ! test -e /data/die; do sleep 0.2; done; exit 6"],
        "volumes": ["data:/data"],
    }))}});
    recipe["volumes"] = json!({"data": {}});
    let deployment = Deployment::new("e2e-restarts")
        .recipe(recipe)
        .property("restart_limit", json!({"restarts": 3, "seconds": 30}));
    deployment.deploy_ok();
    let told = deployment.read("/var/vcap/sys/log/docker/post-start.stderr.log");
    assert!(
        told.contains("warning: the recipe keeps data in volumes") && told.contains("volume data"),
        "there is no persistent disk: {told}"
    );
    let_monit_begin_to_look();
    let in_the_volume = |command: &str| {
        let run = "run --rm --network none --volume running_data:/data fixture/busybox:1";
        deployment.docker(&format!("{run} {command}")).ok();
    };
    in_the_volume("touch /data/die");
    wait_until("compose shows as failing", LIMIT, || {
        deployment.state(Some("compose")) == "failing"
    });
    in_the_volume("rm /data/die");
    // The engine may be waiting for up to half a minute before it tries again, and then the 30 s have to pass.
    let limit = Duration::from_mins(1) + LIMIT;
    wait_until("compose shows as running", limit, || {
        deployment.state(Some("compose")) == "running"
    });
    assert!(
        deployment.logs().contains("restarted"),
        "{}",
        deployment.logs()
    );
}
