//! What BOSH and monit call, where no dockerd is needed, or one that misbehaves.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by panicking, also in its helpers"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bosh_job::ErrorReport;
use bosh_job::ExitCode;
use docker_engine::fake::{FakeEngine, FakeReply};
use job_properties::JobConfig;
use serde_json::{Value, json};
use state_files::Marker;
use state_files::{FailedConfig, KeptRecipe, StateFile as _};
use state_files::{ServiceReport, State, Verdict};
use support::{Vm, inside, install, run, script};

fn is_set(marker: std::path::PathBuf) -> bool {
    Marker::new(marker).is_set()
}

#[test]
fn drain_prints_0_and_nothing_else_whatever_it_is_told() {
    for args in [
        &["job_changed", "hash_changed"][..],
        &["job_changed", "hash_unchanged", "containers", "docker"],
        &["job_shutdown", "hash_unchanged"],
        &["job_check_status", "hash_unchanged"],
        &["job_new", "hash_new", "a", "b"],
        &[],
        &["--bogus", "-x", "--help"],
        &["é", ""],
    ] {
        let vm = Vm::new();
        let all: Vec<&str> = std::iter::once("drain")
            .chain(args.iter().copied())
            .collect();
        assert_eq!(vm.run(&all).stdout, "0\n", "{args:?}");
        assert_eq!(
            is_set(vm.paths().keep_containers()),
            args == ["job_changed", "hash_changed"],
            "{args:?}"
        );
    }
}

#[test]
fn drain_prints_0_where_it_can_write_nothing_and_has_no_configuration() {
    let vm = Vm::new();
    std::fs::remove_dir_all(vm.paths().root().join("sys")).unwrap();
    std::fs::write(vm.paths().root().join("sys"), "").unwrap();
    std::fs::remove_file(vm.paths().job_config()).unwrap();
    let run = vm.run(&["drain", "job_changed", "hash_changed"]);
    assert_eq!(run.stdout, "0\n");
    assert!(run.stderr.contains("error: "), "{}", run.stderr);
}

#[test]
fn a_drain_for_a_stop_takes_back_an_earlier_one_for_an_update() {
    let vm = Vm::new();
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    assert!(!is_set(vm.paths().full_stop()));
    vm.run(&["drain", "job_shutdown", "hash_unchanged"]).ok();
    assert!(!is_set(vm.paths().keep_containers()) && is_set(vm.paths().full_stop()));
    let mut exchange = vm.command(&["drain", "job_changed", "hash_changed"]);
    exchange
        .env("BOSH_JOB_STATE", r#"{"persistent_disk":1}"#)
        .env("BOSH_JOB_NEXT_STATE", r#"{"persistent_disk":2}"#);
    assert_eq!(run(&mut exchange).stdout, "0\n");
    assert!(!is_set(vm.paths().keep_containers()) && is_set(vm.paths().full_stop()));
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    assert!(!is_set(vm.paths().full_stop()));
}

#[test]
fn pre_stop_marks_a_deletion_and_nothing_else() {
    for (next, marked) in [(Some("delete"), true), (Some("keep"), false), (None, false)] {
        let vm = Vm::new();
        let mut command = vm.command(&["pre-stop"]);
        command.envs(next.map(|next| ("BOSH_INSTANCE_NEXT_STATE", next)));
        run(&mut command).ok();
        assert_eq!(is_set(vm.paths().deleting()), marked, "{next:?}");
    }
}

#[test]
fn stop_without_dockerd_ends_at_once_and_leaves_a_stranger_alone() {
    let vm = Vm::new();
    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    std::fs::write(vm.paths().docker_pidfile(), stranger.id().to_string()).unwrap();
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    let run = vm.run(&["stop"]).ok();
    assert!(run.elapsed < Duration::from_secs(2), "{run:?}");
    assert!(
        stranger.try_wait().unwrap().is_none(),
        "the stranger was ended"
    );
    assert!(!vm.paths().docker_pidfile().exists());
    assert!(!is_set(vm.paths().keep_containers()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    std::fs::remove_dir_all(vm.paths().root().join("sys")).unwrap();
    vm.run(&["stop"]).ok();
}

#[test]
fn settings_that_dockerd_refuses_are_said_by_start_and_by_wait() {
    if !inside("settings_that_dockerd_refuses_are_said_by_start_and_by_wait") {
        return;
    }
    let vm = Vm::new();
    script(
        &vm.paths().docker_bin("dockerd"),
        "echo 'the following directives do not match: x' >&2; exit 1",
    );
    let run = vm.run(&["start"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("do not match"), "{}", run.stderr);
    let run = vm.run(&["wait"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("do not match"), "{}", run.stderr);
}

#[test]
fn a_dockerd_that_ends_as_it_starts_is_quoted() {
    if !inside("a_dockerd_that_ends_as_it_starts_is_quoted") {
        return;
    }
    let vm = Vm::new();
    let text = "[ \"$1\" != --validate ] || { echo 'unknown flag: --validate' >&2; exit 125; }\necho 'failed to start daemon: no luck'; exit 1";
    script(&vm.paths().docker_bin("dockerd"), text);
    let run = vm.run(&["start"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("no luck"), "{}", run.stderr);
    assert!(run.elapsed < Duration::from_secs(5), "{run:?}");
}

#[test]
fn after_a_rollback_start_writes_the_files_of_before_until_bosh_drains() {
    if !inside("after_a_rollback_start_writes_the_files_of_before_until_bosh_drains") {
        return;
    }
    let vm = Vm::new();
    script(&vm.paths().docker_bin("dockerd"), "exit 1");
    let files = |text: &str| {
        let content = json!({"content": text, "mode": "0640"});
        vm.set(&[
            ("recipe", json!({"services": {"web": {"image": "x"}}})),
            ("files", json!({"conf/web": content})),
            ("rollback_on_failure", json!(true)),
        ]);
        JobConfig::load(&vm.paths().job_config()).unwrap()
    };
    let kept = KeptRecipe {
        since: "2026-11-20T16:03:31Z".to_owned(),
        recipe: files("old").recipe,
        images: BTreeMap::new(),
        failed: Some(FailedConfig {
            digest: files("new").digest,
            exit_code: ExitCode::Unhealthy,
            errors: Vec::new(),
        }),
    };
    kept.write(&vm.paths()).unwrap();
    let written = || {
        assert_eq!(vm.run(&["start"]).code, 2, "dockerd is a script");
        std::fs::read_to_string(vm.paths().running().join("conf/web")).unwrap()
    };
    assert_eq!(written(), "old");
    // Another deploy than the one that was rolled back.
    files("newer");
    assert_eq!(written(), "newer");
    files("new");
    assert_eq!(written(), "old");
    vm.run(&["drain", "job_shutdown", "hash_unchanged"]).ok();
    assert_eq!(written(), "new");
}

/// An engine that answers, and a living compose-runner.
struct Running {
    vm: Vm,
    _engine: FakeEngine,
    runner: Child,
}

impl Running {
    fn new(properties: &[(&str, Value)]) -> Self {
        let vm = Vm::new();
        vm.set(properties);
        let engine = FakeEngine::start(&vm.paths().socket(), |_| FakeReply::json("{}"));
        let program = vm.paths().root().join("compose-runner");
        install(Path::new("/bin/sleep"), &program);
        let runner = Command::new(program).arg("60").spawn().unwrap();
        Self {
            vm,
            _engine: engine,
            runner,
        }
    }

    fn with_recipe(start_timeout: u64) -> Self {
        Self::new(&[
            ("recipe", json!({"services": {"web": {"image": "x"}}})),
            ("start_timeout", json!(start_timeout)),
        ])
    }

    fn verdict(&self, state: State, exit_code: ExitCode, errors: Vec<ErrorReport>) {
        self.write(state, exit_code, errors, None);
    }

    fn rolled_back(&self, state: State, code: ExitCode, errors: Vec<ErrorReport>, time: &str) {
        self.write(state, code, errors, Some(time.to_owned()));
    }

    fn write(
        &self,
        state: State,
        exit_code: ExitCode,
        errors: Vec<ErrorReport>,
        rolled_back_to: Option<String>,
    ) {
        let service = ServiceReport {
            oom_killed: false,
            name: "web".to_owned(),
            state: "exited".to_owned(),
            health: None,
            restarts: 2,
            exit_code: Some(7),
        };
        let mut verdict = Verdict::new(state, exit_code, errors, vec![service]);
        verdict.warnings = vec![ErrorReport {
            what: "nothing lasts".to_owned(),
            causes: vec!["there is no disk".to_owned()],
            ..ErrorReport::default()
        }];
        verdict.pid = self.runner.id().try_into().unwrap();
        verdict.rolled_back_to = rolled_back_to;
        verdict.write(&self.vm.paths()).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.runner.kill();
        let _ = self.runner.wait();
    }
}

#[test]
fn wait_hands_on_each_verdict() {
    for (state, code, expected) in [
        (State::Up, ExitCode::Ok, 0),
        (State::Failed, ExitCode::Failed, 1),
        (State::Failed, ExitCode::BadConfig, 2),
        (State::Failed, ExitCode::Unhealthy, 3),
        (State::Failed, ExitCode::VerificationFailed, 4),
        (State::Failed, ExitCode::Ok, 1),
    ] {
        let running = Running::with_recipe(30);
        let error = ErrorReport {
            what: "service web exited with 7".to_owned(),
            service: Some("web".to_owned()),
            hint: Some("see web.log".to_owned()),
            log_tail: vec!["out of luck".to_owned()],
            ..ErrorReport::default()
        };
        running.verdict(
            state,
            code,
            if state == State::Up {
                Vec::new()
            } else {
                vec![error]
            },
        );
        let run = running.vm.run(&["wait"]);
        assert_eq!(run.code, expected, "{state:?} {code:?}: {run:?}");
        for part in [
            "service web exited with 7",
            "out of luck",
            "hint: see web.log",
        ] {
            assert_eq!(run.stderr.contains(part), state == State::Failed, "{run:?}");
        }
        let warning = "warning: nothing lasts\n  caused by: there is no disk\n";
        assert!(run.stderr.contains(warning), "{run:?}");
    }
}

#[test]
fn wait_does_not_believe_the_verdict_of_a_runner_that_is_gone() {
    let mut running = Running::with_recipe(1);
    running.verdict(State::Up, ExitCode::Ok, Vec::new());
    running.runner.kill().unwrap();
    running.runner.wait().unwrap();
    let run = running.vm.run(&["wait"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("is gone") && run.stderr.contains("start_timeout"),
        "{}",
        run.stderr
    );
}

#[test]
fn wait_ends_when_its_time_is_up() {
    let running = Running::with_recipe(1);
    running.verdict(State::Starting, ExitCode::Ok, Vec::new());
    let run = running.vm.run(&["wait"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("has been starting since"),
        "{}",
        run.stderr
    );
    assert!(run.elapsed < Duration::from_secs(5), "{run:?}");
}

#[test]
fn wait_gives_the_recipe_that_comes_back_as_much_time_again() {
    let time = "2026-11-20T16:03:31Z";
    let running = Running::with_recipe(2);
    running.verdict(State::Starting, ExitCode::Ok, Vec::new());
    let run = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| running.vm.run(&["wait"]));
        std::thread::sleep(Duration::from_secs(1));
        running.rolled_back(State::Starting, ExitCode::Ok, Vec::new(), time);
        waiting.join().unwrap()
    });
    assert_eq!(run.code, 1);
    assert!(run.elapsed >= Duration::from_millis(2900), "{run:?}");

    let failed = ErrorReport {
        what: "service web exited with 7".to_owned(),
        ..ErrorReport::default()
    };
    running.rolled_back(State::Failed, ExitCode::Unhealthy, vec![failed], time);
    let run = running.vm.run(&["wait"]);
    assert_eq!(run.code, 3);
    let told = [
        "error: service web exited with 7\n",
        &format!("\nthe services are those of the recipe of {time}\n"),
    ];
    for told in told {
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
    let status = running.vm.run(&["status"]);
    let told = format!("recipe: rolled back to the one of {time}, since ");
    assert!(status.stdout.contains(&told), "{status:?}");
}

#[test]
fn wait_sees_a_verdict_that_comes_late() {
    let running = Running::with_recipe(30);
    running.verdict(State::Starting, ExitCode::Ok, Vec::new());
    let waiting = running
        .vm
        .command(&["wait"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    running.verdict(State::Up, ExitCode::Ok, Vec::new());
    assert!(waiting.wait_with_output().unwrap().status.success());
}

#[test]
fn wait_says_that_a_recipe_is_bad_or_that_dockerd_is_not_there() {
    let running = Running::new(&[("recipe", json!(["x"]))]);
    assert_eq!(running.vm.run(&["wait"]).code, 2);
    let vm = Vm::new();
    vm.set(&[("start_timeout", json!(1))]);
    let run = vm.run(&["wait"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("dockerd did not answer within 1 s"),
        "{}",
        run.stderr
    );
}

#[test]
fn without_a_recipe_wait_imports_and_hands_on_how_that_ended() {
    for (text, expected) in [
        ("exit 0", 0),
        ("echo 'error: digest differs' >&2; exit 4", 4),
        ("exit 77", 1),
        ("kill -9 $$", 1),
    ] {
        let running = Running::new(&[]);
        script(&running.vm.paths().program("image-importer"), text);
        let run = running.vm.run(&["wait"]);
        assert_eq!(run.code, expected, "{text}: {run:?}");
        assert_eq!(run.stderr.contains("digest differs"), expected == 4);
        assert_eq!(
            run.stderr.contains("was killed by signal 9"),
            text.contains("kill")
        );
    }
}

#[test]
fn without_a_recipe_any_more_wait_removes_its_containers() {
    let running = Running::new(&[]);
    let paths = running.vm.paths();
    script(&paths.program("image-importer"), "exit 0");
    script(
        &paths.compose_bin(),
        &format!("echo \"$*\" > {}/compose-was-run", paths.root().display()),
    );
    std::fs::create_dir_all(paths.compose_dir()).unwrap();
    std::fs::create_dir_all(paths.cli_dir()).unwrap();
    std::fs::write(paths.applied(), r#"{"project":"shop"}"#).unwrap();
    running.vm.run(&["wait"]).ok();
    let args = std::fs::read_to_string(paths.root().join("compose-was-run")).unwrap();
    assert_eq!(args, "-p shop down --remove-orphans\n");
    assert!(!paths.applied().exists());
}

#[test]
fn status_says_that_the_engine_is_down() {
    let vm = Vm::new();
    let run = vm.run(&["status", "--json"]);
    assert_eq!(run.code, 1);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["engine"], Value::Null);
    assert!(
        report["engine_error"]
            .as_str()
            .unwrap()
            .contains("docker.sock"),
        "{report}"
    );
    assert!(
        vm.run(&["status", "-o", "table"])
            .stdout
            .starts_with("engine: down")
    );
}
