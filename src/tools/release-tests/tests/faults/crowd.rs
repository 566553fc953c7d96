//! Thirty services at once.

use std::time::{Duration, Instant};

use release_tests::{Deployment, sleepers};
use serde_json::json;

#[test]
#[ignore = "takes two minutes; ci/test full runs it"]
fn thirty_services_come_up_at_once_stay_well_and_stop_in_time() {
    let names: Vec<String> = (1..=30).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let deployment = Deployment::new("faults-crowd")
        .recipe(sleepers(&names))
        .property("start_timeout", json!(300))
        .property("stop_timeout", json!(120));
    let began = Instant::now();
    deployment.deploy_ok();
    println!(
        "thirty services were deployed in {} s",
        began.elapsed().as_secs()
    );
    let well = || {
        let verdict: serde_json::Value =
            serde_json::from_str(&deployment.read("/var/vcap/sys/run/docker/verdict.json"))
                .unwrap();
        assert_eq!(verdict["state"], "up", "{verdict}");
        let services = verdict["services"].as_array().unwrap();
        assert_eq!(services.len(), 30, "{verdict}");
        assert!(
            services.iter().all(|service| service["state"] == "running"),
            "{verdict}"
        );
        verdict["since"].clone()
    };
    let since = well();
    // a look at rest, and two cycles of monit
    std::thread::sleep(Duration::from_secs(35));
    assert_eq!(well(), since, "the verdict has changed meanwhile");
    assert_eq!(deployment.state(Some("compose")), "running");

    let began = Instant::now();
    deployment.solo(&["stop"]).ok();
    let took = began.elapsed();
    println!("they stopped in {} s", took.as_secs());
    assert!(
        took < Duration::from_mins(2),
        "a stop of thirty services took {took:?}"
    );
    assert_eq!(
        deployment
            .ssh("pidof dockerd containerd containerd-shim-runc-v2")
            .stdout,
        "",
        "left after stop"
    );
    let began = Instant::now();
    deployment.solo(&["start"]).ok();
    println!("and started in {} s", began.elapsed().as_secs());
    well();
}
