//! Containers whose end the engine missed, because it had no containerd just then.

use std::time::{Duration, Instant};

use bosh_job::{Pid, ProcessInfo};
use docker_engine::Status;
use rustix::process::Signal;
use serde_json::json;

use crate::{
    recipes::{sleeper, with},
    vm::{Vm, signal, until},
};

/// The containerd that dockerd has started, if it lives.
fn containerd(vm: &Vm) -> Option<i32> {
    let pidfile = vm.paths.exec_root().join("containerd/containerd.pid");
    let process = bosh_job::Pidfile::new(pidfile).living(|info| info.program() == "containerd")?;
    Some(process.pid().as_raw_nonzero().get())
}

/// Kills containerd, and with it a container's shim and process. Neither is there to tell dockerd of the end, and the containerd that
/// comes next tells it before dockerd listens. Where dockerd is quick enough to learn of it all the same, that is tried again.
fn miss_the_end_of(vm: &Vm, name: &str) {
    for _ in 0..5 {
        let state = vm.container(name).state;
        let pid: i32 = state.pid.try_into().unwrap();
        let shim = ProcessInfo::read(Pid::from_raw(pid).unwrap()).unwrap().parent;
        signal(containerd(vm).unwrap(), Signal::KILL);
        signal(shim, Signal::KILL);
        signal(pid, Signal::KILL);
        vm.wait_for_end(pid);
        let deadline = Instant::now() + Duration::from_mins(1);
        assert!(vm.engine().wait_for_containerd(deadline, || false));
        std::thread::sleep(Duration::from_secs(1));
        let now = vm.container(name).state;
        if now.status == Status::Running && now.pid == state.pid {
            return;
        }
        eprintln!("the engine has noticed: {:?}", now.status);
        vm.docker(&["start", name]);
    }
    panic!("the engine has noticed each time");
}

#[test]
fn probe() {
    let vm = Vm::start();
    let recipe = json!({"services": {
        "web": with(sleeper(), &json!({"restart": "always"})),
        "db": with(sleeper(), &json!({"restart": "always"})),
    }});
    assert_eq!(vm.deploy(&recipe, &json!({}))["state"], "up");
    vm.stop_runner_alone();
    let begun = Instant::now();
    miss_the_end_of(&vm, "running-web-1");
    eprintln!("missed after {:?}", begun.elapsed());
    let begun = Instant::now();
    let killed = vm.engine().kill_container("running-web-1", "TERM");
    eprintln!("kill: {killed:?} {:?}", begun.elapsed());
    until(|| (vm.container("running-web-1").state.status != Status::Running).then_some(()));
    let state = vm.container("running-web-1").state;
    eprintln!("{:?} after {:?} with {}", state.status, begun.elapsed(), state.exit_code);
    vm.docker(&["start", "running-web-1"]);
    
}
