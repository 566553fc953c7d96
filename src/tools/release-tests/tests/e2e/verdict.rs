//! A deploy is green only when every service is stable.

use std::time::Duration;

use release_tests::{Deployment, wait_until};
use serde_json::json;

use crate::sleeper;

#[test]
fn a_crash_loop_fails_the_deploy_and_names_service_exit_code_and_last_lines() {
    let service =
        json!({"command": ["sh", "-c", "echo cannot find my configuration; sleep 0.3; exit 7"]});
    let hungry = json!({
        "command": ["sh", "-c", "while ! test -e /eat; do sleep 0.1; done; x=xxxxxxxx; while :; do x=$$x$$x; done"],
        "restart": "no", "init": false, "mem_limit": "16m", "memswap_limit": "16m",
    });
    let deployment = Deployment::new("e2e-crash")
        .recipe(json!({"services": {"web": sleeper(json!({})), "api": sleeper(service), "hungry": sleeper(hungry)}}));
    let outcome = deployment.deploy();
    assert_ne!(outcome.code, 0);
    let text = outcome.text();
    for part in [
        "post-start",
        "api",
        "restarted at least 3 times within 300 s; it last exited with 7",
        "the engine has restarted it",
        "cannot find my configuration",
    ] {
        assert!(
            text.contains(part),
            "{part:?} is not in\n{text}\n{}",
            deployment.logs()
        );
    }
    let post_start = || deployment.ssh("/var/vcap/jobs/docker/bin/post-start");
    assert_eq!(post_start().code, 3);
    deployment.docker("exec running-hungry-1 touch /eat").ok();
    wait_until("memory is told of", Duration::from_secs(30), || {
        post_start()
            .stderr
            .contains("running-hungry-1: exited with 137 (out of memory)")
    });
}

#[test]
fn an_unhealthy_service_fails_the_deploy_and_a_one_shot_does_not() {
    let unhealthy = json!({"healthcheck": {
        "test": ["CMD", "sh", "-c", "echo backend is missing; exit 1"], "interval": "1s", "retries": 2, "timeout": "2s",
    }});
    let once = |code: u8| json!({"restart": "no", "command": ["sh", "-c", format!("exit {code}")]});
    let mut deployment = Deployment::new("e2e-unhealthy")
        .recipe(json!({"services": {"web": sleeper(unhealthy), "migrate": sleeper(once(0))}}));
    let text = deployment.deploy().text();
    assert!(text.contains("web") && text.contains("unhealthy"), "{text}");
    assert_eq!(
        deployment.ssh("/var/vcap/jobs/docker/bin/post-start").code,
        3
    );

    deployment.set(
        "recipe",
        json!({"services": {"web": sleeper(json!({})), "migrate": sleeper(once(0))}}),
    );
    deployment.deploy_ok();

    deployment.set(
        "recipe",
        json!({"services": {"web": sleeper(json!({})), "migrate": sleeper(once(9))}}),
    );
    let text = deployment.deploy().text();
    assert!(
        text.contains("migrate") && text.contains("exited with 9"),
        "{text}"
    );
}
