//! Networks that an earlier or failed recipe left, and subnets for those that a recipe makes.

use serde_json::{Map, Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::Vm,
};

/// A service in so many networks of its own.
fn in_networks(names: &[String]) -> Value {
    let networks: Map<String, Value> = names.iter().map(|name| (name.clone(), json!({}))).collect();
    json!({"services": {"a": with(sleeper(), &json!({"networks": names}))}, "networks": networks})
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}")).collect()
}

fn networks(vm: &Vm) -> Vec<String> {
    let networks = vm.engine().networks(&docker_engine::Filters::default());
    networks
        .unwrap()
        .into_iter()
        .map(|network| network.name)
        .collect()
}

#[test]
fn what_a_recipe_left_behind_goes_and_what_others_have_stays() {
    let vm = Vm::start();
    let label = "com.docker.compose.project=running";
    for (name, label) in [
        ("running_left", label),
        ("running_used", label),
        ("running_stopped", label),
        ("theirs", "com.docker.compose.project=theirs"),
        ("plain", "x=y"),
    ] {
        vm.docker(&["network", "create", "--label", label, name]);
    }
    vm.docker(&["run", "--detach", "--network", "running_used", "test:1"]);
    vm.docker(&["create", "--network", "running_stopped", "test:1"]);
    let verdict = vm.deploy(&in_networks(&["front".to_owned()]), &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let now = networks(&vm);
    assert!(!now.contains(&"running_left".to_owned()), "{now:?}");
    for stays in [
        "running_used",
        "running_stopped",
        "theirs",
        "plain",
        "running_front",
    ] {
        assert!(now.contains(&stays.to_owned()), "{stays}: {now:?}");
    }
    // those of the recipe before go with the next deploy at the latest
    let next = in_networks(&["back".to_owned()]);
    for _ in 0..2 {
        assert_eq!(vm.deploy(&next, &json!({}))["state"], "up", "{}", vm.log());
    }
    assert!(!networks(&vm).contains(&"running_front".to_owned()));
}

#[test]
fn too_few_subnets_are_told_before_anything_is_touched_and_leftovers_make_room() {
    let vm = Vm::start();
    let good = in_networks(&numbered(1));
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    let started = vm.started_at("running-a-1");
    // dockerd has 31 subnets, one for its own bridge
    let verdict = vm.deploy(&in_networks(&numbered(40)), &json!({}));
    let words = words(&verdict);
    assert!(
        words.contains("the recipe makes 39 networks"),
        "{verdict:#}"
    );
    let hint = verdict["errors"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("default_address_pools"), "{verdict:#}");
    assert_eq!(vm.started_at("running-a-1"), started);
    assert_eq!(networks(&vm).len(), 4, "none was made: {:?}", networks(&vm));

    // a failed recipe of an earlier release has used them up
    for number in 0..29 {
        let name = format!("running_left{number}");
        let label = "com.docker.compose.project=running";
        vm.docker(&["network", "create", "--label", label, &name]);
    }
    let corrected = in_networks(&["front".to_owned()]);
    let verdict = vm.deploy(&corrected, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());

    // what the engine says itself gets the hint, too: here it knows less than `daemon.json` promises
    vm.daemon_json(&json!({"default-address-pools": [{"base": "10.200.0.0/16", "size": 24}]}));
    let verdict = vm.deploy(&in_networks(&numbered(35)), &json!({}));
    assert_eq!(verdict["state"], "failed", "{verdict:#}");
    let hint = verdict["errors"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("default_address_pools"), "{verdict:#}");
}
