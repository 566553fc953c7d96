//! How runner and services end, with a real dockerd and a real Compose.

use std::{
    fs,
    time::{Duration, Instant},
};

use docker_engine::Status;
use rustix::process::Signal;
use serde_json::json;
use state_files::Marker;

use crate::{
    recipes::{sleeper, with},
    vm::{Vm, signal, until},
};

#[test]
fn stops_in_reverse_order_and_keeps_volumes_until_and_beyond_going_for_good() {
    let vm = Vm::start();
    let slow = json!([
        "sh",
        "-c",
        "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"
    ]);
    let recipe = json!({"services": {
        "db": with(sleeper(), &json!({"restart": "always", "volumes": ["data:/data", "/anonymous"]})),
        "app": with(sleeper(), &json!({"depends_on": ["db"], "command": slow})),
        "web": with(sleeper(), &json!({"depends_on": ["app"], "command": slow})),
    }, "volumes": {"data": {}}});
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    vm.exec("running-db-1", &["touch", "/data/x", "/anonymous/y"]);
    vm.stop();
    assert!(vm.runner_pid().is_none() && !vm.paths.health_socket().exists());
    let finished = ["web", "app", "db"].map(|name| {
        let state = vm.container(&format!("running-{name}-1")).state;
        assert_eq!(
            (state.status, state.exit_code),
            (Status::Exited, 0),
            "{name} had its grace"
        );
        state.finished_at.parse::<jiff::Timestamp>().unwrap()
    });
    assert!(
        finished[0] < finished[1] && finished[1] < finished[2],
        "{finished:?}"
    );
    // Without a runner and without running services, stop has nothing to do and is content.
    vm.stop();
    vm.start_runner();
    assert_eq!(vm.verdict()["state"], "up", "{}", vm.log());
    vm.exec("running-db-1", &["test", "-f", "/data/x"]);
    vm.exec("running-db-1", &["test", "-f", "/anonymous/y"]);
    Marker::new(vm.paths.deleting()).set().unwrap();
    vm.stop();
    assert!(
        vm.engine()
            .inspect_container("running-db-1")
            .unwrap_err()
            .is_not_found()
    );
    let volumes = String::from_utf8(vm.docker(&["volume", "ls", "--quiet"]).stdout).unwrap();
    assert!(
        volumes.lines().any(|volume| volume == "running_data"),
        "{volumes}"
    );
}

#[test]
fn each_service_that_ignores_sigterm_has_its_grace_and_none_waits_for_a_stranger() {
    let vm = Vm::start();
    let deaf = |grace: &str| json!({"image": "test:1", "stop_grace_period": grace, "command": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]});
    let recipe = json!({"services": {
        "db": sleeper(),
        "app": with(deaf("4s"), &json!({"depends_on": ["db"]})),
        "one": deaf("4s"), "two": deaf("4s"), "three": deaf("4s"),
    }});
    assert_eq!(
        vm.deploy(&recipe, &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    let began = jiff::Timestamp::now();
    vm.stop();
    let seconds = |name: &str| {
        let state = vm.container(&format!("running-{name}-1")).state;
        let finished = state.finished_at.parse::<jiff::Timestamp>().unwrap();
        (
            state.exit_code,
            (finished.as_millisecond() - began.as_millisecond()) / 1000,
        )
    };
    for name in ["app", "one", "two", "three"] {
        let (exit_code, after) = seconds(name);
        assert_eq!(exit_code, 137, "{name} was to be killed");
        assert!((4..12).contains(&after), "{name} had {after} s of its 4");
    }
    let (exit_code, after) = seconds("db");
    assert!(
        exit_code == 0 && after >= 4,
        "db ended with {exit_code} after {after} s, before app"
    );
}

#[test]
fn a_stop_bounds_what_it_waits_for_and_needs_no_engine_and_no_configuration() {
    let mut vm = Vm::start();
    let stubborn = json!({"image": "test:1", "stop_grace_period": "10m", "command": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]});
    assert_eq!(
        vm.deploy(
            &json!({"services": {"web": stubborn}}),
            &json!({"stop_timeout": 2})
        )["state"],
        "up"
    );
    let began = Instant::now();
    assert_eq!(vm.runner(&["stop"]).status.code(), Some(1));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let log = vm.log();
    assert!(
        log.contains("docker-compose stop did not end within ")
            && log.contains("still running: web"),
        "{log}"
    );
    vm.docker(&["kill", "running-web-1"]);

    assert_eq!(
        vm.deploy(&json!({"services": {"web": sleeper()}}), &json!({}))["state"],
        "up"
    );
    let started = vm.started_at("running-web-1");
    vm.end_dockerd();
    let began = Instant::now();
    vm.stop();
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert!(!vm.paths.compose_pidfile().exists());
    vm.start_dockerd();
    assert_eq!(
        vm.started_at("running-web-1"),
        started,
        "no container was touched"
    );
    fs::write(vm.paths.job_config(), "{").unwrap();
    vm.stop();
    assert_eq!(vm.container("running-web-1").state.status, Status::Exited);
}

#[test]
fn sigterm_ends_the_runner_and_its_children_at_any_step() {
    let vm = Vm::start();
    let recipe = json!({"services": {"web": sleeper()}});
    let stuck = "trap '' TERM; sleep 600 & sleep 600";
    let end_during = |step: &str| {
        // Composes put more or fewer blanks between the words
        let log = || vm.log().split_whitespace().collect::<Vec<_>>().join(" ");
        until(|| log().contains(step).then_some(()))
            .unwrap_or_else(|| panic!("{step}: {}", vm.log()));
        std::thread::sleep(Duration::from_millis(200));
        let pid = vm.runner_pid().unwrap();
        let began = Instant::now();
        signal(pid, Signal::TERM);
        vm.wait_for_end(pid);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{step}: {:?}",
            began.elapsed()
        );
        let root = vm.root().display().to_string();
        let left = bosh_job::Process::find(|info| {
            info.cmdline.iter().any(|argument| argument.contains(&root))
                && ["sh", "dash", "docker-compose"].contains(&info.program())
        });
        assert!(left.is_empty(), "{step} left {left:?}");
    };
    vm.importer(&format!("echo importing >&2; {stuck}"));
    vm.configure(&recipe, &json!({}));
    vm.start_runner();
    end_during("importing");
    vm.importer("exit 0");
    vm.configure(
        &recipe,
        &json!({"prep": format!("echo preparing; {stuck}")}),
    );
    vm.start_runner();
    end_during("prep: preparing");
    let slow = with(
        sleeper(),
        &json!({"healthcheck": {"test": ["CMD", "false"], "interval": "100s", "start_period": "100s"}}),
    );
    let waiting = json!({"services": {"slow": slow, "web": with(sleeper(), &json!({"depends_on": {"slow": {"condition": "service_healthy"}}}))}});
    vm.configure(&waiting, &json!({}));
    vm.start_runner();
    end_during("running-slow-1 Waiting");
    // What a runner that was killed has left behind is ended by the next one.
    vm.configure(
        &recipe,
        &json!({"prep": format!("echo preparing again; {stuck}")}),
    );
    vm.start_runner();
    until(|| vm.log().contains("prep: preparing again").then_some(())).unwrap();
    signal(vm.runner_pid().unwrap(), Signal::KILL);
    vm.configure(&recipe, &json!({}));
    std::thread::sleep(Duration::from_millis(300));
    vm.start_runner();
    assert_eq!(vm.verdict()["state"], "up", "{}", vm.log());
    assert!(
        vm.log()
            .contains("ending what an earlier runner left behind"),
        "{}",
        vm.log()
    );
    let started = Instant::now();
    signal(vm.runner_pid().unwrap(), Signal::TERM);
    until(|| vm.runner_pid().is_none().then_some(())).unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "at rest it ends at once"
    );
}
