//! What a dockerd leaves that is dead, or another release's: ended when BOSH asks for a full stop, and before it would run twice.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use bosh_job::{Process, Signal};
use serde_json::json;
use support::containers::{mounts, shims, start_container, started_at, status};
use support::{Vm, inside, is_alive, pid};

#[test]
fn a_full_stop_that_bosh_asked_for_leaves_no_container_even_of_a_dead_dockerd() {
    if !inside("a_full_stop_that_bosh_asked_for_leaves_no_container_even_of_a_dead_dockerd") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let began = started_at(&vm, &id);
    let kill = || {
        let dockerd = Process::open(pid(&vm.paths().docker_pidfile())).unwrap();
        dockerd.signal(Signal::KILL).unwrap();
        assert!(dockerd.wait_until_gone(Duration::from_secs(5)));
    };
    // an update, also one whose dockerd dies, leaves them
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    kill();
    vm.run(&["post-stop"]).ok();
    assert_eq!(shims(&vm), 1);
    vm.run(&["start"]).ok();
    assert_eq!(started_at(&vm, &id), began);
    // a stop of which BOSH has said nothing leaves them, too
    kill();
    vm.run(&["stop"]).ok();
    vm.run(&["post-stop"]).ok();
    assert_eq!(shims(&vm), 1);
    vm.run(&["start"]).ok();
    assert_eq!(started_at(&vm, &id), began);

    vm.run(&["drain", "job_shutdown", "hash_unchanged"]).ok();
    kill();
    vm.run(&["post-stop"]).ok();
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
    assert!(!vm.paths().full_stop().exists());
    vm.run(&["start"]).ok();
    assert_eq!(status(&vm, &id), "running");
    vm.run(&["drain", "job_shutdown", "hash_unchanged"]).ok();
    vm.run(&["stop"]).ok();
    vm.run(&["post-stop"]).ok();
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}

#[test]
fn a_start_removes_the_files_of_network_namespaces_that_are_gone_and_no_others() {
    if !inside("a_start_removes_the_files_of_network_namespaces_that_are_gone_and_no_others") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let netns = vm.paths().exec_root().join("netns");
    let files = || std::fs::read_dir(&netns).unwrap().count();
    let stays = start_container(&vm);
    let began = started_at(&vm, &stays);
    let before = files();
    // newer ones, 28.5 for one, remove them at once
    let leaves = vm.engine_major() <= 26;
    for _ in 0..3 {
        let engine = vm.engine();
        let gone = engine
            .create_container(None, json!({"Image": "sleeper:1"}))
            .unwrap();
        engine.start_container(&gone).unwrap();
        engine.remove_container(&gone, true).unwrap();
        vm.run(&["drain", "job_changed", "hash_changed"]).ok();
        vm.run(&["stop"]).ok();
        if leaves {
            assert_eq!(files(), before + 1);
        }
        vm.run(&["start"]).ok();
        assert_eq!(files(), before);
    }
    assert_eq!(started_at(&vm, &stays), began);
    vm.run(&["stop"]).ok();
}

#[test]
fn containers_of_another_dockerd_on_the_data_root_do_not_run_twice() {
    if !inside("containers_of_another_dockerd_on_the_data_root_do_not_run_twice") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    vm.run(&["stop"]).ok();
    let sleepers = || {
        Process::find(|info| {
            info.program() == "busybox" && info.cmdline.iter().any(|word| word == "sleep")
        })
    };
    for dies in [true, false] {
        // as the shell release started it: options instead of a file, the engine's own exec-root
        let log = std::fs::File::create(vm.paths().root().join("other.log")).unwrap();
        let (bin, exec) = (
            vm.paths().docker_bin_dir(),
            vm.paths().root().join(format!("other-{dies}")),
        );
        let mut other = Command::new(bin.join("dockerd"))
            .env(
                "PATH",
                format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()),
            )
            .arg("--pidfile")
            .arg(vm.paths().docker_pidfile())
            .arg("--data-root")
            .arg(vm.paths().data_root())
            .arg("--exec-root")
            .arg(&exec)
            .arg("--host")
            .arg(format!("unix://{}", vm.paths().socket().display()))
            .stderr(log)
            .spawn()
            .unwrap();
        let up = vm
            .engine()
            .wait_ready(Instant::now() + Duration::from_mins(1));
        let said = std::fs::read_to_string(vm.paths().root().join("other.log")).unwrap();
        assert!(
            up.is_ok(),
            "{up:?}
{said}"
        );
        assert_eq!(sleepers().len(), 1, "restart: always brings it back");
        let before = sleepers()[0].pid();
        if dies {
            other.kill().unwrap();
            other.wait().unwrap();
            assert!(is_alive(before), "it was to outlive its dockerd");
        }
        let start = vm.run(&["start"]).ok();
        let said = if dies {
            "to avoid running twice"
        } else {
            "another dockerd has this data root"
        };
        assert!(start.stderr.contains(said), "{start:?}");
        other.wait().unwrap();
        assert!(!is_alive(before));
        assert_eq!(status(&vm, &id), "running");
        assert_eq!(sleepers().len(), 1);
        let start = vm.run(&["start"]).ok();
        assert!(
            !start.stderr.contains("to avoid running twice"),
            "{start:?}"
        );
        vm.run(&["stop"]).ok();
        assert_eq!((shims(&vm), sleepers().len()), (0, 0));
    }
}
