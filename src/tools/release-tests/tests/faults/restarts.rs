//! Two hundred restarts in a row, by the programs that monit calls; monit itself looks on only every ten seconds.

use crate::scene::Scene;

/// One restart, and the wait until the recipe is well.
const RUNNER: &str = "$bin/compose stop && $bin/compose start";
const UPDATE: &str = "$bin/drain job_changed hash_changed >/dev/null && $bin/compose stop && $bin/docker stop && $bin/docker start && $bin/compose start";
const FULL: &str =
    "$bin/compose stop && $bin/docker stop && $bin/docker start && $bin/compose start";

fn restart(scene: &Scene, how: &str, what: &str, rounds: u32) {
    for round in 0..rounds / 10 {
        scene.ok(&format!(
            "bin=/var/vcap/jobs/docker/bin\nfor round in 0 1 2 3 4 5 6 7 8 9; do {{ {how}; }} || {{ echo $round >&2; exit 1; }}; within 60 well || exit 1; done"
        ));
        scene.assert_data(&format!("{} restarts of {what}", (round + 1) * 10));
    }
    scene.assert_no_leak(&format!("{rounds} restarts of {what}"));
}

fn scene(name: &str) -> Scene {
    let scene = Scene::new(name);
    scene.ok("monit unmonitor all; sleep 1");
    scene
}

#[test]
#[ignore = "takes six minutes; ci/test full runs it"]
fn forty_restarts_of_the_recipe_leak_nothing() {
    restart(&scene("faults-runner"), RUNNER, "the recipe", 40);
}

#[test]
#[ignore = "takes ten minutes; ci/test full runs it"]
fn a_hundred_and_forty_restarts_as_in_an_update_leak_nothing() {
    let scene = scene("faults-again");
    let db = scene.deployment.started_at("db");
    restart(&scene, UPDATE, "both processes, in an update", 140);
    assert_eq!(
        scene.deployment.started_at("db"),
        db,
        "the containers run through it"
    );
}

#[test]
#[ignore = "takes five minutes; ci/test full runs it"]
fn twenty_full_restarts_leak_nothing() {
    restart(&scene("faults-full-restart"), FULL, "both processes", 20);
}
