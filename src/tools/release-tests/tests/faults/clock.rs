//! The clock is set, forward and back: the recipe is healthy all the while, its output is collected once, and restarts go on as ever.
//!
//! There is one clock for the whole machine, so this test must run alone, and puts it right in the end.

use std::{
    process::Command,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use release_tests::{Outcome, sleeper};
use serde_json::json;

use crate::scene::{Scene, recipe};

/// The machine's clock, which is right again when this is dropped.
struct Clock {
    at: SystemTime,
    then: Instant,
}

impl Clock {
    fn new() -> Self {
        Self {
            at: SystemTime::now(),
            then: Instant::now(),
        }
    }

    /// Sets it so many seconds before or after the right time.
    fn set(&self, offset: i64) -> Outcome {
        let right = self.at + self.then.elapsed();
        let right = right.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(right.as_secs()).unwrap() + offset;
        let time = format!("@{seconds}.{:09}", right.subsec_nanos());
        Outcome::of(Command::new("date").args(["--utc", "--set", &time]))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let outcome = self.set(0);
        assert_eq!(
            outcome.code,
            0,
            "the clock is wrong now: {}",
            outcome.text()
        );
    }
}

/// The numbers that service `count` has written, in the order of its log.
fn counted(scene: &Scene) -> Vec<u64> {
    let log = scene
        .deployment
        .read("/var/vcap/sys/log/docker/service.count.log");
    let number = |line: &str| line.rsplit(' ').next()?.parse().ok();
    log.lines()
        .map(|line| number(line).unwrap_or_else(|| panic!("{line}")))
        .collect()
}

#[test]
#[ignore = "sets the machine's clock, so it runs alone: ci/test full does that"]
fn a_clock_that_is_set_forward_and_back_changes_nothing() {
    let mut scene = Scene::new("faults-clock");
    let mut counting = recipe("0");
    counting["services"]["count"] = sleeper(json!({
        "command": ["sh", "-c", "trap 'exit 0' TERM; n=0; while :; do n=$$((n + 1)); echo $$n; sleep 0.1; done"],
    }));
    scene.deployment.set("recipe", counting);
    scene.deployment.deploy_ok();
    let started = ["db", "app", "count"].map(|service| scene.deployment.started_at(service));
    let pids = "cat $run/docker.pid $run/compose.pid";
    let processes = scene.ok(pids);

    let clock = Clock::new();
    for offset in [600, -600, 0] {
        clock.set(offset).ok();
        let what = format!("a clock that is {offset} s off");
        let before = counted(&scene).len();
        // three looks of monit, and all that looks by the clock
        sleep(Duration::from_secs(35));
        assert!(
            scene.run("well").code == 0,
            "{what}: {}",
            scene.ok("cat $run/verdict.json")
        );
        assert_eq!(scene.deployment.state(None), "running", "{what}");
        assert_eq!(scene.ok(pids), processes, "{what}");
        let now = ["db", "app", "count"].map(|service| scene.deployment.started_at(service));
        assert_eq!(now, started, "{what}");
        let counted = counted(&scene);
        assert!(
            counted.len() > before + 100,
            "{what}: {before} lines, then {}",
            counted.len()
        );
        let expected: Vec<u64> = (1..=counted.len() as u64).collect();
        assert_eq!(counted, expected, "{what}");
        scene.assert_data(&what);
    }
    for offset in [600, -600, 0] {
        clock.set(offset).ok();
        scene.deployment.set("recipe", recipe(&offset.to_string()));
        scene.deployment.deploy_ok();
        scene.assert_heals(&format!("an update with a clock that is {offset} s off"));
        scene.deployment.solo(&["restart"]).ok();
        scene.assert_heals(&format!("a restart with a clock that is {offset} s off"));
    }
}
