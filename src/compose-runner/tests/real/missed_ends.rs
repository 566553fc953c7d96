//! Containers whose end the engine missed, because it had no containerd just then.

use std::time::{Duration, Instant};

use bosh_job::{Pid, ProcessInfo};
use docker_engine::Status;
use rustix::process::Signal;
use serde_json::json;

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

/// The containerd that dockerd has started, if it lives.
pub fn containerd(vm: &Vm) -> Option<i32> {
    let pidfile = vm.paths.exec_root().join("containerd/containerd.pid");
    let process = bosh_job::Pidfile::new(pidfile).living(|info| info.program() == "containerd")?;
    Some(process.pid().as_raw_nonzero().get())
}

/// Kills containerd, and with it the shims and processes of containers. Neither is there to tell dockerd of the ends, and the containerd
/// that comes next tells them before dockerd listens. Waits until dockerd reaches that one.
fn miss_the_ends_of(vm: &Vm, names: &[&str]) {
    let pids: Vec<i32> = names
        .iter()
        .map(|name| vm.container(name).state.pid.try_into().unwrap())
        .collect();
    let shims = pids.iter().map(|pid| {
        ProcessInfo::read(Pid::from_raw(*pid).unwrap())
            .unwrap()
            .parent
    });
    let shims: Vec<i32> = shims.collect();
    signal(containerd(vm).unwrap(), Signal::KILL);
    for shim in shims {
        signal(shim, Signal::KILL);
    }
    for pid in &pids {
        signal(*pid, Signal::KILL);
        vm.wait_for_end(*pid);
    }
    let deadline = Instant::now() + Duration::from_mins(1);
    assert!(vm.engine().wait_for_containerd(deadline, || false));
    for name in names {
        let status = vm.container(name).state.status;
        assert_eq!(status, Status::Running, "the engine has missed it: {name}");
    }
}

fn pid(vm: &Vm, service: &str) -> i64 {
    vm.container(&format!("running-{service}-1")).state.pid
}

#[test]
fn a_service_is_failing_whose_end_the_engine_missed_until_it_runs_again() {
    let vm = Vm::start();
    let restarted = |policy: &str| with(sleeper(), &json!({"restart": policy}));
    let recipe = json!({"services": {
        "web": restarted("always"), "retry": restarted("on-failure"), "once": restarted("no"), "db": restarted("always"),
    }});
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    let before = ["web", "retry", "once", "db"].map(|service| pid(&vm, service));
    let dead = ["running-web-1", "running-retry-1", "running-once-1"];
    miss_the_ends_of(&vm, &dead);
    let verdict =
        vm.verdict_that(|verdict| words(verdict).contains("running-web-1: is dead: its process"));
    assert_eq!(verdict["state"], "failed", "{verdict:#}");
    let told = words(&verdict);
    assert!(
        told.contains("although the engine calls it running"),
        "{told}"
    );
    let services = verdict["services"].as_array().unwrap();
    let state = |name: &str| &services.iter().find(|one| one["name"] == name).unwrap()["state"];
    assert_eq!(
        (state("web"), state("db")),
        (&json!("dead"), &json!("running"))
    );

    let verdict = vm.verdict_that(|verdict| verdict["state"] == "up");
    let after = ["web", "retry", "once", "db"].map(|service| pid(&vm, service));
    for place in 0..3 {
        let (before, after) = (before[place], after[place]);
        assert!(after > 0 && after != before, "{verdict:#}\n{}", vm.log());
    }
    assert_eq!(after[3], before[3], "{}", vm.log());
}

#[test]
fn a_recipe_is_brought_up_over_containers_whose_end_the_engine_missed() {
    let vm = Vm::start();
    let recipe = json!({"services": {"web": sleeper(), "db": sleeper()}});
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    vm.stop_runner_alone();
    let before = ["web", "db"].map(|service| pid(&vm, service));
    miss_the_ends_of(&vm, &["running-web-1"]);
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    let after = ["web", "db"].map(|service| pid(&vm, service));
    assert!(after[0] > 0 && after[0] != before[0], "{}", vm.log());
    assert_eq!(after[1], before[1]);
}

#[test]
fn services_that_are_stopped_while_the_engine_has_no_containerd_have_their_grace_and_are_gone() {
    let vm = Vm::start();
    let slow = json!([
        "sh",
        "-c",
        "trap 'sleep 1; exit 3' TERM; while :; do sleep 0.1; done"
    ]);
    let recipe = json!({"services": {
        "web": with(sleeper(), &json!({"command": slow, "restart": "always"})), "db": with(sleeper(), &json!({"restart": "always"})),
    }});
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    signal(containerd(&vm).unwrap(), Signal::KILL);
    vm.stop();
    let ended = ["web", "db"].map(|service| vm.container(&format!("running-{service}-1")).state);
    let ended = ended.map(|state| (state.status, state.exit_code));
    assert_eq!(
        ended,
        [(Status::Exited, 3), (Status::Exited, 0)],
        "{}",
        vm.log()
    );
}

#[test]
fn an_up_is_repeated_that_failed_because_containerd_died() {
    let vm = Vm::start();
    let check =
        json!({"test": ["CMD", "test", "-e", "/data/up"], "interval": "1s", "retries": 100});
    let recipe = json!({"services": {
        "first": with(sleeper(), &json!({"healthcheck": check, "volumes": ["data:/data"]})),
        "second": with(sleeper(), &json!({"depends_on": {"first": {"condition": "service_healthy"}}})),
    }, "volumes": {"data": {}}});
    vm.configure(&recipe, &json!({}));
    vm.start_runner();
    let runs = || {
        vm.engine()
            .inspect_container("running-first-1")
            .is_ok_and(|one| one.state.pid > 0)
    };
    until(|| runs().then_some(())).unwrap_or_else(|| panic!("{}", vm.log()));
    vm.exec("running-first-1", &["touch", "/data/up"]);
    signal(containerd(&vm).unwrap(), Signal::KILL);
    let verdict = vm.verdict();
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert!(pid(&vm, "first") > 0 && pid(&vm, "second") > 0);
}

#[test]
fn a_deploy_is_not_rolled_back_for_ends_that_the_engine_missed() {
    let vm = Vm::start();
    let recipe = |version: &str| {
        let service = with(sleeper(), &json!({"labels": {"version": version}}));
        let restarted = |policy: &str| with(service.clone(), &json!({"restart": policy}));
        json!({"services": {"web": restarted("always"), "retry": restarted("on-failure"), "once": restarted("no")}})
    };
    let properties = json!({"rollback_on_failure": true});
    let verdict = vm.deploy(&recipe("1"), &properties);
    assert_eq!(verdict["state"], "up", "{}", vm.log());
    vm.stop_runner_alone();
    // long enough that the ends fall into the start
    let slow = json!({"rollback_on_failure": true, "stable_seconds": 20, "start_timeout": 120});
    vm.configure(&recipe("2"), &slow);
    vm.start_runner();
    let names = ["running-web-1", "running-retry-1", "running-once-1"];
    let is_new = |name: &&str| {
        let container = vm.engine().inspect_container(name);
        container.is_ok_and(|one| {
            one.state.pid > 0
                && one
                    .config
                    .labels
                    .get("version")
                    .is_some_and(|version| version == "2")
        })
    };
    until(|| vm.log().contains("bringing the recipe up").then_some(())).expect("an up");
    until(|| names.iter().all(is_new).then_some(())).unwrap_or_else(|| panic!("{}", vm.log()));
    miss_the_ends_of(&vm, &names);
    let verdict = vm.verdict();
    assert_eq!(
        (&verdict["state"], &verdict["rolled_back_to"]),
        (&json!("up"), &serde_json::Value::Null),
        "{verdict:#}\n{}",
        vm.log()
    );
    assert!(names.iter().all(is_new), "{}", vm.log());
    assert!(vm.log().contains("the engine missed it"), "{}", vm.log());
}
