//! A deploy that fails goes back to the recipe before, and images of releases gone by leave the VM.

use std::time::Duration;

use release_tests::{Deployment, repository, wait_until};
use serde_json::{Value, json};

use crate::sleeper;

const LIMIT: Duration = Duration::from_mins(2);

fn web(command: &str) -> Value {
    let settings = json!({"volumes": ["./conf/web:/conf:ro"], "command": ["sh", "-c", command]});
    json!({"services": {"web": sleeper(settings), "quiet": sleeper(json!({}))}})
}

fn files(text: &str) -> Value {
    json!({"conf/web": {"content": text, "mode": "0640"}})
}

#[test]
fn a_recipe_that_does_not_get_stable_gives_way_to_the_one_before_until_the_next_deploy() {
    const SLEEP: &str = "exec sleep 1000000";
    let mut deployment = Deployment::new("e2e-rollback")
        .images(&["busybox", "redis"])
        .persistent_disk(1024)
        .recipe(web(SLEEP))
        .property("files", files("old"));
    let operation = repository().join("manifests/operations/rollback.yml");
    deployment.arguments(&["-o", &operation.to_string_lossy()]);
    deployment.deploy_ok();
    let quiet = deployment.started_at("quiet");
    let is_old = |deployment: &Deployment| {
        let conf = deployment.docker("exec running-web-1 cat /conf");
        conf.stdout.trim() == "old"
            && deployment.read("/var/vcap/data/docker/running/conf/web") == "old"
    };
    assert!(is_old(&deployment));

    deployment.set("recipe", web("echo I crash; exit 7"));
    deployment.set("files", files("new"));
    let text = {
        let outcome = deployment.deploy();
        assert_ne!(outcome.code, 0, "{}", outcome.text());
        outcome.text()
    };
    let log = deployment.read("/var/vcap/sys/log/docker/post-start.stderr.log");
    let failed = log.find("error: service web, container running-web-1: ");
    let rolled_back = log.find("error: rolled back to the recipe of ");
    assert!(
        failed.is_some() && failed < rolled_back,
        "why it failed, and then what came of it:\n{log}\n{text}"
    );
    assert!(log.contains(", its services are up"), "{log}");
    assert!(is_old(&deployment), "{}", deployment.logs());
    assert_eq!(
        deployment.started_at("quiet"),
        quiet,
        "it ran through all of it"
    );
    assert_eq!(deployment.state(Some("compose")), "running");
    let status = deployment.ssh("/var/vcap/packages/containers/bin/docker-ctl status");
    assert_eq!(status.code, 3, "{}", status.text());
    assert!(
        status.stdout.contains("recipe: rolled back to the one of "),
        "{}",
        status.text()
    );

    // No lifecycle script runs at a reboot; the configuration is still the one that failed.
    deployment.solo(&["reboot", "docker/0"]).ok();
    wait_until("the previous recipe is back after a reboot", LIMIT, || {
        is_old(&deployment) && deployment.state(Some("compose")) == "running"
    });
    let restarts = deployment
        .docker("inspect --format '{{.RestartCount}}' running-web-1")
        .ok();
    assert_eq!(restarts, "0", "what failed was not tried again");

    // Without the image job of redis; it stays with the deploy before this one.
    let images = |deployment: &Deployment| {
        deployment
            .docker("images --format '{{.Repository}}' | sort")
            .ok()
    };
    deployment.docker("tag fixture/busybox:1 by-hand:1").ok();
    deployment = deployment.images(&["busybox"]);
    deployment.set("recipe", web(SLEEP));
    deployment.deploy_ok();
    assert_eq!(
        deployment.docker("exec running-web-1 cat /conf").ok(),
        "new"
    );
    assert!(images(&deployment).contains("fixture/redis"));
    let status = deployment
        .ssh("/var/vcap/packages/containers/bin/docker-ctl status")
        .ok();
    assert!(status.contains("recipe: up since "), "{status}");

    deployment = deployment.images(&["busybox", "postgres"]);
    deployment.deploy_ok();
    wait_until("the image of redis is gone", LIMIT, || {
        !images(&deployment).contains("fixture/redis")
    });
    assert_eq!(
        images(&deployment),
        "by-hand\nfixture/busybox\nfixture/postgres",
        "{}",
        deployment.logs()
    );
}
