//! What services write is in `bosh logs`, each line once, over whatever happens to the runner.

use std::{collections::BTreeMap, process::Command, time::Duration};

use release_tests::{Deployment, Outcome, wait_until};
use serde_json::json;

use crate::sleeper;

const LIMIT: Duration = Duration::from_mins(1);

/// Writes numbered lines after a word of its own for each life, and a last one when it is stopped.
const WRITER: &str = r#"
    life=$$(cat /proc/sys/kernel/random/uuid)
    trap 'echo "$$life $$number last"; exit 0' TERM
    number=0
    while :; do echo "$$life $$number"; number=$$((number + 1)); sleep 0.02; done
"#;

#[test]
fn each_line_of_a_service_is_in_bosh_logs_once_over_an_update_a_kill_and_a_stop() {
    let writer = json!({"command": ["sh", "-c", WRITER], "init": false});
    let recipe = |other: &str| {
        json!({"services": {
            "dockerd": sleeper(writer.clone()),
            "other": sleeper(json!({"environment": {"VERSION": other}})),
        }})
    };
    let mut deployment = Deployment::new("e2e-logs").recipe(recipe("1"));
    deployment.deploy_ok();
    let file = "/var/vcap/sys/log/docker/service.dockerd.log";
    assert_eq!(
        deployment
            .ssh(&format!("stat --format '%a %U:%G' {file}"))
            .ok(),
        "640 root:vcap"
    );
    let before = deployment.started_at("dockerd");

    deployment.set("recipe", recipe("2"));
    deployment.deploy_ok();
    assert_eq!(
        deployment.started_at("dockerd"),
        before,
        "the update leaves it alone"
    );

    let runner = || {
        let read = deployment.ssh("cat /var/vcap/sys/run/docker/compose.pid");
        read.stdout.trim().to_owned()
    };
    let killed = runner();
    deployment.ssh(&format!("kill -KILL {killed}")).ok();
    wait_until("monit starts another runner", LIMIT, || {
        !["", &killed].contains(&runner().as_str())
            && deployment.state(Some("compose")) == "running"
    });
    deployment.solo(&["stop"]).ok();

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_string_lossy();
    let tarball = deployment.solo(&["logs", "--dir", &path]).ok();
    let unpacked = Outcome::of(Command::new("tar").args([
        "-xzf",
        tarball.trim(),
        "-O",
        "--wildcards",
        "*docker/service.dockerd.log",
    ]));
    let text = unpacked.ok();
    let mut lives: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        assert_eq!(words[1..3], ["running-dockerd-1", "stdout"], "{line}");
        lives.entry(words[3]).or_default().push(words[4]);
    }
    assert_eq!(lives.len(), 1, "it had one life: {:?}", lives.keys());
    for numbers in lives.into_values() {
        let last = numbers.len() - 1;
        let wanted: Vec<String> = (0..last).map(|number| number.to_string()).collect();
        assert!(last > 100 && numbers[..last] == wanted, "{numbers:?}");
        assert!(numbers[last].ends_with(" last"), "{numbers:?}");
    }
}
