//! What monit, and with it BOSH, sees of a deploy: nothing that fails while everything is healthy, and the reason when something is
//! wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use release_tests::{Deployment, wait_until};
use serde_json::{Value, json};

use crate::{sleeper, sleepers};

/// Processes that the instance shows as failing while `action` goes on, with what monit has to say.
fn failing_during(deployment: &Deployment, action: impl FnOnce()) -> Vec<String> {
    let over = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            while !over.load(Ordering::Relaxed) {
                seen.extend(failing(deployment));
                thread::sleep(Duration::from_millis(400));
            }
            seen
        });
        action();
        // a cycle of monit and a bit
        thread::sleep(Duration::from_secs(12));
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    if seen.is_empty() {
        return seen;
    }
    let log = deployment
        .ssh("tail -n 40 /var/vcap/monit/monit.log")
        .stdout;
    seen.into_iter().chain([log]).collect()
}

fn failing(deployment: &Deployment) -> Vec<String> {
    // no such deployment before its first deploy
    let text = deployment.solo(&["instances", "--ps", "--json"]).stdout;
    let table: Value = serde_json::from_str(&text).unwrap_or_default();
    let rows = table["Tables"][0]["Rows"].as_array().cloned();
    rows.unwrap_or_default()
        .into_iter()
        .filter(|row| row["process_state"] == "failing" && row["process"] != "")
        .map(|row| row["process"].to_string())
        .collect()
}

#[test]
fn no_process_fails_for_a_cycle_in_a_deploy_a_stop_and_a_start_and_refused_settings_are_told_at_once()
 {
    let mut deployment = Deployment::new("e2e-cycles").recipe(sleepers(&["web"]));
    // on the first deploy there are no last good settings
    for (property, value, parts) in [
        ("bip", json!("10.200.0.0/24"), ["pre-start", "bip"]),
        (
            "daemon",
            json!({"no-such-setting": 1}),
            ["pre-start", "no-such-setting"],
        ),
    ] {
        deployment.set(property, value);
        let begin = Instant::now();
        let outcome = deployment.deploy();
        assert_ne!(outcome.code, 0, "{property} was deployed");
        for part in parts {
            assert!(
                outcome.text().contains(part),
                "{part:?}: {}",
                outcome.text()
            );
        }
        // the first one makes the machine and compiles
        assert!(
            property == "bip" || begin.elapsed() < Duration::from_secs(20),
            "it took {} s",
            begin.elapsed().as_secs()
        );
        deployment.set(property, Value::Null);
    }
    let begin = Instant::now();
    let seen = failing_during(&deployment, || drop(deployment.deploy_ok()));
    assert_eq!(seen, [""; 0], "in the first deploy that is good");
    assert!(
        begin.elapsed() < Duration::from_mins(1),
        "it took {} s",
        begin.elapsed().as_secs()
    );

    deployment.set("recipe", sleepers(&["web", "two"]));
    let seen = failing_during(&deployment, || drop(deployment.deploy_ok()));
    assert_eq!(seen, [""; 0], "in an update");
    let seen = failing_during(&deployment, || {
        deployment.solo(&["stop"]).ok();
        deployment.solo(&["start"]).ok();
    });
    assert_eq!(seen, [""; 0], "in a stop and a start");
}

#[test]
fn a_recipe_that_fails_long_before_post_start_is_told_of_by_post_start_and_shows_as_failing_after()
{
    let recipe = json!({"services": {
        "web": sleeper(json!({})),
        "api": sleeper(json!({"restart": "no", "command": ["sh", "-c", "echo no configuration; exit 7"]})),
    }});
    // Newer monits ask the runner only when the 30 s that its start may take are over, and then in two cycles.
    let deployment = Deployment::new("e2e-late")
        .recipe(recipe)
        .watch_time("64000-120000");
    let outcome = deployment.deploy();
    assert_ne!(outcome.code, 0, "it was deployed");
    let text = outcome.text();
    for part in ["post-start", "api", "exited with 7", "no configuration"] {
        assert!(
            text.contains(part),
            "{part:?} is not in\n{text}\n{}",
            deployment.logs()
        );
    }
    wait_until("the instance shows it", Duration::from_secs(40), || {
        deployment.state(None) == "failing" && deployment.state(Some("compose")) == "failing"
    });
}
