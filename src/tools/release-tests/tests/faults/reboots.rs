//! A reboot at each moment: the VM comes back with the recipe and its data, without any lifecycle script of BOSH.

use release_tests::Deployment;

use crate::scene::Scene;

/// What is going on, how it is brought about, what holds when the VM goes down, and what is to be done then: monit keeps in mind what
/// was to be stopped.
const MOMENTS: [(&str, &str, &str, &str); 5] = [
    (
        "a start of dockerd",
        "monit stop all; sleep 0.5; within 90 woken stopped; monit start all",
        "runs dockerd",
        "true",
    ),
    (
        "an import",
        "docker rmi fixture/redis:1 >/dev/null; monit stop all; sleep 0.5; within 90 woken stopped; monit start all",
        "runs image-importer && runs unpigz",
        "true",
    ),
    (
        "an up",
        "monit stop all; sleep 0.5; within 90 woken stopped; monit start all",
        "compose_does up",
        "true",
    ),
    (
        "a stop",
        "monit stop all",
        "compose_does stop",
        // newer monits forget a start that is asked for while they start what the service depends on
        "docker_is_ok() { monit summary --batch | grep -q '^ docker .* OK '; }; within 60 woken docker_is_ok; monit start all; sleep 0.3",
    ),
    (
        "an update, between drain and start",
        "/var/vcap/jobs/docker/bin/drain job_changed hash_changed >/dev/null; monit stop all; sleep 0.5",
        "woken stopped",
        "monit start all; sleep 0.3",
    ),
];

#[test]
#[ignore = "takes four minutes; ci/test full runs it"]
fn a_reboot_at_each_moment_brings_the_recipe_back() {
    let scene = Scene::of(
        Deployment::new("faults-reboot")
            .images(&["busybox", "redis"])
            .persistent_disk(512),
    );
    for (moment, action, holds, then) in MOMENTS {
        scene.ok(&format!(
            "{action}; monit >/dev/null 2>&1\nholds() {{ {holds}; }}\nwithin 60 holds"
        ));
        scene.deployment.solo(&["reboot", "docker/0"]).ok();
        let after = format!("a reboot in {moment}");
        scene.ok(then);
        scene.assert_heals(&after);
    }
}
