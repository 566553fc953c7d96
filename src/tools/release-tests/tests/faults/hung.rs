//! What hangs, and what cannot be reached: every program of ours ends within its bound and says why, BOSH sees it, and when it
//! goes on, or is killed, everything is healthy again.

use std::time::{Duration, Instant};

use release_tests::{Deployment, wait_until};
use serde_json::Value;

use crate::scene::{Scene, recipe};

/// The runner's own bound (it asks every 10 s, and an engine may be away for 20 s), two cycles of monit, and a busy machine.
const VISIBLE: Duration = Duration::from_secs(100);

/// dockerd has no runner: monit asks in three cycles, and waits 5 s for each answer; newer ones begin only when the 100 s that a start
/// may take are over.
const DOCKERD_VISIBLE: Duration = Duration::from_secs(200);

fn assert_within(limit: u64, what: &str, began: Instant) {
    let took = began.elapsed();
    println!("{what} took {} ms", took.as_millis());
    assert!(took < Duration::from_secs(limit), "{what} took {took:?}");
}

/// BOSH comes to see this state of a process.
pub fn assert_shows(deployment: &Deployment, process: &str, state: &str, what: &str) {
    let limit = match process {
        "docker" => DOCKERD_VISIBLE,
        _ => VISIBLE,
    };
    let shows = format!("{process} shows as {state}: {what}");
    let took = wait_until(&shows, limit, || deployment.state(Some(process)) == state);
    println!("{what}: {process} {state} after {} s", took.as_secs());
}

/// BOSH sees that the engine does not answer, and the verdict says so.
fn assert_visible(scene: &Scene, what: &str) {
    assert_shows(&scene.deployment, "compose", "failing", what);
    assert_shows(&scene.deployment, "docker", "failing", what);
    let verdict = scene.ok("cat $run/verdict.json");
    assert!(
        verdict.contains("engine does not answer") && verdict.contains("docker.sock"),
        "{what}: {verdict}"
    );
}

fn stop_signal(program: &str) -> String {
    format!("kill -STOP $(pidof {program})")
}

/// The programs that people and BOSH call while dockerd hangs.
pub fn programs_end_in_time(scene: &Scene) {
    scene.ok(&stop_signal("dockerd"));
    let began = Instant::now();
    let status = scene.run("/var/vcap/packages/containers/bin/docker-ctl status");
    assert_within(45, "docker-ctl status with a dockerd that hangs", began);
    assert_ne!(status.code, 0, "{}", status.text());
    assert!(status.text().contains("docker.sock"), "{}", status.text());
    scene.ok("kill -CONT $(pidof dockerd)");
}

#[test]
#[ignore = "takes five minutes; ci/test full runs it"]
fn a_dockerd_that_hangs_is_visible_and_heals_and_every_program_ends_in_time() {
    let mut scene = Scene::new("faults-hung");
    let db = scene.deployment.started_at("db");
    programs_end_in_time(&scene);

    scene.ok(&stop_signal("dockerd"));
    assert_visible(&scene, "dockerd hangs");
    scene.ok("kill -CONT $(pidof dockerd)");
    scene.assert_heals("a dockerd that hung goes on");
    for process in ["docker", "compose"] {
        assert_shows(&scene.deployment, process, "running", "dockerd goes on");
    }

    scene.ok(&stop_signal("dockerd"));
    scene.ok("kill -9 $(pidof dockerd)");
    scene.assert_heals("a dockerd that hung was killed");
    assert_eq!(
        scene.deployment.started_at("db"),
        db,
        "the containers run through it"
    );

    scene.ok(&stop_signal("dockerd"));
    let began = Instant::now();
    let updated = {
        scene.deployment.set("recipe", recipe("1"));
        scene.deployment.deploy()
    };
    assert_within(180, "a deploy with a dockerd that hangs", began);
    println!("it ended with {}", updated.code);
    if updated.code != 0 {
        scene.deployment.deploy_ok();
    }
    scene.assert_heals("a deploy with a dockerd that hung");
    assert_eq!(
        scene.deployment.started_at("db"),
        db,
        "the containers run through an update"
    );

    scene.ok(&stop_signal("dockerd"));
    let began = Instant::now();
    scene.deployment.solo(&["stop"]).ok();
    assert_within(100, "bosh stop with a dockerd that hangs", began);
    scene.assert_nothing_runs("a stop with a dockerd that hangs");
    scene.deployment.solo(&["start"]).ok();
    scene.assert_heals("a stop with a dockerd that hung");
}

#[test]
#[ignore = "takes three minutes; ci/test full runs it"]
fn a_containerd_that_hung_is_killed_and_a_socket_that_is_gone_is_visible() {
    let scene = Scene::new("faults-socket");
    let db = scene.deployment.started_at("db");
    scene.ok(&stop_signal("containerd"));
    // nobody but dockerd needs it now; a stop would
    assert_ne!(scene.run("docker exec running-app-1 true").code, 0);
    scene.ok("kill -9 $(pidof containerd)");
    scene.assert_heals("a containerd that hung was killed");
    assert_eq!(scene.deployment.started_at("db"), db);

    scene.ok("rm $run/docker.sock");
    assert_visible(&scene, "the socket is gone");
    let status = scene.run("/var/vcap/packages/containers/bin/docker-ctl status");
    assert!(
        status.code != 0 && status.text().contains("there is no socket"),
        "{}",
        status.text()
    );
    scene.ok("kill -9 $(pidof dockerd)");
    scene.assert_heals("a dockerd without a socket was killed");
    assert_eq!(
        scene.deployment.started_at("db"),
        db,
        "the containers run through it"
    );

    scene.ok("rm $run/docker.sock");
    let began = Instant::now();
    scene.deployment.solo(&["stop"]).ok();
    assert_within(60, "bosh stop without a socket", began);
    scene.deployment.solo(&["start"]).ok();
    scene.assert_heals("a stop without a socket");
}

#[test]
#[ignore = "takes three minutes; ci/test full runs it"]
fn a_runner_that_hangs_and_a_dockerd_without_a_recipe_that_hangs_are_visible() {
    let mut scene = Scene::new("faults-hung-runner");
    let db = scene.deployment.started_at("db");
    scene.ok(&stop_signal("compose-runner"));
    assert_shows(&scene.deployment, "compose", "failing", "the runner hangs");
    assert_shows(&scene.deployment, "docker", "running", "the runner hangs");
    scene.ok("kill -CONT $(pidof compose-runner)");
    assert_shows(
        &scene.deployment,
        "compose",
        "running",
        "the runner goes on",
    );
    scene.assert_heals("a runner that hung goes on");
    scene.ok(&stop_signal("compose-runner"));
    scene.ok("kill -9 $(pidof compose-runner)");
    scene.assert_heals("a runner that hung was killed");
    assert_eq!(scene.deployment.started_at("db"), db);
    scene.ok(&stop_signal("compose-runner"));
    let began = Instant::now();
    scene.deployment.solo(&["restart"]).ok();
    assert_within(100, "bosh restart with a runner that hangs", began);
    scene.assert_heals("a restart with a runner that hung");

    scene.deployment.set("recipe", Value::Null);
    scene.deployment.deploy_ok();
    assert_shows(&scene.deployment, "docker", "running", "without a recipe");
    scene.ok(&stop_signal("dockerd"));
    assert_shows(&scene.deployment, "docker", "failing", "dockerd hangs");
    scene.ok("kill -CONT $(pidof dockerd)");
    assert_shows(&scene.deployment, "docker", "running", "dockerd goes on");
}
