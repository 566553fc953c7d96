//! Two hundred restarts in a row, by the programs that monit calls; monit itself looks on only every ten seconds.

use crate::scene::Scene;

/// What monit and BOSH call: for the recipe alone, in an update, and for both processes. Ten of a row; after each the recipe is well.
const RECIPE: &str = "$bin/compose stop && $bin/compose start";
const UPDATE: &str = "$bin/drain job_changed hash_changed >/dev/null && $bin/compose stop && $bin/docker stop && $bin/docker start && $bin/compose start";
const FULL: &str =
    "$bin/compose stop && $bin/docker stop && $bin/docker start && $bin/compose start";
const ROW: [(&str, u32); 3] = [(UPDATE, 7), (RECIPE, 2), (FULL, 1)];

#[test]
#[ignore = "takes twenty minutes; ci/test full runs it"]
fn two_hundred_restarts_in_a_row_leak_nothing() {
    let scene = Scene::new("faults-restarts");
    scene.ok("monit unmonitor all; sleep 1");
    for row in 1..=20 {
        for (restart, times) in ROW {
            scene.ok(&format!(
                "bin=/var/vcap/jobs/docker/bin\nfor round in $(seq {times}); do {{ {restart}; }} && within 60 well || {{ echo {restart:?}, $round >&2; exit 1; }}; done"
            ));
        }
        scene.assert_data(&format!("{} restarts", row * 10));
        println!("{} restarts", row * 10);
    }
    scene.assert_no_leak("two hundred restarts");
}
