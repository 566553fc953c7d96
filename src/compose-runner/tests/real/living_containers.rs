//! Containers whose processes look unlike others', and live: nobody calls them dead, with a containerd or without.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use bosh_job::{ContainerProcesses, Pid, Pidfile, ProcessInfo};
use docker_engine::{Container, Filters, Status};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    missed_ends::containerd,
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};
use state_files::StateFile as _;

/// Longer than anything is borne with before it is called dead, and than the engine is without its containerd.
const WATCHED: Duration = Duration::from_secs(20);

/// What the process of a container does before it waits: it leaves the container's cgroup, in each hierarchy that there is.
const LEAVE: &str = "for tasks in /machine/cgroup.procs /machine/*/cgroup.procs; do [ -w $$tasks ] && echo $$$$ >$$tasks; done; \
     trap 'exit 0' TERM; touch /left; while :; do sleep 0.1; done";

fn services() -> Value {
    let leaver = json!({
        "command": ["sh", "-c", LEAVE], "privileged": true, "pid": "host", "volumes": ["/sys/fs/cgroup:/machine"],
    });
    json!({
        "plain": sleeper(),
        "host-pid": with(sleeper(), &json!({"pid": "host"})),
        "host-network": with(sleeper(), &json!({"network_mode": "host", "ipc": "host", "uts": "host"})),
        "host-users": with(sleeper(), &json!({"userns_mode": "host"})),
        "no-network": with(sleeper(), &json!({"network_mode": "none", "read_only": true})),
        "init": with(sleeper(), &json!({"init": true})),
        "guest": with(sleeper(), &json!({"network_mode": "service:init", "pid": "service:init"})),
        "other-cgroup": with(sleeper(), &json!({"cgroup_parent": "/docker/nested"})),
        // its first process goes on as another program
        "other-program": with(sleeper(), &json!({"command": ["sh", "-c", "exec sleep 100000"]})),
        // what it left to itself in the background outlives the program that began it
        "daemon": with(sleeper(), &json!({"command": ["sh", "-c", "(sleep 100000 &); exec sleep 100000"], "init": true})),
        "paused": sleeper(),
        "leaver": with(sleeper(), &leaver),
        "leaving-guest": with(sleeper(), &with(leaver, &json!({"network_mode": "service:init"}))),
    })
}

fn all(vm: &Vm) -> BTreeMap<String, Container> {
    let containers = vm.engine().containers(&Filters::all()).unwrap();
    let inspected = containers.iter().map(|one| vm.container(&one.id));
    inspected.map(|one| (one.name().to_owned(), one)).collect()
}

/// Holds for a while that none is taken for dead, and that nobody has touched one.
fn assert_alive(vm: &Vm, before: &BTreeMap<String, Container>, what: &str) {
    let deadline = Instant::now() + WATCHED;
    while Instant::now() < deadline {
        let processes = ContainerProcesses::of(&Pidfile::new(vm.paths.dockerd_pidfile()));
        for (name, container) in before {
            let gone = processes.gone(container.state.pid, &container.id);
            assert_eq!(gone, None, "{what}: {name}");
        }
        if let Ok(Some(verdict)) = state_files::Verdict::read(&vm.paths) {
            let verdict = serde_json::to_value(&verdict).unwrap();
            assert!(!words(&verdict).contains("dead"), "{what}: {verdict:#}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    for (name, after) in all(vm) {
        let before = &before[&name].state;
        assert_eq!(
            (after.state.pid, &after.state.started_at),
            (before.pid, &before.started_at),
            "{what}: {name}\n{}",
            vm.log()
        );
    }
    assert!(!vm.log().contains("is dead"), "{what}: {}", vm.log());
}

fn shim_of(container: &Container) -> i32 {
    let pid = Pid::from_raw(container.state.pid.try_into().unwrap()).unwrap();
    ProcessInfo::read(pid).unwrap().parent
}

#[test]
fn no_container_that_lives_is_called_dead_whatever_its_process_looks_like() {
    let vm = Vm::start();
    let recipe = json!({"services": services()});
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    vm.docker(&["pause", "running-paused-1"]);
    vm.verdict_that(|verdict| words(verdict).contains("is paused"));
    let before = all(&vm);
    assert_eq!(before.len(), services().as_object().unwrap().len());
    // the test would show nothing if they were still there
    for name in ["running-leaver-1", "running-leaving-guest-1"] {
        let container = &before[name];
        let cgroups =
            || fs::read_to_string(format!("/proc/{}/cgroup", container.state.pid)).unwrap();
        until(|| (!cgroups().contains(&container.id)).then_some(()))
            .unwrap_or_else(|| panic!("{name} is in {}", cgroups()));
    }
    assert_alive(&vm, &before, "in order");

    signal(containerd(&vm).unwrap(), Signal::KILL);
    assert_alive(&vm, &before, "without a containerd");
    let deadline = Instant::now() + Duration::from_mins(1);
    assert!(vm.engine().wait_for_containerd(deadline, || false));
    assert_alive(&vm, &before, "with another containerd");

    // A shim that dies leaves its process to another parent. The first thing that containerd does about it is to end the process.
    let containerd = containerd(&vm).unwrap();
    signal(containerd, Signal::STOP);
    for name in ["running-plain-1", "running-host-pid-1", "running-leaver-1"] {
        signal(shim_of(&before[name]), Signal::KILL);
    }
    let processes = ContainerProcesses::of(&Pidfile::new(vm.paths.dockerd_pidfile()));
    let deadline = Instant::now() + Duration::from_secs(3);
    while Instant::now() < deadline {
        for (name, container) in &before {
            let gone = processes.gone(container.state.pid, &container.id);
            assert_eq!(gone, None, "without its shim: {name}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    signal(containerd, Signal::CONT);
}

#[test]
fn no_container_of_a_dockerd_that_maps_users_is_called_dead() {
    let mut vm = Vm::start();
    for path in [vm.root().to_owned(), vm.paths.data_root()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o711)).unwrap();
    }
    for name in ["subuid", "subgid"] {
        let ids = vm.root().join(name);
        fs::write(&ids, "daemon:100000:65536\n").unwrap();
        vm.sh(&format!("mount --bind {} /etc/{name}", ids.display()));
    }
    vm.end_dockerd();
    vm.start_dockerd_with(&json!({"userns-remap": "daemon:daemon"}));
    vm.import_busybox();
    let recipe = json!({"services": {
        "plain": sleeper(),
        "init": with(sleeper(), &json!({"init": true})),
        "guest": with(sleeper(), &json!({"network_mode": "service:init"})),
        "host-users": with(sleeper(), &json!({"userns_mode": "host", "pid": "host"})),
    }});
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let before = all(&vm);
    let of_plain = before["running-plain-1"].state.pid;
    let map = fs::read_to_string(format!("/proc/{of_plain}/uid_map")).unwrap();
    assert!(map.contains("100000"), "its users are mapped: {map}");
    assert!(
        before
            .values()
            .all(|one| one.state.status == Status::Running)
    );
    signal(containerd(&vm).unwrap(), Signal::KILL);
    assert_alive(&vm, &before, "without a containerd");
    let verdict = vm.verdict_that(|verdict| verdict["state"] != "starting");
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
}
