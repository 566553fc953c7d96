//! What BOSH and monit call while containers are dead that dockerd calls running, with a real dockerd.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by panicking, also in its helpers"
)]

mod support;

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bosh_job::{ContainerProcesses, ExitCode, Pidfile, Process, ProcessInfo, Signal};
use recipe::ProjectName;
use serde_json::json;
use state_files::{AppliedProject, State, StateFile as _, Verdict};
use support::containers::{all_of, load_image, mounts, shims, status};
use support::{Vm, inside, install};

/// The recipe `running`, brought up by Compose: `slow` takes a second to stop, and then ends with 3.
fn with_recipe() -> Vm {
    let vm = Vm::with_engine();
    vm.set(&[
        (
            "recipe",
            json!({"services": {"slow": {"image": "sleeper:1"}}}),
        ),
        ("start_timeout", json!(6)),
    ]);
    let paths = vm.paths();
    install(
        &engine_fixture::engine_directory().join("docker-compose"),
        &paths.compose_bin(),
    );
    vm.run(&["start"]).ok();
    load_image(&vm);
    let command = "trap 'sleep 1; exit 3' TERM; while :; do sleep 0.1; done";
    let service = json!({"image": "sleeper:1", "network_mode": "none", "command": ["sh", "-c", command], "restart": "no"});
    let recipe = json!({"services": {"slow": service, "quick": service, "other": service}});
    let file = paths.root().join("recipe.json");
    std::fs::write(&file, recipe.to_string()).unwrap();
    let up = Command::new(paths.compose_bin())
        .env(
            "DOCKER_HOST",
            format!("unix://{}", paths.socket().display()),
        )
        .args(["-p", "running", "-f"])
        .arg(&file)
        .args(["up", "-d"])
        .output()
        .unwrap();
    assert!(up.status.success(), "{up:?}");
    AppliedProject::remember(&paths, &ProjectName::new("running").unwrap()).unwrap();
    vm
}

/// Ends the process of a container and its shim while containerd hangs, so that nobody tells dockerd.
fn end_unseen(vm: &Vm, name: &str) {
    let container = vm.engine().inspect_container(name).unwrap();
    let (pid, id) = (container.state.pid, container.id);
    let containerd = &all_of("containerd")[0];
    containerd.signal(Signal::STOP).unwrap();
    support::sh(&format!(
        "shim=$(cut -d' ' -f4 /proc/{pid}/stat); kill -9 $shim {pid}"
    ));
    let processes = ContainerProcesses::of(&Pidfile::new(vm.paths().dockerd_pidfile()));
    let deadline = Instant::now() + Duration::from_secs(10);
    let orphan = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // This process is the first of its namespace, which has to reap orphans: dockerd refuses to end a zombie.
    while ProcessInfo::read(orphan).is_some() || processes.gone(pid, &id).is_none() {
        let _ = rustix::process::waitpid(Some(orphan), rustix::process::WaitOptions::NOHANG);
        assert!(Instant::now() < deadline, "{name} lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(status(vm, name), "running", "dockerd knows of nothing");
}

/// The containerd that hangs is killed; the next one tells dockerd of no end.
fn kill_containerd() {
    all_of("containerd")[0].signal(Signal::KILL).unwrap();
}

fn ended(vm: &Vm, name: &str) -> i64 {
    vm.engine().inspect_container(name).unwrap().state.exit_code
}

#[test]
fn a_stop_without_a_runner_gives_what_lives_its_grace_and_ends_in_monit_s_time_over_dead_containers()
 {
    if !inside(
        "a_stop_without_a_runner_gives_what_lives_its_grace_and_ends_in_monit_s_time_over_dead_containers",
    ) {
        return;
    }
    for waits in [false, true] {
        let vm = with_recipe();
        end_unseen(&vm, "running-quick-1");
        kill_containerd();
        if waits {
            // the stop comes when dockerd reaches the next containerd, and still calls the container running
            let deadline = Instant::now() + Duration::from_mins(1);
            assert!(vm.engine().wait_for_containerd(deadline, || false));
            assert_eq!(status(&vm, "running-quick-1"), "running");
        }
        let stop = vm.run(&["stop"]).ok();
        assert!(stop.elapsed < Duration::from_secs(46), "{stop:#?}");
        assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()), "{stop:#?}");
        assert!(
            !stop.stderr.contains("not stopped in order"),
            "{waits}: {stop:#?}"
        );
        vm.set(&[]);
        vm.run(&["start"]).ok();
        for name in ["running-slow-1", "running-other-1"] {
            assert_eq!(
                (status(&vm, name), ended(&vm, name)),
                ("exited", 3),
                "{waits}: {name} had its grace: {stop:#?}"
            );
        }
        assert_eq!(status(&vm, "running-quick-1"), "exited", "{stop:#?}");
        vm.run(&["stop"]).ok();
    }
}

/// A runner that says that everything is healthy.
struct Runner(Child);

impl Runner {
    fn of(vm: &Vm) -> Self {
        let program = vm.paths().root().join("compose-runner");
        install(Path::new("/bin/sleep"), &program);
        let runner = Self(Command::new(&program).arg("600").spawn().unwrap());
        let mut verdict = Verdict::new(State::Up, ExitCode::Ok, Vec::new(), Vec::new());
        verdict.pid = runner.0.id().try_into().unwrap();
        verdict.write(&vm.paths()).unwrap();
        let is_it = |info: &ProcessInfo| info.program() == "compose-runner";
        while Process::find(is_it).is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        runner
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_deploy_is_not_green_over_a_dead_container_whatever_the_verdict_says() {
    if !inside("a_deploy_is_not_green_over_a_dead_container_whatever_the_verdict_says") {
        return;
    }
    let vm = with_recipe();
    let _runner = Runner::of(&vm);
    vm.run(&["wait"]).ok();
    end_unseen(&vm, "running-quick-1");
    let wait = vm.run(&["wait"]);
    assert!(
        wait.code == 1 && wait.elapsed < Duration::from_secs(50),
        "{wait:#?}"
    );
    // an engine 29 whose containerd hangs does not list containers
    let told = [
        "container running-quick-1 is dead: its process ",
        "whether its containers live is not known: ",
    ];
    assert!(
        told.iter().any(|told| wait.stderr.contains(told)),
        "{wait:#?}"
    );
    // it is as soon as somebody has healed it
    kill_containerd();
    let deadline = Instant::now() + Duration::from_mins(1);
    assert!(vm.engine().wait_for_containerd(deadline, || false));
    vm.engine()
        .remove_container("running-quick-1", true)
        .unwrap();
    vm.run(&["wait"]).ok();
    vm.run(&["stop"]).ok();
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}
