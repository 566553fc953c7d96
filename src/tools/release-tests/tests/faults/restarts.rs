//! Two hundred restarts in a row, by the programs that monit calls; monit itself looks on only every ten seconds.

use crate::scene::Scene;

/// What monit and BOSH call: for the recipe alone, in an update, and for both processes.
const RECIPE: &str = "$bin/compose stop && $bin/compose start";
const UPDATE: &str = "$bin/drain job_changed hash_changed >/dev/null && $bin/compose stop && $bin/docker stop && $bin/docker start && $bin/compose start";
const FULL: &str =
    "$bin/compose stop && $bin/docker stop && $bin/docker start && $bin/compose start";

#[test]
#[ignore = "takes twenty minutes; ci/test full runs it"]
fn two_hundred_restarts_in_a_row_leak_nothing() {
    let scene = Scene::new("faults-restarts");
    scene.ok("monit unmonitor all; sleep 1");
    let restart = |restart: &str, times: u32| {
        scene.ok(&format!(
            "bin=/var/vcap/jobs/docker/bin\nfor round in $(seq {times}); do {{ {restart}; }} && within 60 well || {{ echo {restart:?}, $round >&2; exit 1; }}; done"
        ));
    };
    for row in 1..=20 {
        let db = scene.deployment.started_at("db");
        restart(UPDATE, 7);
        assert_eq!(
            scene.deployment.started_at("db"),
            db,
            "the containers run through updates"
        );
        restart(RECIPE, 2);
        restart(FULL, 1);
        scene.assert_data(&format!("{} restarts", row * 10));
        println!("{} restarts", row * 10);
    }
    scene.assert_no_leak("two hundred restarts");
}
