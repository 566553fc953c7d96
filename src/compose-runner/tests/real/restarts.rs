//! Stops and starts under a monit that waits for the process in the pidfile and for no program, as the stemcells' 5.2.5 does.

use std::{
    thread,
    time::{Duration, Instant},
};

use docker_engine::Status;
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with},
    vm::{Vm, signal, until},
};

/// `db` <- `app`, which takes three seconds to stop <- `web`, which takes one.
fn chain() -> Value {
    let slow = |seconds: u32| {
        json!([
            "sh",
            "-c",
            format!("trap 'sleep {seconds}; exit 0' TERM; while :; do sleep 0.1; done")
        ])
    };
    json!({"services": {
        "db": with(sleeper(), &json!({"restart": "always"})),
        "app": with(sleeper(), &json!({"depends_on": ["db"], "command": slow(3)})),
        "web": with(sleeper(), &json!({"depends_on": ["app"], "command": slow(1)})),
    }})
}

fn up() -> Vm {
    let vm = Vm::start();
    assert_eq!(
        vm.deploy(&chain(), &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    vm
}

impl Vm {
    fn status(&self, service: &str) -> Status {
        self.container(&format!("running-{service}-1")).state.status
    }

    /// What monit waits for in a stop.
    fn wait_as_monit(&self) {
        until(|| (!self.monit_sees_runner()).then_some(()))
            .unwrap_or_else(|| panic!("the process lives on: {}", self.log()));
    }

    fn assert_stopped_in_order(&self) {
        let finished = ["web", "app", "db"].map(|service| {
            let state = self.container(&format!("running-{service}-1")).state;
            assert_eq!(
                (state.status, state.exit_code),
                (Status::Exited, 0),
                "{service} had its grace: {}",
                self.log()
            );
            state.finished_at.parse::<Timestamp>().unwrap()
        });
        assert!(
            finished[0] < finished[1] && finished[1] < finished[2],
            "{finished:?}"
        );
    }

    fn assert_up(&self) {
        let verdict = self.verdict_that(|verdict| {
            verdict["state"] == "up" && verdict["pid"].as_i64() == self.runner_pid().map(i64::from)
        });
        assert_eq!(verdict["errors"], json!([]));
        for service in ["db", "app", "web"] {
            assert_eq!(self.status(service), Status::Running, "{}", self.log());
        }
    }
}

#[test]
fn the_process_that_monit_watches_lives_until_the_services_are_down() {
    let vm = up();
    let runner = vm.runner_pid();
    let mut stop = vm.begin_runner(&["stop"]);
    while ["db", "app", "web"]
        .iter()
        .any(|service| vm.status(service) == Status::Running)
    {
        assert!(
            vm.monit_sees_runner() && vm.runner_pid() == runner,
            "services run, and monit sees no process: {}",
            vm.log()
        );
        thread::sleep(Duration::from_millis(50));
    }
    vm.wait_as_monit();
    vm.assert_stopped_in_order();
    assert!(stop.wait().unwrap().success(), "{}", vm.log());
}

#[test]
fn a_start_that_comes_during_a_stop_waits_for_it_no_matter_who_asked_for_either() {
    let vm = up();
    // monit's restart: a start as soon as the process is gone
    let mut stop = vm.begin_runner(&["stop"]);
    vm.wait_as_monit();
    vm.start_runner();
    vm.assert_up();
    assert!(stop.wait().unwrap().success());
    // a start by hand in the middle of it, and two at once
    let began = Timestamp::now();
    let mut stop = vm.begin_runner(&["stop"]);
    thread::sleep(Duration::from_millis(500));
    let starts = [vm.begin_runner(&["start"]), vm.begin_runner(&["start"])];
    assert!(stop.wait().unwrap().success());
    for mut start in starts {
        assert!(start.wait().unwrap().success(), "{}", vm.log());
    }
    vm.assert_up();
    let stopped: Timestamp = vm
        .container("running-db-1")
        .state
        .finished_at
        .parse()
        .unwrap();
    assert!(stopped > began, "the stop was made before the start");
    // two restarts at once
    let stops = [vm.begin_runner(&["stop"]), vm.begin_runner(&["stop"])];
    vm.wait_as_monit();
    let starts = [vm.begin_runner(&["start"]), vm.begin_runner(&["start"])];
    for mut program in stops.into_iter().chain(starts) {
        assert!(program.wait().unwrap().success(), "{}", vm.log());
    }
    vm.assert_up();
    let runners = bosh_job::Process::find(|process| {
        process.program() == "compose-runner"
            && process.has_argument(&vm.root().display().to_string())
    });
    assert_eq!(runners.len(), 1, "{runners:?}");
}

#[test]
fn a_stop_that_loses_a_process_in_the_middle_is_finished_in_order() {
    let vm = up();
    let middle = || {
        until(|| (vm.status("web") == Status::Exited).then_some(())).expect("web stops");
        assert_eq!(vm.status("app"), Status::Running);
    };
    // the runner: the stop program takes over, and monit never sees the services without a process for long
    let mut stop = vm.begin_runner(&["stop"]);
    middle();
    signal(vm.runner_pid().unwrap(), Signal::KILL);
    assert!(stop.wait().unwrap().success(), "{}", vm.log());
    vm.assert_stopped_in_order();
    vm.start_runner();
    vm.assert_up();
    // the stop program: the runner goes on
    let mut stop = vm.begin_runner(&["stop"]);
    middle();
    stop.kill().unwrap();
    stop.wait().unwrap();
    vm.wait_as_monit();
    vm.assert_stopped_in_order();
    vm.start_runner();
    vm.assert_up();
    // Compose: it is run again
    let mut stop = vm.begin_runner(&["stop"]);
    middle();
    for compose in bosh_job::Process::find(|process| {
        process.program() == "docker-compose"
            && std::fs::read_link(format!("/proc/{}/cwd", process.pid.as_raw_nonzero()))
                .is_ok_and(|directory| directory == vm.paths.cli_dir())
    }) {
        compose.signal(Signal::KILL).unwrap();
    }
    assert!(stop.wait().unwrap().success(), "{}", vm.log());
    vm.assert_stopped_in_order();
}

#[test]
fn a_runner_that_hangs_is_replaced_before_it_is_gone() {
    let vm = up();
    let runner = vm.runner_pid().unwrap();
    signal(runner, Signal::STOP);
    let began = Instant::now();
    let mut stop = vm.begin_runner(&["stop"]);
    while stop.try_wait().unwrap().is_none() {
        // in this order: between the two questions the stop may come to its end
        assert!(
            vm.monit_sees_runner() || vm.status("db") == Status::Exited,
            "services run, and monit sees no process: {}",
            vm.log()
        );
        thread::sleep(Duration::from_millis(20));
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    vm.assert_stopped_in_order();
    vm.start_runner();
    vm.assert_up();
}

#[test]
fn a_stop_in_the_middle_of_a_start_ends_with_everything_down() {
    let vm = up();
    vm.stop();
    vm.start_runner();
    until(|| (vm.status("db") == Status::Running).then_some(())).expect("the start begins");
    vm.stop();
    for service in ["db", "app", "web"] {
        assert_ne!(vm.status(service), Status::Running, "{}", vm.log());
    }
    assert!(!vm.monit_sees_runner());
    vm.start_runner();
    vm.assert_up();
}
