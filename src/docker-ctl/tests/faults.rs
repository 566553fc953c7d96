//! docker-ctl when something dies, hangs or is full, with a real dockerd and real containers, in namespaces of their own.

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bosh_job::{Process, ProcessInfo, Signal};
use serde_json::json;
use support::containers::{all_of, mounts, shims, start_container, started_at};
use support::{Vm, inside, pid};

#[test]
fn deaths_in_the_middle_of_starts_and_stops_are_put_right_by_the_next() {
    if !inside("deaths_in_the_middle_of_starts_and_stops_are_put_right_by_the_next") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let (ctl, with_dockerd, with_containerd) = (
        &["docker-ctl"][..],
        &["docker-ctl", "dockerd"][..],
        &["docker-ctl", "containerd"][..],
    );
    for (command, victims, milliseconds) in [
        ("stop", ctl, 30),
        ("stop", ctl, 300),
        ("stop", with_dockerd, 300),
        ("stop", with_containerd, 30),
        ("start", ctl, 30),
        ("start", ctl, 300),
        ("start", with_dockerd, 900),
        ("start", with_containerd, 900),
    ] {
        let what = format!("kill -9 of {victims:?} {milliseconds} ms into a {command}");
        if command == "start" {
            vm.run(&["stop"]).ok();
        }
        let mut run = vm
            .command(&[command])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        for process in victims.iter().flat_map(|victim| all_of(victim)) {
            process.signal(Signal::KILL).unwrap();
        }
        run.wait().unwrap();
        let start = vm.run(&["start"]);
        assert_eq!(start.code, 0, "{what}: {start:#?}");
        assert!(start.elapsed < Duration::from_mins(1), "{what}: {start:#?}");
        let counts = || ["dockerd", "containerd"].map(|program| all_of(program).len());
        let state = || vm.engine().inspect_container(&id).unwrap().state;
        let runs = || state().status.word() == "running";
        assert!(victims.len() > 1 || runs(), "{what}: {:?}", state());
        let deadline = Instant::now() + Duration::from_secs(30);
        // dockerd starts its containerd again in a while
        while !(counts() == [1, 1] && runs()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
            // where one of them died as it started a container, dockerd may leave it at that, and `up` starts it; an engine of
            // 20.10 cannot, until both have ended in order
            if victims.len() > 1 && !runs() {
                if vm.engine_major() < 23 {
                    vm.run(&["stop"]).ok();
                    vm.run(&["start"]).ok();
                }
                let _ = vm.engine().start_container(&id);
            }
        }
        assert!(runs(), "{what}: {:?}", state());
        assert_eq!((counts(), shims(&vm)), ([1, 1], 1), "{what}");
        assert!(vm.engine().info().unwrap().live_restore_enabled, "{what}");
    }
    vm.run(&["stop"]).ok();
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}

#[test]
fn a_dockerd_that_is_killed_as_it_starts_is_started_once_more() {
    if !inside("a_dockerd_that_is_killed_as_it_starts_is_started_once_more") {
        return;
    }
    let vm = Vm::with_engine();
    let mut command = vm.command(&["start"]);
    let start = command.stderr(Stdio::piped()).spawn().unwrap();
    let kill = |is_the_one: fn(&ProcessInfo) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = Process::find(is_the_one).pop() {
                found.signal(Signal::KILL).unwrap();
                return found.pid();
            }
            assert!(Instant::now() < deadline, "dockerd was not started");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    // first the one that only checks the settings
    kill(|info| info.program() == "dockerd" && info.has_argument("--validate"));
    let killed = kill(|info| info.program() == "dockerd" && !info.has_argument("--validate"));
    let output = start.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("the settings are not checked beforehand")
            && said.contains("starting dockerd again"),
        "{said}"
    );
    assert_ne!(pid(&vm.paths().docker_pidfile()), killed);
    vm.run(&["stop"]).ok();
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}

#[test]
fn a_containerd_that_hangs_is_ended_by_a_stop_with_its_containers_in_monit_s_time() {
    if !inside("a_containerd_that_hangs_is_ended_by_a_stop_with_its_containers_in_monit_s_time") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    all_of("containerd")[0].signal(Signal::STOP).unwrap();
    let stop = vm.run(&["stop"]);
    assert!(stop.elapsed < Duration::from_secs(48), "{stop:?}");
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()), "{stop:?}");
    vm.run(&["start"]).ok();
    let state = vm.engine().inspect_container(&id).unwrap().state;
    assert_eq!(state.status.word(), "running");
    vm.run(&["stop"]).ok();
}

#[test]
fn a_full_disk_is_named_and_room_on_it_is_all_that_is_needed() {
    if !inside("a_full_disk_is_named_and_room_on_it_is_all_that_is_needed") {
        return;
    }
    let vm = Vm::with_engine();
    vm.set(&[("recipe", json!({"services": {}}))]);
    for (path, said_by_wait) in [(vm.paths().data_dir(), true), (vm.paths().run_dir(), false)] {
        std::fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "small"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(mounted.success());
        let fill = path.join("fill");
        let mut filling = std::fs::File::create(&fill).unwrap();
        while filling.write_all(&[0; 4096]).is_ok() {}
        drop(filling);

        let start = vm.run(&["start"]);
        let place = path.display().to_string();
        assert!(
            start.code == 1
                && start
                    .stderr
                    .to_lowercase()
                    .contains("no space left on device")
                && start.stderr.contains(&place),
            "{place}: {start:#?}"
        );
        if said_by_wait {
            let wait = vm.run(&["wait"]);
            assert!(
                wait.code == 1 && wait.stderr.contains("No space left on device"),
                "{place}: {wait:#?}"
            );
        }
        std::fs::remove_file(fill).unwrap();
        vm.run(&["start"]).ok();
        vm.run(&["stop"]).ok();
        assert!(
            Command::new("umount")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
    }
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}

#[test]
fn a_disk_without_room_for_logs_keeps_nothing_from_starting_and_stopping() {
    if !inside("a_disk_without_room_for_logs_keeps_nothing_from_starting_and_stopping") {
        return;
    }
    let vm = Vm::with_engine();
    let log = vm.paths().log_file("dockerd");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", log).unwrap();
    let full = || {
        std::fs::File::options()
            .append(true)
            .open("/dev/full")
            .unwrap()
    };
    for command in ["start", "status", "stop"] {
        let status = vm.command(&[command]).stderr(full()).status().unwrap();
        assert!(status.success(), "{command} {status}");
    }
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}

#[test]
fn a_start_after_a_stop_that_was_cut_short_takes_the_new_settings() {
    if !inside("a_start_after_a_stop_that_was_cut_short_takes_the_new_settings") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let (began, first) = (started_at(&vm, &id), pid(&vm.paths().docker_pidfile()));
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    // the stop was killed before it did anything
    vm.set(&[("insecure-registries", json!(["10.9.8.7:5000"]))]);
    // monit starts nothing that still runs; then at least the deploy must not be green
    let wait = vm.run(&["wait"]);
    assert!(
        wait.code == 1 && wait.stderr.contains("previous settings"),
        "{wait:#?}"
    );
    assert!(!vm.paths().keep_containers().exists());
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["start"]).ok();
    let second = pid(&vm.paths().docker_pidfile());
    let json = std::fs::read_to_string(vm.paths().daemon_json()).unwrap();
    assert!(second != first && json.contains("10.9.8.7:5000"), "{json}");
    assert!(!vm.paths().keep_containers().exists());
    assert_eq!(started_at(&vm, &id), began);

    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["start"]).ok();
    assert_eq!(pid(&vm.paths().docker_pidfile()), second, "nothing changed");
    assert!(!vm.paths().keep_containers().exists());

    // settings that are no good are no reason for green either, whether this program or dockerd refuses them
    for (bad, named) in [
        (("bind", json!("x")), "`bind`"),
        (("daemon", json!({"no-such-setting": 1})), "no-such-setting"),
    ] {
        vm.set(&[bad]);
        let unasked = vm.run(&["wait"]);
        assert_ne!(unasked.code, 0, "{named}: {unasked:#?}");
        vm.run(&["start"]).ok();
        let wait = vm.run(&["wait"]);
        assert!(wait.code != 0 && wait.stderr.contains(named), "{wait:#?}");
        assert_eq!(started_at(&vm, &id), began);
        std::fs::remove_file(vm.paths().refused()).unwrap();
    }
    vm.set(&[]);
    vm.run(&["stop"]).ok();
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}
