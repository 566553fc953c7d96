//! Services that do their work and end, while the engine has no containerd.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    missed_ends::containerd,
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

/// Ends when it is told to through its volume, with this exit code.
fn one_shot(code: i32) -> Value {
    let command =
        format!("touch /data/runs; until test -e /data/end; do sleep 0.1; done; exit {code}");
    with(
        sleeper(),
        &json!({"command": ["sh", "-c", command], "restart": "no", "volumes": ["data:/data"]}),
    )
}

/// What is told until it has run again.
const UNKNOWN: &str = "service once, container running-once-1: exited with 255";

/// Has a one-shot end while the engine has no containerd.
fn end_unseen(vm: &Vm, name: &str) {
    let pid = vm.container(name).state.pid;
    signal(containerd(vm).unwrap(), Signal::KILL);
    let data = vm.paths.data_root().join("volumes/running_data/_data");
    std::fs::write(data.join("end"), "").unwrap();
    vm.wait_for_end(pid.try_into().unwrap());
}

#[test]
fn a_one_shot_whose_end_the_engine_missed_runs_again_and_is_judged_by_its_exit_code() {
    for (code, state) in [(0, "up"), (7, "failed")] {
        let vm = Vm::start();
        let recipe = json!({"services": {"web": sleeper(), "once": one_shot(code)}, "volumes": {"data": {}}});
        let verdict = vm.deploy(&recipe, &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        end_unseen(&vm, "running-once-1");
        let ended = |verdict: &Value| {
            let services = verdict["services"].as_array().unwrap();
            services
                .iter()
                .any(|one| one["name"] == "once" && one["state"] == "exited")
        };
        let verdict = vm.verdict_that(|verdict| ended(verdict) && words(verdict) != UNKNOWN);
        assert_eq!(verdict["state"], state, "{verdict:#}\n{}", vm.log());
        assert!(
            code == 0 || words(&verdict).contains("exited with 7"),
            "{verdict:#}"
        );
    }
}

#[test]
fn an_up_that_waits_for_a_one_shot_whose_end_the_engine_missed_goes_on() {
    let vm = Vm::start();
    let after = json!({"depends_on": {"once": {"condition": "service_completed_successfully"}}});
    let recipe = json!({"services": {"web": with(sleeper(), &after), "once": one_shot(0)}, "volumes": {"data": {}}});
    vm.configure(&recipe, &json!({}));
    vm.start_runner();
    let runs = vm.paths.data_root().join("volumes/running_data/_data/runs");
    until(|| runs.exists().then_some(())).unwrap_or_else(|| panic!("{}", vm.log()));
    // until Compose has seen it run
    std::thread::sleep(Duration::from_secs(2));
    end_unseen(&vm, "running-once-1");
    let began = Instant::now();
    let verdict = vm.verdict();
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(45), "{took:?}\n{}", vm.log());
}
