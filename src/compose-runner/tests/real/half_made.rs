//! What is left of an `up` that failed or was killed while it recreated a container.

use std::{fs, thread, time::Duration};

use docker_engine::{Filters, Status};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

/// Names of all containers, sorted.
fn names(vm: &Vm) -> Vec<String> {
    let all = vm.engine().containers(&Filters::all()).unwrap();
    let mut names: Vec<_> = all.iter().map(|one| one.name().to_owned()).collect();
    names.sort();
    names
}

/// Names of the containers that run, and when each started.
fn running(vm: &Vm) -> Vec<(String, String)> {
    let states = names(vm)
        .into_iter()
        .map(|name| (vm.container(&name).state, name));
    states
        .filter(|(state, _)| state.status == Status::Running)
        .map(|(state, name)| (name, state.started_at))
        .collect()
}

/// Compose copies the config into the new container, and cannot: before 2.40 when it creates it, while the old one serves, and
/// later when it starts it.
fn fails_half_way() -> Value {
    let web = json!({"configs": [{"source": "conf", "target": "/bin/busybox/conf"}]});
    json!({"services": {"web": with(sleeper(), &web), "db": sleeper()}, "configs": {"conf": {"content": "x"}}})
}

#[test]
fn an_up_that_fails_half_way_leaves_the_way_back_and_says_what_runs() {
    let vm = Vm::start();
    let good = json!({"services": {"web": sleeper(), "db": sleeper()}});
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    let started = || ["running-web-1", "running-db-1"].map(|name| vm.started_at(name));
    let before = started();
    for _ in 0..2 {
        // what runs before this deploy: where Compose starts the new one last, an earlier failure has taken the old one down
        let (running_before, said_before) = (running(&vm), vm.log().len());
        let verdict = vm.deploy(&fails_half_way(), &json!({}));
        assert_eq!(verdict["state"], "failed", "{verdict:#}");
        assert_eq!(names(&vm), ["running-db-1", "running-web-1"]);
        let goes_on = running(&vm) == running_before;
        assert_eq!(
            goes_on,
            vm.log()[said_before..].contains("what ran before goes on"),
            "{}",
            vm.log()
        );
        assert_eq!(
            !goes_on,
            words(&verdict).contains("service web does not run"),
            "{verdict:#}"
        );
        assert_eq!(started()[1], before[1]);
    }
    // what can be known of the kind is refused
    let web = json!({"read_only": true, "secrets": ["pw"]});
    let read_only = json!({"services": {"web": with(sleeper(), &web), "db": sleeper()}, "secrets": {"pw": {"environment": "PW"}}});
    let verdict = vm.deploy(&read_only, &json!({"variables": {"PW": "hunter2hunter2"}}));
    assert_eq!(verdict["exit_code"], 2, "{verdict:#}");
    assert!(
        words(&verdict).contains("Compose cannot copy pw"),
        "{verdict:#}"
    );
    let between = started();
    let verdict = vm.deploy(&good, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert!(
        started() == before || between != before,
        "what served serves on"
    );
    assert_eq!(names(&vm), ["running-db-1", "running-web-1"]);

    let rolls_back = json!({"rollback_on_failure": true});
    assert_eq!(vm.deploy(&good, &rolls_back)["state"], "up");
    let verdict = vm.deploy(&fails_half_way(), &rolls_back);
    assert!(
        words(&verdict).contains("rolled back to the recipe of "),
        "{verdict:#}"
    );
    assert!(
        words(&verdict).ends_with("its services are up"),
        "{verdict:#}"
    );
    assert_eq!(names(&vm), ["running-db-1", "running-web-1"]);
}

#[test]
fn a_container_that_serves_outlives_what_earlier_releases_left_half_made() {
    let vm = Vm::start();
    let recipe = json!({"services": {"web": sleeper()}});
    assert_eq!(vm.deploy(&recipe, &json!({}))["state"], "up");
    let started = vm.started_at("running-web-1");
    let id = vm.container("running-web-1").id;
    for replaces in [id.as_str(), "web-1"] {
        let inspected = vm.docker(&["inspect", "running-web-1"]).stdout;
        let inspected: Value = serde_json::from_slice(&inspected).unwrap();
        let mut config = inspected[0]["Config"].clone();
        config["Labels"]["com.docker.compose.replace"] = replaces.into();
        let name = format!("{}_running-web-1", &id[..12]);
        vm.engine().create_container(Some(&name), config).unwrap();
        let verdict = vm.deploy(&recipe, &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        assert_eq!(names(&vm), ["running-web-1"]);
        assert_eq!(vm.started_at("running-web-1"), started);
    }
}

/// A service that ends only when it is killed, after its grace.
fn slow(version: &str, grace: &str) -> Value {
    json!({"services": {"web": {
        "image": "test:1", "command": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
        "stop_grace_period": grace, "environment": {"VERSION": version},
    }}})
}

/// Deploys another version, and waits until Compose waits for the end of the old container.
fn begin_update(vm: &Vm, version: &str) -> i32 {
    vm.stop_runner_alone();
    vm.configure(&slow(version, "6s"), &json!({}));
    vm.start_runner();
    let compose = until(|| {
        let half_made = names(vm)
            .iter()
            .any(|name| name.ends_with("_running-web-1"));
        half_made.then(|| vm.compose_pid()).flatten()
    });
    compose.unwrap_or_else(|| panic!("docker-compose recreates\n{}", vm.log()))
}

#[test]
fn a_compose_that_is_killed_while_it_waits_for_the_old_container_takes_nothing_down() {
    let vm = Vm::start();
    assert_eq!(vm.deploy(&slow("1", "6s"), &json!({}))["state"], "up");
    let old = vm.container("running-web-1").id;
    // the runner as well, and the operator goes back
    let compose = begin_update(&vm, "2");
    let runner = vm.runner_pid().unwrap();
    signal(runner, Signal::KILL);
    signal(compose, Signal::KILL);
    vm.wait_for_end(runner);
    let verdict = vm.deploy(&slow("1", "6s"), &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert_eq!(vm.container("running-web-1").id, old, "{}", vm.log());
    assert_eq!(names(&vm), ["running-web-1"]);
    thread::sleep(Duration::from_secs(7));
    assert_eq!(vm.container("running-web-1").state.status, Status::Running);

    // Compose alone: it is run again
    signal(begin_update(&vm, "3"), Signal::KILL);
    let verdict = vm.verdict();
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert_ne!(vm.container("running-web-1").id, old);
    assert_eq!(names(&vm), ["running-web-1"]);
}

#[test]
fn an_up_whose_time_is_over_while_it_waits_for_the_old_container_leaves_it_running() {
    let vm = Vm::start();
    assert_eq!(vm.deploy(&slow("1", "34s"), &json!({}))["state"], "up");
    let old = vm.container("running-web-1").id;
    let verdict = vm.deploy(&slow("2", "34s"), &json!({"start_timeout": 20}));
    assert_eq!(verdict["state"], "failed", "{verdict:#}");
    assert!(
        words(&verdict).starts_with("docker-compose up did not end within 30 s"),
        "{verdict:#}"
    );
    assert!(vm.log().contains("what ran before goes on"), "{}", vm.log());
    // The engine has killed it all the same: nobody told it otherwise.
    let web = vm.container("running-web-1");
    assert_eq!(
        (web.id, web.state.status),
        (old, Status::Running),
        "{}",
        vm.log()
    );
    assert_eq!(names(&vm), ["running-web-1"]);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(vm.container("running-web-1").state.status, Status::Running);
}

#[test]
fn the_last_container_of_a_service_gets_its_name_back_and_keeps_its_anonymous_volume() {
    let vm = Vm::start();
    let recipe = json!({"services": {"db": with(sleeper(), &json!({"volumes": ["/data"]}))}});
    assert_eq!(vm.deploy(&recipe, &json!({}))["state"], "up");
    vm.exec("running-db-1", &["sh", "-c", "echo precious >/data/file"]);
    vm.stop();
    // As Compose creates the new one, up to the moment between removing the old one and the name.
    let engine = vm.engine();
    let old: Value =
        serde_json::from_slice(&vm.docker(&["inspect", "running-db-1"]).stdout).unwrap();
    let (old, mount) = (&old[0], &old[0]["Mounts"][0]);
    let id = old["Id"].as_str().unwrap();
    let mut config = old["Config"].clone();
    config["Labels"]["com.docker.compose.replace"] = id.into();
    config["HostConfig"] = json!({
        "Mounts": [{"Type": "volume", "Source": mount["Name"], "Target": mount["Destination"]}],
        "NetworkMode": old["HostConfig"]["NetworkMode"],
    });
    let name = format!("{}_running-db-1", &id[..12]);
    let new = engine.create_container(Some(&name), config).unwrap();
    engine.remove_container(id, false).unwrap();

    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert_eq!(names(&vm), ["running-db-1"]);
    assert_eq!(vm.container("running-db-1").id, new, "{}", vm.log());
    assert_eq!(
        vm.exec("running-db-1", &["cat", "/data/file"]),
        "precious\n"
    );
}

#[test]
fn what_does_not_run_any_more_is_named() {
    let vm = Vm::start();
    let good = json!({"services": {"a": sleeper(), "b": sleeper()}});
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    // `a` is recreated and then cannot be started; `b` is as before.
    let broken = json!({"services": {
        "a": with(sleeper(), &json!({"entrypoint": ["/nowhere"]})), "b": sleeper(),
    }});
    let verdict = vm.deploy(&broken, &json!({}));
    assert_eq!(verdict["state"], "failed", "{verdict:#}");
    let told = words(&verdict);
    assert!(
        told.ends_with("of what ran before, service a does not run"),
        "{told}"
    );
    assert!(
        !vm.log().contains("what ran before goes on"),
        "{}",
        vm.log()
    );
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up", "{}", vm.log());

    // The rollback fails as well, and does not claim to have done its work.
    let picky = json!({"rollback_on_failure": true, "prep": "test ! -e spoilt"});
    assert_eq!(vm.deploy(&good, &picky)["state"], "up", "{}", vm.log());
    let spoils = json!({"rollback_on_failure": true, "prep": "touch spoilt"});
    let verdict = vm.deploy(&broken, &spoils);
    let told = words(&verdict);
    assert!(told.contains("the rollback to the recipe of "), "{told}");
    assert!(
        told.ends_with("of what ran before, service a does not run"),
        "{told}"
    );
    assert_eq!(verdict["rolled_back_to"], Value::Null, "{verdict:#}");
    fs::remove_file(vm.paths.running().join("spoilt")).unwrap();
}
