//! What an error says of a container, and where it sends the reader, with a real dockerd and a real Compose.

use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, until},
};

fn completed(service: &str) -> Value {
    json!({"depends_on": {service: {"condition": "service_completed_successfully"}}})
}

#[test]
fn a_start_error_and_an_exit_of_an_earlier_deploy_are_not_told_as_this_ones() {
    let vm = Vm::start();
    let recipe = |db: &str| {
        let absent = with(
            json!({"image": "test:1", "command": ["/absent"]}),
            &completed("db"),
        );
        let fails = json!({"image": "test:1", "command": ["sh", "-c", "exit 9"]});
        json!({"services": {
            "db": {"image": "test:1", "command": ["sh", "-c", db]},
            "absent": absent,
            "fails": with(fails, &completed("db")),
        }})
    };
    let verdict = vm.deploy(&recipe("exit 0"), &json!({}));
    let told = words(&verdict);
    assert!(
        told.contains("service absent, container running-absent-1: could not be started: ")
            && told.contains("/absent"),
        "{told}"
    );
    assert!(!vm.container("running-absent-1").state.error.is_empty());
    // Now Compose does not get to them.
    let verdict = vm.deploy(&recipe("exit 4"), &json!({}));
    let told = words(&verdict);
    assert!(
        told.contains("service db, container running-db-1: exited with 4"),
        "{told}"
    );
    assert!(
        !told.contains("absent") && !told.contains("fails"),
        "{told}"
    );
    // And when it tries again, it is told again.
    let verdict = vm.deploy(&recipe("true"), &json!({}));
    let told = words(&verdict);
    assert!(
        told.contains("service absent, container running-absent-1: could not be started: "),
        "{told}"
    );
}

/// Asks for more memory than it gets.
fn greedy() -> Value {
    let eats = "busybox awk 'BEGIN { text = \"x\"; while (1) text = text text }'";
    json!({"image": "test:1", "command": ["sh", "-c", format!("exec {eats}")], "mem_limit": "16m", "memswap_limit": "16m"})
}

#[test]
fn out_of_memory_is_told_of_what_an_up_waits_for_of_a_one_shot_and_of_a_crash_loop() {
    let vm = Vm::start();
    let waiting = with(sleeper(), &completed("eats"));
    let verdict = vm.deploy(
        &json!({"services": {"eats": greedy(), "web": waiting}}),
        &json!({}),
    );
    let told = words(&verdict);
    assert!(
        told.contains("container running-eats-1: exited with 137 (out of memory)"),
        "{told}"
    );
    for policy in ["no", "always"] {
        let service = with(greedy(), &json!({"restart": policy}));
        let more = json!({"restart_limit": {"restarts": 2, "seconds": 300}});
        let verdict = vm.deploy(&json!({"services": {"eats": service}}), &more);
        let told = words(&verdict);
        assert!(
            told.contains("exited with 137 (out of memory)"),
            "{policy}: {told}\n{}",
            vm.log()
        );
        assert_eq!(
            verdict["services"][0]["oom_killed"], true,
            "{policy}: {verdict:#}"
        );
    }
}

#[test]
fn an_error_names_docker_logs_only_where_that_has_the_output() {
    let vm = Vm::start();
    let service = |logging: Value| json!({"image": "test:1", "command": ["sh", "-c", "echo last words; exit 9"], "logging": logging});
    let address = json!({"syslog-address": "udp://127.0.0.1:5140", "cache-disabled": "true"});
    let recipe = json!({"services": {
        "file": service(json!({"driver": "json-file"})),
        "local": service(json!({"driver": "local"})),
        "none": service(json!({"driver": "none"})),
        "syslog": service(json!({"driver": "syslog", "options": address})),
    }});
    // All of them end before the first look: one verdict has them all.
    let verdict = vm.deploy(&recipe, &json!({}));
    let error = |service: &str| {
        let errors = verdict["errors"].as_array().unwrap();
        let found = errors.iter().find(|error| error["service"] == service);
        found.unwrap_or_else(|| panic!("{service}: {verdict:#}"))
    };
    for service in ["file", "local"] {
        let hint = format!("all that it said: `docker logs running-{service}-1`");
        assert_eq!(error(service)["hint"], hint);
        assert_eq!(error(service)["log_tail"], json!(["last words"]));
    }
    for (service, place) in [
        ("none", "is kept nowhere"),
        ("syslog", "udp://127.0.0.1:5140"),
    ] {
        let hint = error(service)["hint"].as_str().unwrap();
        assert!(
            hint.contains(place) && !hint.contains("all that it said"),
            "{hint}"
        );
    }
}

#[test]
fn output_of_services_with_long_and_similar_names_is_collected_each_in_its_own_file() {
    let vm = Vm::start();
    let long = "l".repeat(230);
    let names = [
        format!("{long}a"),
        format!("{long}b"),
        "web".to_owned(),
        "Web".to_owned(),
        "web.1".to_owned(),
    ];
    let services = names.iter().enumerate().map(|(number, name)| {
        let says = format!("echo I am number {number}; exec sleep 1000000");
        let service = json!({"image": "test:1", "command": ["sh", "-c", says]});
        (name.clone(), service)
    });
    let services: serde_json::Map<_, _> = services.collect();
    let verdict = vm.deploy(&json!({"services": services}), &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    for number in 0..names.len() {
        let files = || {
            let all = std::fs::read_dir(vm.paths.log_dir()).unwrap();
            let of_service = all.filter_map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name()?.to_str()?.to_owned();
                let text = std::fs::read_to_string(&path).ok()?;
                let is_one =
                    name.starts_with("service.") && text.contains(&format!("I am number {number}"));
                (is_one && text.lines().count() == 1).then_some(name)
            });
            let names: Vec<String> = of_service.collect();
            (names.len() == 1).then_some(names)
        };
        until(files).unwrap_or_else(|| panic!("{}\n{}", names[number], vm.log()));
    }
}
