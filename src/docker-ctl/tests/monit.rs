//! What monit 5.2.5 sees of a start and a stop: it waits for a living process in the pidfile, or for its end, and for no program.
#![expect(clippy::unwrap_used, clippy::panic, reason = "it serves tests only")]

mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bosh_job::{Process, ProcessInfo, Signal};
use docker_engine::Status;
use serde_json::json;
use state_files::{Marker, StateFile as _};
use support::containers::{load_image, mounts, shims, started_at};
use support::{Vm, inside, pid, script};

/// A program that monit starts and does not wait for.
fn begin(vm: &Vm, args: &[&str]) -> Child {
    let mut command = vm.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn seen_by_monit(vm: &Vm) -> Option<ProcessInfo> {
    let text = std::fs::read_to_string(vm.paths().docker_pidfile()).ok()?;
    let pid = bosh_job::Pid::from_raw(text.trim().parse().ok()?)?;
    ProcessInfo::read(pid).filter(ProcessInfo::is_alive)
}

/// What is found, as soon as it is.
#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(40);
    while Instant::now() < deadline {
        if let Some(found) = found() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what}: not in 40 s")
}

#[test]
fn the_pidfile_appears_when_dockerd_is_on_its_own_and_names_it_to_its_end() {
    if !inside("the_pidfile_appears_when_dockerd_is_on_its_own_and_names_it_to_its_end") {
        return;
    }
    let vm = Vm::with_engine();
    let mut start = begin(&vm, &["start"]);
    let first = until("a process in the pidfile", || seen_by_monit(&vm));
    assert_eq!(first.program(), "dockerd", "{first:?}");
    assert!(start.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(200));
    let later = seen_by_monit(&vm).unwrap();
    assert_eq!((first.pid, first.parent), (later.pid, later.parent));
    // monit's own priority, -10 on a stemcell, is not handed down
    let priority = |pid| rustix::process::getpriority_process(Some(pid)).unwrap();
    assert_eq!(priority(later.pid), 0);
    let mut stop = begin(&vm, &["stop"]);
    // a start that comes as soon as the process is gone waits for the end of the stop
    until("the end of dockerd", || {
        seen_by_monit(&vm).is_none().then_some(())
    });
    let mut start = begin(&vm, &["start"]);
    assert!(stop.wait().unwrap().success() && start.wait().unwrap().success());
    assert_ne!(seen_by_monit(&vm).unwrap().pid, later.pid);
    vm.run(&["stop"]).ok();
}

#[test]
fn a_start_that_cannot_succeed_is_over_for_monit_too() {
    if !inside("a_start_that_cannot_succeed_is_over_for_monit_too") {
        return;
    }
    let vm = Vm::new();
    script(
        &vm.paths().docker_bin("dockerd"),
        "[ \"$1\" = --validate ] || echo 'no luck' >&2; [ \"$1\" = --validate ]",
    );
    let begun = Instant::now();
    let mut start = begin(&vm, &["start"]);
    until("a process for monit", || seen_by_monit(&vm));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let lived = Instant::now();
    assert_eq!(start.wait().unwrap().code(), Some(1));
    assert!(
        lived.elapsed() > Duration::from_secs(1),
        "monit looks once a second"
    );
    assert!(!vm.paths().docker_pidfile().exists());
}

#[test]
fn settings_of_a_first_start_are_refused_before_anything_starts_and_later_ones_are_not() {
    if !inside(
        "settings_of_a_first_start_are_refused_before_anything_starts_and_later_ones_are_not",
    ) {
        return;
    }
    let vm = Vm::with_engine();
    script(&vm.paths().program("image-importer"), "exit 0");
    let bad = [("daemon", json!({"no-such-setting": 1}))];
    vm.set(&bad);
    let run = vm.run(&["pre-start"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("no-such-setting"), "{run:?}");
    let deploying = Marker::new(vm.paths().deploying());
    assert!(!deploying.is_set());
    vm.set(&[]);
    vm.run(&["pre-start"]).ok();
    assert!(deploying.is_set());
    vm.run(&["start"]).ok();
    vm.run(&["wait"]).ok();
    assert!(!deploying.is_set(), "post-start has spoken");
    // where dockerd can go back to settings that worked, what runs goes on, and post-start tells
    vm.set(&bad);
    vm.run(&["pre-start"]).ok();
    Marker::new(vm.paths().keep_containers()).set().unwrap();
    vm.run(&["stop"]).ok();
    vm.run(&["start"]).ok();
    let wait = vm.run(&["wait"]);
    assert!(
        wait.code == 2 && wait.stderr.contains("no-such-setting"),
        "{wait:?}"
    );
    assert!(!deploying.is_set());
    vm.run(&["stop"]).ok();
}

#[test]
fn a_stop_ends_a_start_that_takes_its_time() {
    if !inside("a_stop_ends_a_start_that_takes_its_time") {
        return;
    }
    let vm = Vm::new();
    script(
        &vm.paths().docker_bin("dockerd"),
        "[ \"$1\" = --validate ] || exec sleep 300",
    );
    let mut start = begin(&vm, &["start"]);
    std::thread::sleep(Duration::from_millis(500));
    let stop = vm.run(&["stop"]).ok();
    assert!(stop.elapsed < Duration::from_secs(30), "{stop:?}");
    assert!(!start.wait().unwrap().success());
}

#[test]
fn a_dockerd_that_comes_up_late_is_no_refusal_any_more() {
    if !inside("a_dockerd_that_comes_up_late_is_no_refusal_any_more") {
        return;
    }
    let vm = Vm::with_engine();
    script(&vm.paths().program("image-importer"), "exit 0");
    vm.run(&["start"]).ok();
    let dockerd = Process::open(pid(&vm.paths().docker_pidfile())).unwrap();
    // what a start leaves that has waited for 90 s
    let late = state_files::LateDockerd {
        pid: dockerd.pid().as_raw_nonzero().get(),
        errors: vec![bosh_job::ErrorReport {
            what: "dockerd does not answer in time".to_owned(),
            ..Default::default()
        }],
    };
    let refused = state_files::Refused {
        late: Some(late),
        errors: Vec::new(),
        ..state_files::Refused::new(&anyhow::anyhow!("x"), None)
    };
    refused.write(&vm.paths()).unwrap();
    dockerd.signal(Signal::STOP).unwrap();
    let status = vm.run(&["status"]);
    assert!(
        status.stdout.contains("does not answer in time"),
        "{status:?}"
    );
    let mut wait = begin(&vm, &["wait"]);
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        wait.try_wait().unwrap().is_none(),
        "post-start waits for it"
    );
    dockerd.signal(Signal::CONT).unwrap();
    assert!(wait.wait().unwrap().success());
    assert!(!vm.paths().refused().exists());
    vm.run(&["stop"]).ok();
}

#[test]
fn containers_of_an_update_end_in_order_when_no_start_follows_and_the_job_is_gone() {
    if !inside("containers_of_an_update_end_in_order_when_no_start_follows_and_the_job_is_gone") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    load_image(&vm);
    let log = vm.paths().root().join("ends");
    std::fs::create_dir(&log).unwrap();
    // each notes its end, with a part of its grace period before it
    let start = |name: &str, depends_on: &str| {
        let script = format!(
            "trap 'sleep 1; echo {name} >>/ends/ends; exit 0' TERM; while :; do sleep 0.1; done"
        );
        let labels = json!({"com.docker.compose.project": "running", "com.docker.compose.service": name, "com.docker.compose.depends_on": depends_on});
        let config = json!({"Image": "sleeper:1", "Cmd": ["sh", "-c", script], "Labels": labels, "StopTimeout": 5,
            "HostConfig": {"RestartPolicy": {"Name": "always"}, "Binds": [format!("{}:/ends", log.display())]}});
        let engine = vm.engine();
        let id = engine.create_container(Some(name), config).unwrap();
        engine.start_container(&id).unwrap();
        id
    };
    let id = start("db", "");
    start("app", "db:service_started:false");
    start("web", "app:service_started:false");
    let began = started_at(&vm, &id);
    let keep = Marker::new(vm.paths().keep_containers());
    let guards = || Process::find(|info| info.cmdline.iter().any(|word| word == "guard"));
    // an update: the guard sees the next start, and goes
    keep.set().unwrap();
    vm.run(&["stop"]).ok();
    assert_eq!(guards().len(), 1);
    vm.run(&["start"]).ok();
    until("the end of the guard", || guards().is_empty().then_some(()));
    assert_eq!(started_at(&vm, &id), began);
    // the job leaves, and the packages with it
    keep.set().unwrap();
    vm.run(&["stop"]).ok();
    std::fs::rename(vm.paths().job_dir(), vm.paths().root().join("gone")).unwrap();
    until("the end of the containers", || {
        (shims(&vm) == 0).then_some(())
    });
    until("the end of the guard", || guards().is_empty().then_some(()));
    assert_eq!(mounts(&vm), Vec::<String>::new());
    let ends = std::fs::read_to_string(log.join("ends")).unwrap();
    assert_eq!(
        ends, "web\napp\ndb\n",
        "in order, each within its grace period"
    );
    // nothing is lost: the job comes back, and its containers are there
    std::fs::rename(vm.paths().root().join("gone"), vm.paths().job_dir()).unwrap();
    vm.run(&["start"]).ok();
    until("the restart of the containers", || {
        (vm.engine().inspect_container(&id).unwrap().state.status == Status::Running).then_some(())
    });
    vm.run(&["stop"]).ok();
}
