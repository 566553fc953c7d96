//! What happens when a new recipe does not become stable and `rollback_on_failure` is on.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rustix::process::Signal;
use serde_json::{Value, json};
use state_files::{KeptRecipe, StateFile as _};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

/// A recipe whose service `web` mounts a file and has a secret; `quiet` is the same in all.
fn recipe(web: &Value) -> Value {
    let mounts = json!({"volumes": ["./conf/web:/conf:ro"], "environment": {"PW": "${PW}"}, "restart": "always"});
    json!({"services": {"web": with(with(sleeper(), &mounts), web), "quiet": sleeper()}})
}

fn properties(text: &str, more: &Value) -> Value {
    let content = json!({"content": text, "mode": "0640", "owner": "0:33"});
    let properties = json!({
        "rollback_on_failure": true, "variables": {"PW": format!("hunter2-{text}")}, "files": {"conf/web": content},
    });
    with(properties, more)
}

/// Starts a new runner, as monit or a reboot does.
fn restart(vm: &Vm) -> Value {
    let killed = vm.runner_pid().unwrap();
    signal(killed, Signal::KILL);
    vm.wait_for_end(killed);
    vm.start_runner();
    vm.verdict_that(|verdict| verdict["pid"] != killed && verdict["state"] != "starting")
}

#[track_caller]
fn assert_rolled_back(vm: &Vm, verdict: &Value, exit_code: i64, why: &str) {
    let log = vm.log();
    assert_eq!(verdict["state"], "failed", "{verdict:#}\n{log}");
    assert_eq!(verdict["exit_code"], exit_code, "{verdict:#}\n{log}");
    let time = verdict["rolled_back_to"].as_str().unwrap();
    let words = words(verdict);
    let (first, last) = words.split_once('\n').unwrap();
    assert!(first.contains(why), "{words}");
    assert!(
        last.ends_with(&format!(
            "rolled back to the recipe of {time}, its services are up"
        )),
        "{words}"
    );
    // The file is written first, and the socket's word changes after it.
    until(|| (vm.health()?["state"] == "failed").then_some(()))
        .expect("monit connects: nothing that it watches is wrong");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn the_recipe_before_comes_back_with_its_files_and_stays_until_the_next_deploy() {
    let vm = Vm::start();
    let good = recipe(&json!({}));
    let verdict = vm.deploy(&good, &properties("old", &json!({})));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let mode = vm
        .paths
        .kept_recipe()
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    let quiet = vm.started_at("running-quiet-1");

    // A crash loop, with another file, another secret, and one service more.
    let mut crashes = recipe(&json!({"command": ["sh", "-c", "echo I crash; exit 7"]}));
    crashes["services"]["extra"] = sleeper();
    let bad = properties("new", &json!({}));
    let verdict = vm.deploy(&crashes, &bad);
    assert_rolled_back(&vm, &verdict, 3, "service web, container running-web-1: ");
    assert_eq!(verdict["errors"][0]["log_tail"][0], "I crash");
    let is_old = |vm: &Vm| {
        assert_eq!(vm.exec("running-web-1", &["cat", "/conf"]), "old");
        let environment = vm.exec("running-web-1", &["env"]);
        assert!(environment.contains("PW=hunter2-old\n"), "{environment}");
        let file = vm.paths.running().join("conf/web").metadata().unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o640);
        assert_eq!(std::os::unix::fs::MetadataExt::gid(&file), 33);
        assert_eq!(vm.started_at("running-quiet-1"), quiet, "it never changed");
        assert!(vm.engine().inspect_container("running-extra-1").is_err());
    };
    is_old(&vm);

    // Neither monit nor a reboot tries it again.
    let web = vm.started_at("running-web-1");
    let verdict = restart(&vm);
    assert_rolled_back(&vm, &verdict, 3, "service web, container running-web-1: ");
    assert_eq!(vm.started_at("running-web-1"), web);
    is_old(&vm);

    // BOSH does: `docker-ctl drain` forgets the failure. This time `up` itself fails, half-way.
    KeptRecipe::forget_failure(&vm.paths).unwrap();
    let waits = recipe(&json!({"depends_on": {"db": {"condition": "service_healthy"}}}));
    let unhealthy =
        json!({"healthcheck": {"test": ["CMD", "false"], "interval": "1s", "retries": 1}});
    let mut waits = waits;
    waits["services"]["db"] = with(sleeper(), &unhealthy);
    let verdict = vm.deploy(&waits, &bad);
    assert_rolled_back(&vm, &verdict, 3, "docker-compose up exited with 1: ");
    is_old(&vm);

    // What is refused touches nothing, and the files on disk are the old ones again.
    let web = vm.started_at("running-web-1");
    let refused = recipe(&json!({"image": "registry.invalid/nope:1"}));
    let verdict = vm.deploy(&refused, &bad);
    assert_rolled_back(
        &vm,
        &verdict,
        1,
        "service web: image registry.invalid/nope:1",
    );
    assert_eq!(vm.started_at("running-web-1"), web);
    is_old(&vm);

    let climbs = properties("new", &json!({"files": {"../x": "y"}}));
    let verdict = vm.deploy(&good, &climbs);
    assert_rolled_back(&vm, &verdict, 2, "../x");
    assert_eq!(vm.started_at("running-web-1"), web);
    is_old(&vm);

    let verdict = vm.deploy(&good, &properties("newer", &json!({})));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert_eq!(verdict["rolled_back_to"], Value::Null);
    assert_eq!(vm.exec("running-web-1", &["cat", "/conf"]), "newer");
    let kept = KeptRecipe::read(&vm.paths).unwrap().unwrap();
    assert_eq!(kept.recipe.variables["PW"], "hunter2-newer");
    assert_eq!(kept.failed, None);

    let off = json!({"rollback_on_failure": false});
    vm.deploy(&good, &properties("newer", &off));
    assert!(
        !vm.paths.kept_recipe().exists(),
        "nothing is kept when it is off"
    );
}

#[test]
fn the_images_of_before_come_back_although_their_names_have_moved() {
    let vm = Vm::start();
    vm.import_image("app:latest", "1");
    let good = recipe(&json!({"image": "app:latest"}));
    let verdict = vm.deploy(&good, &properties("same", &json!({})));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let quiet = vm.started_at("running-quiet-1");

    // The same recipe, and a release whose image does not run.
    vm.import_image("app:latest", "2");
    let crashes = recipe(&json!({
        "image": "app:latest", "command": ["sh", "-c", "test $$(cat /version) = 1 || exit 7; exec sleep 1000000"],
    }));
    let verdict = vm.deploy(&crashes, &properties("same", &json!({})));
    assert_rolled_back(&vm, &verdict, 3, "service web");
    assert_eq!(vm.exec("running-web-1", &["cat", "/version"]), "1");
    assert_eq!(vm.started_at("running-quiet-1"), quiet);
}

#[test]
fn without_a_recipe_of_before_and_when_it_fails_as_well_the_verdict_says_so() {
    let vm = Vm::start();
    let crashes = recipe(
        &json!({"command": ["sh", "-c", "test -e /heal/x || exit 7; exec sleep 1000000"], "volumes": ["./conf/web:/conf:ro", "./heal:/heal"]}),
    );
    let verdict = vm.deploy(
        &crashes,
        &properties(
            "1",
            &json!({"prep": "mkdir -p heal", "restart_limit": {"restarts": 3, "seconds": 5}}),
        ),
    );
    assert_eq!(
        (&verdict["state"], &verdict["exit_code"]),
        (&json!("failed"), &json!(3)),
        "{verdict:#}"
    );
    let told = words(&verdict);
    assert!(
        told.ends_with("nothing was rolled back: no recipe has been healthy on this VM since `rollback_on_failure` is on"),
        "{told}"
    );
    assert_eq!(verdict["rolled_back_to"], Value::Null);
    until(|| vm.health().is_none().then_some(())).expect("the socket closes");

    // It is watched on, and is kept once it is healthy.
    fs::write(vm.paths.running().join("heal/x"), "").unwrap();
    vm.docker(&["restart", "running-web-1"]);
    vm.verdict_that(|verdict| verdict["state"] == "up");

    // The previous recipe has a `prep` that what failed has spoilt.
    let good = recipe(&json!({}));
    let picky = json!({"prep": "test ! -e spoilt"});
    assert_eq!(
        vm.deploy(&good, &properties("2", &picky))["state"],
        "up",
        "{}",
        vm.log()
    );
    let web = vm.started_at("running-web-1");
    let verdict = vm.deploy(
        &good,
        &properties("3", &json!({"prep": "touch spoilt; exit 5"})),
    );
    let told = words(&verdict);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(verdict["exit_code"], 1, "{verdict:#}");
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].contains("the script exited with 5"), "{told}");
    assert!(
        lines[1].starts_with("the rollback to the recipe of ")
            && lines[1].ends_with(" failed as well"),
        "{told}"
    );
    assert!(lines[2].contains("the script exited with 1"), "{told}");
    until(|| vm.health().is_none().then_some(())).expect("the socket closes");
    assert_eq!(vm.started_at("running-web-1"), web, "it serves on");
}
