//! Long faults, for `ci/test full`: deaths of every process, alone and in pairs, again and again, and restarts in a row.

use std::time::Duration;

use release_tests::{Deployment, wait_until};

use crate::sleepers;

const LIMIT: Duration = Duration::from_mins(1);

/// What must not grow: processes of the engine, mounts, network links, control groups.
fn inventory(deployment: &Deployment) -> Vec<u32> {
    deployment
        .ssh(
            "pidof containerd-shim-runc-v2 | wc -w; pidof dockerd | wc -w; pidof containerd | wc -w; pidof compose-runner | wc -w; \
             wc -l < /proc/self/mounts; ls /sys/class/net | wc -l; find /sys/fs/cgroup/*/docker -mindepth 1 -maxdepth 1 -type d | wc -l",
        )
        .ok()
        .lines()
        .map(|count| count.trim().parse().unwrap())
        .collect()
}

fn assert_no_more(before: &[u32], after: &[u32]) {
    assert!(
        before.len() == after.len()
            && after
                .iter()
                .zip(before)
                .all(|(after, before)| after <= before),
        "something has leaked: {before:?} before, {after:?} after"
    );
}

fn well(deployment: &Deployment) -> bool {
    deployment.docker("exec running-one-1 true").code == 0
        && deployment.state(Some("docker")) == "running"
        && deployment.state(Some("compose")) == "running"
}

#[test]
#[ignore = "takes ten minutes; ci/test full runs it"]
fn deaths_in_turn_and_in_pairs_lose_no_container_and_leak_nothing() {
    let deployment = Deployment::new("e2e-deaths").recipe(sleepers(&["one", "two"]));
    deployment.deploy_ok();
    let before = [deployment.started_at("one"), deployment.started_at("two")];
    let inventory_before = inventory(&deployment);
    let processes = ["dockerd", "containerd", "compose-runner"];
    let mut victims: Vec<String> = processes.map(str::to_owned).to_vec();
    for (index, first) in processes.iter().enumerate() {
        victims.extend(
            processes[index + 1..]
                .iter()
                .map(|second| format!("{first} {second}")),
        );
    }
    for round in 0..3 {
        for victim in &victims {
            deployment.ssh(&format!("kill -9 $(pidof {victim})")).ok();
            wait_until(
                &format!("round {round}: all is well after kill -9 of {victim}"),
                LIMIT,
                || well(&deployment),
            );
            assert_eq!(
                [deployment.started_at("one"), deployment.started_at("two")],
                before,
                "round {round}: {victim}"
            );
        }
    }
    assert_no_more(&inventory_before, &inventory(&deployment));
}

#[test]
#[ignore = "takes five minutes; ci/test full runs it"]
fn restarts_in_a_row_leak_nothing() {
    let deployment = Deployment::new("e2e-restarts").recipe(sleepers(&["one", "two"]));
    deployment.deploy_ok();
    let before = inventory(&deployment);
    for _ in 0..10 {
        deployment.solo(&["restart"]).ok();
    }
    wait_until("all is well after the restarts", LIMIT, || {
        well(&deployment)
    });
    assert_no_more(&before, &inventory(&deployment));
}
