//! Services in the host's network, and ports that the recipe's own containers hold there.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal},
};

/// A web server on a port of its network.
fn web(port: u16, more: &Value) -> Value {
    let command = format!("trap 'exit 0' TERM; busybox httpd -f -p {port} & wait");
    let service = json!({"image": "test:1", "command": ["sh", "-c", command], "init": true});
    with(service, more)
}

fn recipe(services: &Value) -> Value {
    json!({ "services": services })
}

#[test]
fn what_the_recipe_s_own_containers_hold_is_in_nobody_s_way() {
    let vm = Vm::start();
    let deploy = |services: Value| {
        let verdict = vm.deploy(&recipe(&services), &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    };
    let host = json!({"network_mode": "host", "ports": ["8080:8080"]});
    // what is published out of the host's network counts for nothing, also beside one that publishes it
    deploy(json!({"web": web(8080, &host)}));
    let started = vm.started_at("running-web-1");
    deploy(json!({"web": web(8080, &host)}));
    assert_eq!(vm.started_at("running-web-1"), started);
    let changed = with(host.clone(), &json!({"environment": {"A": "2"}}));
    deploy(json!({"web": web(8080, &changed)}));

    // a runner that comes after one that died
    let killed = vm.runner_pid().unwrap();
    signal(killed, Signal::KILL);
    vm.wait_for_end(killed);
    std::fs::remove_file(vm.paths.verdict()).unwrap();
    vm.start_runner();
    assert_eq!(vm.verdict()["state"], "up", "{}", vm.log());

    // out of the host's network and back, also paused
    deploy(json!({"web": web(8080, &json!({"ports": ["8080:8080"]}))}));
    vm.docker(&["pause", "running-web-1"]);
    let paused = web(
        8080,
        &json!({"ports": ["8080:8080"], "environment": {"A": "3"}}),
    );
    deploy(json!({"web": paused}));
    deploy(json!({"web": web(8080, &host)}));
    vm.docker(&["pause", "running-web-1"]);
    deploy(json!({"other": web(80, &json!({"ports": ["127.0.0.1:8080:80"]}))}));
    assert!(vm.sh("ss -Hltn 'sport = 8080'").contains("127.0.0.1"));
}

#[test]
fn somebody_else_s_process_is_named_also_one_in_a_container_of_the_host_s_network() {
    let vm = Vm::start();
    vm.docker(&[
        "run",
        "--detach",
        "--name",
        "theirs",
        "--network",
        "host",
        "test:1",
        "busybox",
        "httpd",
        "-f",
        "-p",
        "8080",
    ]);
    let wanted = json!({"web": with(sleeper(), &json!({"ports": ["0.0.0.0:8080:80"]}))});
    let verdict = vm.deploy(&recipe(&wanted), &json!({}));
    let expected =
        "service web publishes port 0.0.0.0:8080/tcp, which container theirs holds (process ";
    assert!(words(&verdict).contains(expected), "{verdict:#}");
    let scaled_down = with(wanted["web"].clone(), &json!({"scale": 0}));
    let services = json!({"web": sleeper(), "none": scaled_down});
    let verdict = vm.deploy(&recipe(&services), &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}");
}

#[test]
fn ports_that_clash_within_the_recipe_are_refused_before_anything_is_touched() {
    let vm = Vm::start();
    let good = recipe(&json!({"a": sleeper()}));
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    let started = vm.started_at("running-a-1");
    let on = |ports: Value| with(sleeper(), &json!({ "ports": ports }));
    for (a, b) in [
        (json!(["0.0.0.0:8080:80"]), json!(["127.0.0.1:8080:80"])),
        (json!(["8080:80"]), json!(["[::]:8080:80"])),
        (
            json!([{"target": 80, "published": "8080", "host_ip": "::1"}]),
            json!(["8080:81"]),
        ),
        (json!(["8079-8081:79-81"]), json!(["8080:80/tcp"])),
    ] {
        let clash = recipe(&json!({"a": on(a), "b": on(b)}));
        let verdict = vm.deploy(&clash, &json!({}));
        assert!(
            words(&verdict).contains("services a and b both publish port "),
            "{verdict:#}"
        );
        assert_eq!(vm.started_at("running-a-1"), started);
    }
}
