//! A recipe that was stable once, and what may happen to it afterwards, with a real dockerd and a real Compose.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

/// A service that is healthy as long as there is no file `sick` in its directory `heal`.
fn checked(more: &Value) -> Value {
    let check =
        json!({"test": ["CMD-SHELL", "test ! -e /heal/sick"], "interval": "1s", "retries": 1});
    let settings = json!({"healthcheck": check, "volumes": ["./heal:/heal"], "restart": "always"});
    with(with(sleeper(), &settings), more)
}

fn rolling_back(more: &Value) -> Value {
    with(
        json!({"rollback_on_failure": true, "prep": "mkdir -p heal"}),
        more,
    )
}

fn health(vm: &Vm) -> docker_engine::HealthStatus {
    vm.container("running-web-1").state.health.unwrap().status
}

#[test]
fn a_recipe_that_was_stable_is_not_rolled_back_when_it_is_unhealthy_after_a_silence_of_the_engine()
{
    let vm = Vm::start();
    let recipe = |version: &str| json!({"services": {"web": checked(&json!({"environment": {"VERSION": version}}))}});
    let verdict = vm.deploy(&recipe("1"), &rolling_back(&json!({})));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    // Its images are not all there, so it is not kept although its services are up: there is another one to go back to.
    vm.importer("echo '{\"exit_code\": 4, \"images\": [{\"errors\": [{\"what\": \"image x is damaged\"}]}]}'; exit 4");
    let verdict = vm.deploy(&recipe("2"), &rolling_back(&json!({})));
    let up = "the recipe's services are up in spite of it";
    assert!(words(&verdict).ends_with(up), "{verdict:#}\n{}", vm.log());

    let (dockerd, runner) = (vm.dockerd_pid(), vm.runner_pid().unwrap());
    signal(dockerd, Signal::STOP);
    vm.verdict_that(|verdict| words(verdict).contains("the engine does not answer"));
    // The runner is to see nothing but a sick service.
    signal(runner, Signal::STOP);
    let sick = vm.paths.running().join("heal/sick");
    fs::write(&sick, "").unwrap();
    signal(dockerd, Signal::CONT);
    let is_sick = || (health(&vm) == docker_engine::HealthStatus::Unhealthy).then_some(());
    until(is_sick).unwrap();
    signal(runner, Signal::CONT);
    let verdict = vm.verdict_that(|verdict| words(verdict).contains("is unhealthy"));
    assert_eq!(verdict["rolled_back_to"], Value::Null, "{verdict:#}");
    let environment = vm.exec("running-web-1", &["env"]);
    assert!(environment.contains("VERSION=2\n"), "{environment}");
    fs::remove_file(sick).unwrap();
    vm.verdict_that(|verdict| words(verdict).ends_with(up));
    assert!(!vm.log().contains("rolled back"), "{}", vm.log());
}

#[test]
fn a_recipe_that_was_stable_is_not_rolled_back_to_itself_by_a_new_runner() {
    let vm = Vm::start();
    let recipe = json!({"services": {"web": checked(&json!({}))}});
    let properties = rolling_back(&json!({}));
    assert_eq!(
        vm.deploy(&recipe, &properties)["state"],
        "up",
        "{}",
        vm.log()
    );
    let started = vm.started_at("running-web-1");
    let sick = vm.paths.running().join("heal/sick");
    fs::write(&sick, "").unwrap();
    vm.verdict_that(|verdict| verdict["state"] == "failed");
    let runner = vm.runner_pid().unwrap();
    signal(runner, Signal::KILL);
    vm.wait_for_end(runner);
    vm.start_runner();
    let verdict = vm.verdict();
    assert_eq!(verdict["rolled_back_to"], Value::Null, "{verdict:#}");
    let told = words(&verdict);
    assert!(
        told.contains("is unhealthy")
            && told
                .contains("nothing was rolled back: this recipe is the one that was healthy last"),
        "{told}"
    );
    fs::remove_file(sick).unwrap();
    vm.verdict_that(|verdict| verdict["state"] == "up");
    assert_eq!(vm.started_at("running-web-1"), started);
}

#[test]
fn a_pruned_one_shot_stays_finished_and_a_removed_service_does_not() {
    let vm = Vm::start();
    let recipe = json!({"services": {
        "once": {"image": "test:1", "command": ["sh", "-c", "echo migrated"]},
        "retried": {"image": "test:1", "command": ["true"], "restart": "on-failure", "scale": 2},
        "web": with(sleeper(), &json!({"restart": "always"})),
    }});
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    vm.docker(&["container", "prune", "--force"]);
    assert!(vm.engine().inspect_container("running-once-1").is_err());
    // Longer than a container may be missing.
    std::thread::sleep(std::time::Duration::from_secs(8));
    let verdict = vm.verdict();
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert_eq!(verdict["services"][0]["state"], "exited", "{verdict:#}");
    vm.docker(&["rm", "--force", "running-web-1"]);
    let verdict = vm.verdict_that(|verdict| verdict["state"] == "failed");
    assert_eq!(words(&verdict), "service web: has no container");
    // A start of the recipe runs its one-shots, those that were pruned as well as those that were not.
    let runner = vm.runner_pid().unwrap();
    signal(runner, Signal::KILL);
    vm.wait_for_end(runner);
    vm.start_runner();
    assert_eq!(vm.verdict()["state"], "up", "{}", vm.log());
    let first = vm.started_at("running-once-1");
    let runner = vm.runner_pid().unwrap();
    signal(runner, Signal::KILL);
    vm.wait_for_end(runner);
    vm.start_runner();
    assert_eq!(vm.verdict()["state"], "up", "{}", vm.log());
    assert!(vm.started_at("running-once-1") > first);
}

#[test]
fn a_dockerd_that_keeps_dying_is_told_after_a_while_and_the_recipe_comes_up_when_it_stays() {
    let mut vm = Vm::start();
    // Each `up` kills dockerd, as long as it is to.
    let kills = vm.root().join("kills");
    fs::write(&kills, "").unwrap();
    let compose = vm.paths.compose_bin();
    let real = fs::canonicalize(&compose).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' up '*) test ! -e {} || kill -9 $(cat {});; esac\nexec {} \"$@\"\n",
        kills.display(),
        vm.paths.dockerd_pidfile().display(),
        real.display()
    );
    fs::remove_file(&compose).unwrap();
    vm.program(&compose, &script);
    let recipe = json!({"services": {"web": sleeper()}});
    vm.configure(&recipe, &json!({"start_timeout": 300}));
    vm.start_runner();
    // The next one comes once Compose has seen that the last one died: it would wait for one that is starting.
    // Where Compose names the image that it could not ask for, the service is named, too.
    let failed = |line: &&str| {
        line.contains("ERROR compose-runner: ")
            && line.contains("docker-compose up exited with ")
            && !line.contains("caused by: ")
    };
    let fails = |vm: &mut Vm, death: usize| {
        until(|| (vm.log().lines().filter(failed).count() >= death).then_some(()))
            .unwrap_or_else(|| panic!("death {death}\n{}", vm.log()));
        vm.await_killed_dockerd();
    };
    for death in 1..=5 {
        let state = vm.verdict_that(|_| true)["state"].clone();
        assert_eq!(state, "starting", "death {death}\n{}", vm.log());
        fails(&mut vm, death);
        vm.start_dockerd();
    }
    let verdict = vm.verdict();
    let told = words(&verdict);
    assert!(
        told.starts_with("dockerd or its containerd died or went silent 5 times within "),
        "{verdict:#}"
    );
    let error = &verdict["errors"][0];
    assert!(
        error["hint"].as_str().unwrap().contains("dockerd.log")
            && error["causes"][0]
                .as_str()
                .unwrap()
                .contains("docker-compose up exited with "),
        "{verdict:#}"
    );
    // It tries on, and says no more until it is done.
    fails(&mut vm, 6);
    assert_eq!(vm.verdict_that(|_| true)["state"], "failed");
    assert!(vm.health().is_none());
    fs::remove_file(kills).unwrap();
    vm.start_dockerd();
    let verdict = vm.verdict_that(|verdict| verdict["state"] == "up");
    assert_eq!(verdict["exit_code"], 0);
    assert_eq!(until(|| vm.health()).unwrap()["state"], "up");
}
