//! Disks that are full, at each step: an error says so and names the place, and when there is room again everything is healthy.

use release_tests::{Deployment, Outcome};

use crate::scene::{Scene, recipe};

/// Fills the file system at a path, also what it keeps for root, but for some KiB.
fn fill(scene: &Scene, path: &str, left_kib: u32) {
    scene.ok(&format!(
        "cd {path} && fallocate -l $(df --output=avail -k . | tail -n 1)K fill 2>/dev/null; cat /dev/zero >fill.rest 2>/dev/null; \
         truncate --size=-{left_kib}K fill; df -k . >&2"
    ));
}

/// Makes room again.
fn clear(scene: &Scene, path: &str) {
    scene.ok(&format!("rm -f {path}/fill {path}/fill.rest"));
}

/// Somebody has said that there is no room.
fn assert_told(scene: &Scene, step: &str, outcome: Option<&Outcome>) {
    let told = format!(
        "{}\n{}\n{}",
        outcome.map(Outcome::text).unwrap_or_default(),
        scene
            .run("cat $run/verdict.json $run/refused.json 2>/dev/null")
            .stdout,
        scene.deployment.logs()
    );
    assert!(
        told.to_lowercase().contains("no space left on device"),
        "disk full at {step}: nobody says so\n{told}"
    );
}

fn in_containerd_store(scene: &Scene) -> bool {
    let driver = scene.ok("docker info --format '{{json .DriverStatus}}'");
    driver.contains("io.containerd.snapshotter")
}

fn scene(name: &str) -> Scene {
    Scene::of(
        Deployment::new(name)
            .images(&["busybox", "redis"])
            .persistent_disk(512),
    )
}

/// A disk without room for the images that are to be imported.
pub fn at_an_import(scene: &Scene) {
    scene.ok("docker rmi fixture/redis:1 >/dev/null");
    fill(scene, "/var/vcap/store", 8 << 10);
    let outcome = scene.deployment.solo(&["restart"]);
    assert_ne!(
        outcome.code,
        0,
        "restart with a full disk: {}",
        outcome.text()
    );
    let told = outcome.text();
    assert!(
        told.contains("no space left on device") && told.contains("fixture/redis:1"),
        "{told}\n{}",
        scene.deployment.logs()
    );
    clear(scene, "/var/vcap/store");
    scene.ok("monit restart compose; sleep 1; wake_monit");
    scene.assert_heals("a disk that was full at an import");
    scene.ok("docker image inspect fixture/redis:1 >/dev/null");
}

#[test]
#[ignore = "takes three minutes; ci/test full runs it"]
fn the_persistent_disk_is_full_at_an_import_an_up_a_stop_and_a_start() {
    let mut scene = scene("faults-disk");
    at_an_import(&scene);

    fill(&scene, "/var/vcap/store", 0);
    scene.deployment.set("recipe", recipe("1"));
    let outcome = scene.deployment.deploy();
    println!(
        "a deploy on a full disk ended with {}; {}",
        outcome.code,
        scene.ok("df -k /var/vcap/store")
    );
    if outcome.code == 0 {
        // containerd may find room as it starts, by what nobody uses any more; then the update has to be there
        assert!(in_containerd_store(&scene), "{}", outcome.text());
        let round = "docker inspect --format '{{json .Config.Env}}' running-app-1";
        let round = scene.ok(&format!("within 30 well; {round}"));
        assert!(round.contains("ROUND=1"), "{round}");
    } else {
        assert_told(&scene, "an update", Some(&outcome));
    }
    scene.assert_data("an update on a full disk");
    clear(&scene, "/var/vcap/store");
    scene.deployment.deploy_ok();
    scene.assert_recovers("a disk that was full at an update");

    fill(&scene, "/var/vcap/store", 0);
    scene.deployment.solo(&["stop"]).ok();
    scene.assert_nothing_runs("a stop on a full disk");
    let outcome = scene.deployment.solo(&["start"]);
    println!("a start on a full disk ended with {}", outcome.code);
    if outcome.code != 0 {
        assert_told(&scene, "a start", Some(&outcome));
    }
    clear(&scene, "/var/vcap/store");
    scene.deployment.solo(&["start"]).ok();
    scene.assert_recovers("a disk that was full at a start");
}

/// Puts a small file system over a directory, with what is in it.
fn shrink(scene: &Scene, path: &str, kib: u32) {
    scene.ok(&format!(
        "mkdir /tmp/keep && cp -a {path}/. /tmp/keep/ && mount -t tmpfs -o size={kib}k,mode=755 small {path} && cp -a /tmp/keep/. {path}/ && rm -r /tmp/keep"
    ));
}

fn unshrink(scene: &Scene, path: &str) {
    scene.ok(&format!("umount --lazy {path}"));
}

#[test]
#[ignore = "takes four minutes; ci/test full runs it"]
fn the_job_s_own_directories_are_full_at_a_start() {
    let scene = scene("faults-full");
    for (path, kib) in [
        ("/var/vcap/sys/run", None),
        ("/var/vcap/data/docker", Some(2 << 10)),
        ("/var/vcap/sys/log/docker", Some(2 << 10)),
    ] {
        scene.stop();
        if let Some(kib) = kib {
            shrink(&scene, path, kib);
        }
        fill(&scene, path, 0);
        let outcome = scene.deployment.solo(&["start"]);
        println!(
            "a start with {path} full ended with {}: {}",
            outcome.code,
            outcome.text()
        );
        if outcome.code != 0 {
            assert_told(&scene, path, Some(&outcome));
        }
        clear(&scene, path);
        scene.deployment.solo(&["start"]).ok();
        scene.assert_heals(path);
        if kib.is_some() {
            scene.stop();
            unshrink(&scene, path);
            scene.deployment.solo(&["start"]).ok();
        }
        scene.assert_recovers(&format!("{path} was full at a start"));
    }
}
