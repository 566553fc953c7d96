//! What can be known of a recipe is told before anything is touched, all at once.

use std::time::{Duration, Instant};

use docker_engine::ImageStore;
use serde_json::{Map, Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::Vm,
};

fn warnings(verdict: &Value) -> String {
    let warnings = verdict["warnings"].as_array().unwrap().iter();
    let warnings = warnings.map(|warning| warning["what"].as_str().unwrap());
    warnings.collect::<Vec<_>>().join("\n")
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_what_serves_is_not_touched() {
    let vm = Vm::start();
    let good = json!({"services": {"a": sleeper()}});
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    let started = vm.started_at("running-a-1");
    vm.docker(&["create", "--name", "taken", "test:1"]);
    let on = |more: Value| with(sleeper(), &more);
    let bad = json!({
        "services": {
            "a": on(json!({"environment": {"B": "2"}})),
            "named": on(json!({"container_name": "taken"})),
            "secret": on(json!({"secrets": ["key"], "configs": ["conf"]})),
            "network": on(json!({"networks": ["outer"]})),
            "volume": on(json!({"volumes": ["data:/data"]})),
            "built": {"build": "./nope"},
            "missing": on(json!({"image": "nowhere.invalid/x:1"})),
            "another": on(json!({"image": "nowhere.invalid/y:1", "pull_policy": "never"})),
            "port-1": on(json!({"ports": ["8080:80"]})),
            "port-2": on(json!({"ports": ["127.0.0.1:8080:80"]})),
            "shared": on(json!({"network_mode": "service:a", "ports": ["81:81"]})),
        },
        "secrets": {"key": {"environment": "KEY"}}, "configs": {"conf": {"environment": "CONF"}},
        "networks": {"outer": {"external": true}}, "volumes": {"data": {"external": true, "name": "elsewhere"}},
    });
    let verdict = vm.deploy(&bad, &json!({"variables": {"CONF": "x"}}));
    let told = words(&verdict);
    for expected in [
        "service named wants the container name taken, which a container that is not of the recipe has",
        "service secret, `secrets`: key is to hold the variable KEY, which is not set",
        "service network: there is no network outer",
        "service volume: there is no volume elsewhere",
        "service built: its image cannot be built on this machine",
        "service missing: image nowhere.invalid/x:1 is not on this machine",
        "service another: image nowhere.invalid/y:1 is not on this machine",
        "services port-1 and port-2 both publish port 127.0.0.1:8080/tcp",
        "service shared publishes ports, and is in the network of service a",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(told.lines().count(), 9, "{told}");
    for error in verdict["errors"].as_array().unwrap() {
        for part in ["service", "property", "hint"] {
            assert!(error[part].is_string(), "{part}: {error:#}");
        }
    }
    assert_eq!(vm.started_at("running-a-1"), started);
}

#[test]
fn one_container_name_of_two_services_is_refused_and_what_serves_is_not_touched() {
    let vm = Vm::start();
    let good = json!({"services": {"a": sleeper()}});
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    let started = vm.started_at("running-a-1");
    let twin = |version: &str| {
        let more = json!({"container_name": "twin", "environment": {"VERSION": version}});
        with(sleeper(), &more)
    };
    let a = with(sleeper(), &json!({"environment": {"B": "2"}}));
    let twins = json!({"services": {"a": a, "twin-1": twin("1"), "twin-2": twin("2")}});
    let verdict = vm.deploy(&twins, &json!({}));
    assert_eq!(verdict["state"], "failed", "{verdict:#}");
    // newer Composes refuse it themselves, and name one of the two
    let told = words(&verdict);
    assert!(
        told == "services twin-1 and twin-2 both have `container_name: twin`"
            || told.contains("Compose refuses it")
                && told.contains("twin-")
                && told.contains("\"twin\""),
        "{told}"
    );
    assert_eq!(vm.started_at("running-a-1"), started);
}

#[test]
fn what_prep_makes_is_looked_for_after_it_has_run() {
    let vm = Vm::start();
    let recipe = json!({
        "services": {"a": with(sleeper(), &json!({"networks": ["outer"], "secrets": ["key"]}))},
        "networks": {"outer": {"external": true}}, "secrets": {"key": {"environment": "KEY"}},
    });
    let prep = |script: &str| json!({"prep": format!("#!/bin/sh\nset -e\n{script}\n")});
    let verdict = vm.deploy(&recipe, &prep("true"));
    let told = words(&verdict);
    assert!(
        told.contains("no network outer") && told.contains("variable KEY"),
        "{told}"
    );
    let script = "docker network create outer; echo KEY=x >.env";
    let verdict = vm.deploy(&recipe, &prep(script));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
}

#[test]
fn all_missing_images_are_named_and_none_is_pulled_once_the_time_is_over() {
    let vm = Vm::start();
    // a registry that nobody finds on the link: each try takes its seconds
    vm.sh("ip link add eth9 type veth peer name eth8 && ip link set eth9 up && ip link set eth8 up && ip address add 10.50.0.2/24 dev eth9");
    let services: Map<String, Value> = (0..30)
        .map(|number| {
            let image = format!("10.50.0.9:5000/app{number:02}:1");
            (format!("s{number:02}"), json!({ "image": image }))
        })
        .collect();
    let began = Instant::now();
    let verdict = vm.deploy(
        &json!({ "services": services }),
        &json!({"start_timeout": 12}),
    );
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let told = words(&verdict);
    for number in 0..30 {
        let expected = format!("image 10.50.0.9:5000/app{number:02}:1 is not on this machine");
        assert!(told.contains(&expected), "{expected}: {told}");
    }
    let errors = verdict["errors"].as_array().unwrap();
    let not_tried = |error: &&Value| error["causes"].to_string().contains("it was not tried");
    let count = errors.iter().filter(not_tried).count();
    assert!((1..30).contains(&count), "{count} not tried: {verdict:#}");
    let hints = errors.iter().map(|error| error["hint"].as_str().unwrap());
    assert!(
        hints
            .clone()
            .all(|hint| hint.contains("image-packager freeze"))
    );
}

#[test]
fn what_is_always_to_be_pulled_is_used_as_it_is_where_no_registry_answers() {
    let vm = Vm::start();
    let always = with(sleeper(), &json!({"pull_policy": "always"}));
    let unwanted = json!({"image": "nowhere.invalid/x:1", "pull_policy": "always", "scale": 0});
    let build = with(
        sleeper(),
        &json!({"build": "./nope", "pull_policy": "build"}),
    );
    let recipe =
        json!({"services": {"a": always, "off": unwanted, "built": build, "plain": sleeper()}});
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let told = warnings(&verdict);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(
        told.contains(
            "service a: image test:1 is used as it is on this machine: its `pull_policy` is always"
        ),
        "{told}"
    );
    assert!(
        told.contains("service built: image test:1 is used as it is"),
        "{told}"
    );
    // not even a changed policy touches the service
    let started = vm.started_at("running-a-1");
    let missing = json!({"services": {"a": sleeper()}});
    let verdict = vm.deploy(&missing, &json!({}));
    assert_eq!(
        (&verdict["state"], warnings(&verdict).as_str()),
        (&json!("up"), "")
    );
    assert_eq!(vm.started_at("running-a-1"), started);
}

#[test]
fn of_a_recipe_that_is_no_yaml_its_own_line_is_told() {
    let vm = Vm::start();
    let recipe = json!("services:\n  a:\n    image: test:1\n   hunter2: 1\n");
    let verdict = vm.deploy(&recipe, &json!({}));
    let told = words(&verdict);
    assert!(told.contains("(line 4, column 4 of the recipe)"), "{told}");
    assert!(!told.contains("line 1"), "{told}");
    assert!(!verdict.to_string().contains("hunter2"), "{verdict:#}");
}

#[test]
fn a_quota_that_the_image_store_ignores_is_refused_with_the_service() {
    let mut vm = Vm::start();
    vm.daemon_json(&json!({"features": {"containerd-snapshotter": true}}));
    vm.end_dockerd();
    vm.start_dockerd();
    vm.import_image("test:1", "1");
    let recipe = json!({"services": {
        "a": sleeper(),
        "db": with(sleeper(), &json!({"storage_opt": {"size": "10M"}})),
        "off": with(sleeper(), &json!({"storage_opt": {"size": "10M"}, "scale": 0})),
    }});
    let verdict = vm.deploy(&recipe, &json!({}));
    let told = words(&verdict);
    if vm.engine().info().unwrap().image_store() == ImageStore::Containerd {
        assert_eq!(verdict["exit_code"], 2, "{verdict:#}");
        assert!(
            told.contains("service db: `storage_opt` (size) has no effect"),
            "{told}"
        );
        assert!(!told.contains("service off"), "{told}");
    } else {
        // an engine before 24, whose graph driver says itself that it has no quotas
        assert!(told.contains("storage-opt"), "{told}");
    }
    assert_eq!(verdict["state"], "failed", "{verdict:#}");
}
