//! Services that end while the engine has no containerd, or one that hangs: it goes on calling them running. The verdict does not, monit
//! shows it, and they are healed; if nothing else helps, by a restart of dockerd that the others run through.

use std::time::{Duration, Instant};

use crate::hung::assert_shows;
use crate::scene::Scene;

/// Eight signals that dockerd does not take, the pauses between them, and the start of dockerd and of the recipe.
const LAST_MEANS: Duration = Duration::from_mins(10);

/// Ends what `app` runs in such a way that nobody can tell dockerd of it, with containerd.
const END_APP: &str = "pid=$(docker inspect --format \"{{.State.Pid}}\" running-app-1) || exit 1\n\
     shim=$(awk \"{ print \\$4 }\" /proc/$pid/stat)\n";

/// The verdict is not `up` over a service that is dead, and monit shows that it is not.
fn assert_told(scene: &Scene, what: &str) {
    assert_shows(&scene.deployment, "compose", "failing", what);
    let verdict = scene.ok("cat $run/verdict.json");
    assert!(
        verdict.contains("\"state\": \"failed\"")
            && (verdict.contains("running-app-1: is dead")
                // an engine 29 whose containerd hangs does not list containers
                || verdict.contains("the engine does not answer")),
        "{what}: {verdict}"
    );
    let status = scene.run("/var/vcap/packages/containers/bin/docker-ctl status");
    assert!(status.code != 0, "{what}: {}", status.text());
}

/// `app` runs again, and nothing else was touched.
fn assert_healed(scene: &Scene, what: &str, db: &str) {
    scene.assert_heals(what);
    let now = scene.deployment.started_at("db");
    assert_eq!(now, db, "{what}: db runs through it");
    assert_shows(&scene.deployment, "compose", "running", what);
}

#[test]
#[ignore = "takes four minutes; ci/test full runs it"]
fn a_service_whose_end_the_engine_missed_is_failing_and_healed() {
    let scene = Scene::new("faults-missed");
    let db = scene.deployment.started_at("db");

    let what = "app was killed with its shim while containerd hung";
    scene.ok(&format!(
        "{END_APP}kill -STOP $(pidof containerd); sleep 0.2; kill -9 $shim $pid"
    ));
    assert_told(&scene, what);
    scene.ok("kill -9 $(pidof containerd)");
    assert_healed(&scene, what, &db);

    let what = "app was killed with its shim and with containerd";
    let began = Instant::now();
    scene.ok(&format!("{END_APP}kill -9 $(pidof containerd) $shim $pid"));
    // the engine is blind for a while; nobody believes it for longer than it takes to see that
    scene.ok(
        "for look in $(seq 300); do sleep 0.1
           pid=$(docker inspect --format \"{{.State.Pid}}\" running-app-1)
           if [ $look -gt 200 ] && [ -n \"$pid\" ] && ! [ -e /proc/$pid ] && grep -q '\"state\": \"up\"' $run/verdict.json; then cat $run/verdict.json; exit 1; fi
         done",
    );
    assert_healed(&scene, what, &db);
    println!("{what}: healed after {} s", began.elapsed().as_secs());
}

#[test]
#[ignore = "takes eight minutes; ci/test full runs it"]
fn an_engine_that_never_notices_is_restarted_through_monit_and_the_containers_run_through_it() {
    let scene = Scene::new("faults-last-means");
    let db = scene.deployment.started_at("db");
    let before = scene.ok("cat $run/docker.pid");
    let what = "containerd cannot be started, and app is dead";
    scene.ok(&format!(
        "{END_APP}mount --bind /bin/false /var/vcap/packages/docker/bin/containerd; kill -9 $(pidof containerd) $shim $pid"
    ));
    assert_told(&scene, what);
    let began = Instant::now();
    let restarted = || {
        let told = "grep -q \"ending dockerd, for monit to start it again\" /var/vcap/sys/log/docker/compose-runner.log";
        scene.run(told).code == 0
    };
    release_tests::wait_until("dockerd is restarted", LAST_MEANS, restarted);
    println!(
        "{what}: dockerd restarted after {} s",
        began.elapsed().as_secs()
    );
    scene.ok("umount /var/vcap/packages/docker/bin/containerd");
    // what it was restarted for is remembered until the next boot, and is no leak
    scene.ok("grep -q runs $run/dockerd-restarts.json && rm $run/dockerd-restarts.json");
    assert_healed(&scene, what, &db);
    assert_ne!(scene.ok("cat $run/docker.pid"), before, "{what}");
}
