//! kill -9 of every process, in turn and in pairs, at each moment.

use crate::scene::{LIMIT, Scene, recipe};

/// A time in which a process of ours does something, and who can die in it.
struct Moment {
    name: &'static str,
    /// What has to be done before.
    before: &'static str,
    /// What brings it about.
    action: &'static str,
    /// What holds while it lasts.
    holds: &'static str,
    /// What must be there in the end, besides the recipe.
    proof: &'static str,
    victims: &'static [&'static str],
}

const START: Moment = Moment {
    name: "a start of dockerd",
    before: "monit stop all; sleep 0.5; within 90 woken stopped",
    action: "monit start all",
    holds: "ctl_does start && runs dockerd",
    proof: "true",
    victims: &["docker-ctl", "dockerd", "containerd"],
};

const IMPORT: Moment = Moment {
    name: "an import",
    before: "docker rmi fixture/redis:1 >/dev/null; monit stop all; sleep 0.5; within 90 woken stopped",
    action: "monit start all",
    holds: "runs image-importer && runs unpigz",
    proof: "docker image inspect fixture/redis:1 >/dev/null",
    victims: &[
        "image-importer",
        "dockerd",
        "containerd",
        "compose-runner",
        "unpigz",
    ],
};

const UP: Moment = Moment {
    name: "an up",
    before: "monit stop all; sleep 0.5; within 90 woken stopped",
    action: "monit start all",
    holds: "compose_does up && alive $run/docker.pid && runs containerd-shim-runc-v2",
    proof: "true",
    victims: &[
        "docker-compose",
        "dockerd",
        "containerd",
        "compose-runner",
        "containerd-shim-runc-v2",
    ],
};

const STOP: Moment = Moment {
    name: "a stop",
    before: "true",
    action: "monit stop all",
    holds: "compose_does stop",
    proof: "true",
    victims: &[
        "docker-compose",
        "compose-runner",
        "dockerd",
        "containerd",
        "containerd-shim-runc-v2",
    ],
};

/// Each alone, and each pair.
fn alone_and_in_pairs(victims: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = victims.iter().map(|&victim| victim.to_owned()).collect();
    for (index, first) in victims.iter().enumerate() {
        let pairs = victims[index + 1..].iter();
        all.extend(pairs.map(|second| format!("{first} {second}")));
    }
    all
}

/// Brings the moment about and kills.
fn strike(scene: &Scene, moment: &Moment, victims: &str) {
    let Moment {
        before,
        action,
        holds,
        ..
    } = moment;
    scene.ok(&format!(
        "{before} || exit 1\nholds() {{ {holds}; }}\n{action}; sleep 0.2; monit >/dev/null 2>&1\nstrike holds {victims}"
    ));
}

/// A few of the deaths, on a scene with busybox and redis.
pub fn a_few(scene: &Scene) {
    at_a_start(scene, &UP, &["docker-compose".to_owned()]);
    at_a_start(scene, &IMPORT, &["dockerd containerd".to_owned()]);
}

/// kill -9 of `all` at a moment that begins with a start.
fn at_a_start(scene: &Scene, moment: &Moment, all: &[String]) {
    for victims in all {
        strike(scene, moment, victims);
        let after = format!("kill -9 of {victims} in {}", moment.name);
        // an `up` may fail for want of containerd, and a container whose shim dies is dead
        if victims.contains("containerd") {
            scene.assert_recovers(&after);
        } else {
            scene.assert_heals(&after);
        }
        scene.ok(moment.proof);
    }
}

#[test]
#[ignore = "takes two minutes; ci/test full runs it"]
fn deaths_in_a_start_of_dockerd() {
    let scene = Scene::new("faults-start");
    at_a_start(&scene, &START, &alone_and_in_pairs(START.victims));
}

#[test]
#[ignore = "takes five minutes; ci/test full runs it"]
fn deaths_in_an_import() {
    let scene =
        Scene::of(release_tests::Deployment::new("faults-import").images(&["busybox", "redis"]));
    at_a_start(&scene, &IMPORT, &alone_and_in_pairs(IMPORT.victims));
}

#[test]
#[ignore = "takes five minutes; ci/test full runs it"]
fn deaths_in_an_up() {
    let scene = Scene::new("faults-up");
    at_a_start(&scene, &UP, &alone_and_in_pairs(UP.victims));
}

#[test]
#[ignore = "takes five minutes; ci/test full runs it"]
fn deaths_in_a_stop() {
    let scene = Scene::new("faults-stop");
    for victims in alone_and_in_pairs(STOP.victims) {
        strike(&scene, &STOP, &victims);
        let after = format!("kill -9 of {victims} in a stop");
        scene.ok(&format!("within {} woken stopped", LIMIT.as_secs()));
        scene.assert_data(&after);
        scene.ok("monit start all; sleep 0.3");
        scene.assert_heals(&after);
    }
}

#[test]
#[ignore = "takes fifteen minutes; ci/test full runs it"]
fn deaths_in_an_update() {
    let mut scene = Scene::new("faults-update");
    let starts = alone_and_in_pairs(START.victims);
    let ups = alone_and_in_pairs(UP.victims);
    let mut moments = vec![("ctl_does stop", "docker-ctl")];
    moments.extend(starts.iter().map(|victims| (START.holds, victims.as_str())));
    moments.extend(
        ups.iter()
            .map(|victims| ("compose_does up", victims.as_str())),
    );
    for (round, (holds, victims)) in moments.iter().enumerate() {
        let after = format!("kill -9 of {victims} in an update, while {holds}");
        let db = scene.deployment.started_at("db");
        scene
            .deployment
            .set("recipe", recipe(&format!("{}", round + 1)));
        let deployed = std::thread::scope(|scope| {
            let deploy = scope.spawn(|| scene.deployment.deploy());
            scene.ok(&format!("holds() {{ {holds}; }}\nstrike holds {victims}"));
            deploy.join().unwrap()
        });
        println!("{after}: deploy ended with {}", deployed.code);
        if deployed.code != 0 {
            assert!(
                deployed.text().contains("error") || deployed.text().contains("docker/0"),
                "{after}: {}",
                deployed.text()
            );
            // a deploy that failed left it stopped, or running on what it had: the next one puts that right
            scene.deployment.deploy_ok();
        }
        scene.assert_recovers(&after);
        let environment = scene.ok("docker exec running-app-1 sh -c 'echo $ROUND'");
        assert_eq!(environment.trim(), format!("{}", round + 1), "{after}");
        if deployed.code == 0 && !victims.contains("shim") {
            let now = scene.deployment.started_at("db");
            assert_eq!(now, db, "{after}: db was restarted");
        }
    }
}
