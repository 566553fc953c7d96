//! Hooks of services (`pre_start`, `post_start`, `pre_stop`), which Compose has since 5.3 and 2.30.
//!
//! With an older Compose a container made by hand stands for that of a `pre_start` hook: a script in Compose's place runs it before
//! the real Compose does its `up`, with the labels that Compose 5 gives it.

use std::fs;

use docker_engine::Filters;
use serde_json::{Value, json};
use state_files::{ImageMap, StateFile as _};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, until},
};

/// How the containers of hooks come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hooks {
    /// By Compose.
    Real,
    /// By hand, as up to Compose 5.5: without a label of their own, and removed at their end.
    Removed,
    /// By hand, as later: labelled, and kept if they failed.
    Kept,
}

const PRE_START: [u32; 2] = [5, 3];
const POST_START: [u32; 2] = [2, 30];

/// Says what a test does with this Compose and engine.
#[expect(
    clippy::print_stderr,
    reason = "a test must not leave out anything in silence"
)]
pub fn note(text: &str) {
    eprintln!("{text}");
}

/// Major and minor version of Compose.
pub fn compose(vm: &Vm) -> [u32; 2] {
    let mut command = vm.command(&vm.paths.compose_bin());
    let output = command.args(["version", "--short"]).output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    let mut numbers = version.trim().trim_start_matches('v').split('.');
    let mut next = || numbers.next().unwrap().parse().unwrap();
    [next(), next()]
}

impl Hooks {
    /// The ways to try with this Compose.
    fn ways(vm: &Vm) -> [Self; 2] {
        let version = compose(vm);
        let ways = if version >= PRE_START {
            [Self::Real, Self::Kept]
        } else {
            [Self::Removed, Self::Kept]
        };
        note(&format!(
            "Compose {version:?}: containers of hooks are {ways:?}"
        ));
        ways
    }

    /// The service `web` with a hook of this script.
    fn recipe(self, vm: &Vm, script: &str, web: &Value) -> Value {
        let web = with(sleeper(), web);
        if self == Self::Real {
            let hook = json!([{"image": "test:1", "command": ["sh", "-c", script]}]);
            return json!({"services": {"web": with(web, &json!({"pre_start": hook}))}});
        }
        // what stands for Compose finds the script by a label
        let hooks = vm.root().join("hooks");
        fs::create_dir_all(&hooks).unwrap();
        let name = format!("hook-{}", fs::read_dir(&hooks).unwrap().count());
        fs::write(hooks.join(&name), script).unwrap();
        let labels = match self {
            Self::Kept => "--label com.docker.compose.hook=pre_start",
            _ => "--rm",
        };
        let docker = vm.paths.docker_bin_dir();
        let place = format!(
            r#"#!/bin/sh
hook={hooks}/$(grep -o 'hook-[0-9]*' {recipe})
for word; do
  if [ "$word" = up ]; then
    {docker}/docker --host unix://{socket} run --label com.docker.compose.project=running \
      --label com.docker.compose.service=web --label com.docker.compose.version=5.5.0 {labels} \
      test:1 sh -c "$(cat $hook)" >/dev/null 2>&1
    code=$?
    [ $code = 0 ] || {{ echo "service \"web\" pre_start[0] exited with code $code" >&2; exit 1; }}
  fi
done
exec {docker}/docker-compose "$@"
"#,
            hooks = hooks.display(),
            recipe = vm.paths.compose_file().display(),
            docker = docker.display(),
            socket = vm.paths.socket().display(),
        );
        vm.program(&vm.paths.compose_bin(), &place);
        json!({"services": {"web": with(web, &json!({"labels": {"script": name}}))}})
    }
}

/// The containers of hooks that there are.
fn hooks(vm: &Vm) -> Vec<String> {
    let containers = vm.engine().containers(&Filters::all()).unwrap();
    let hooks = containers
        .into_iter()
        .filter(|one| recipe::labels::hook(&one.labels).is_some());
    hooks.map(|one| one.status_text).collect()
}

#[test]
fn a_failed_hook_is_told_with_its_last_lines_and_hinders_neither_the_next_deploy_nor_a_rollback() {
    let vm = Vm::start();
    for way in Hooks::ways(&vm) {
        let good = || way.recipe(&vm, "true", &json!({}));
        let verdict = vm.deploy(&good(), &json!({}));
        assert_eq!(verdict["state"], "up", "{way:?}: {verdict:#}\n{}", vm.log());
        assert_eq!(hooks(&vm).len(), usize::from(way == Hooks::Kept), "{way:?}");

        let bad = || {
            way.recipe(
                &vm,
                "echo 'cannot migrate'; exit 7",
                &json!({"hostname": "x"}),
            )
        };
        let verdict = vm.deploy(&bad(), &json!({}));
        assert_eq!(verdict["state"], "failed", "{way:?}: {verdict:#}");
        assert_eq!(verdict["exit_code"], 3, "{way:?}: {verdict:#}");
        let error = &verdict["errors"][0];
        assert_eq!(
            error["what"],
            "service web: its hook pre_start[0] exited with 7",
            "{way:?}: {verdict:#}\n{}",
            vm.log()
        );
        assert_eq!(error["service"], "web");
        assert_eq!(
            error["log_tail"],
            json!(["cannot migrate"]),
            "{verdict:#}{}",
            vm.log()
        );
        assert_eq!(words(&verdict).matches("pre_start[0]").count(), 1);
        // as Compose left it: people look at it
        assert_eq!(hooks(&vm).len(), usize::from(way == Hooks::Kept), "{way:?}");

        let rolls_back = json!({"rollback_on_failure": true});
        let verdict = vm.deploy(&good(), &rolls_back);
        assert_eq!(verdict["state"], "up", "{way:?}: {verdict:#}\n{}", vm.log());
        assert_eq!(verdict["services"].as_array().unwrap().len(), 1);

        let verdict = vm.deploy(&bad(), &rolls_back);
        assert!(
            words(&verdict).ends_with("its services are up"),
            "{way:?}: {verdict:#}\n{}",
            vm.log()
        );
        assert_eq!(verdict["errors"][0]["log_tail"], json!(["cannot migrate"]));
        // the hook of the previous recipe has exited with 0
        assert!(!hooks(&vm).iter().any(|state| state.contains("(7)")));
        vm.stop();
    }
}

#[test]
fn a_hook_that_runs_on_is_told_when_time_is_over_and_ended_then_and_by_a_stop() {
    let vm = Vm::start();
    let [way, _] = Hooks::ways(&vm);
    let hangs = way.recipe(&vm, "echo waiting for the database; sleep 1000", &json!({}));
    let runs = || (!hooks(&vm).is_empty()).then_some(());
    vm.configure(&hangs, &json!({}));
    vm.start_runner();
    until(runs).unwrap_or_else(|| panic!("{}", vm.log()));
    vm.stop();
    assert_eq!(hooks(&vm), [""; 0], "{}", vm.log());

    let verdict = vm.deploy(&hangs, &json!({"start_timeout": 5}));
    assert_eq!(
        verdict["errors"][0]["what"],
        "service web: its hook pre_start[0] had not ended when the time of the start was over",
        "{verdict:#}\n{}",
        vm.log()
    );
    assert_eq!(
        verdict["errors"][0]["log_tail"],
        json!(["waiting for the database"])
    );
    until(|| hooks(&vm).is_empty().then_some(())).unwrap_or_else(|| panic!("{}", vm.log()));
}

/// Deploys a recipe that an older Compose does not take. That one refuses it by the name of what it does not know, or, where a
/// distribution built it with the parser of a later one, passes over it.
pub fn deploy(vm: &Vm, since: [u32; 2], key: &str, recipe: &Value, more: &Value) -> Option<Value> {
    let verdict = vm.deploy(recipe, more);
    if compose(vm) >= since {
        return Some(verdict);
    }
    let is_refused = verdict["exit_code"] == 2 && words(&verdict).contains(key);
    note(&format!(
        "Compose {:?} has no `{key}`; refused: {is_refused}",
        compose(vm)
    ));
    assert!(
        is_refused || verdict["state"] == "up",
        "{verdict:#}\n{}",
        vm.log()
    );
    None
}

fn pre_start(image: &str, script: &str) -> Value {
    let hook = json!([{"image": image, "command": ["sh", "-c", script]}]);
    json!({"services": {"web": with(sleeper(), &json!({"pre_start": hook}))}})
}

#[test]
fn the_image_of_a_hook_is_missed_with_its_service_found_by_digest_and_rolled_back_with_it() {
    let vm = Vm::start();
    let none = json!({});
    let missing = pre_start("registry.invalid/migrate:1", "true");
    let Some(verdict) = deploy(&vm, PRE_START, "pre_start", &missing, &none) else {
        return;
    };
    assert_eq!(
        verdict["errors"][0]["what"],
        "service web: image registry.invalid/migrate:1 of its hook pre_start[0] is not on this machine and cannot be pulled",
        "{verdict:#}"
    );
    assert_eq!(verdict["errors"][0]["service"], "web");

    // What image-importer leaves for a store that knows no digests of registries.
    vm.import_image("docker.io/library/migrate:1", "1");
    let id = vm.engine().inspect_image("migrate:1").unwrap().unwrap().id;
    let by_digest = format!("migrate@sha256:{}", "1".repeat(64));
    let map = ImageMap::from_iter([(format!("docker.io/library/{by_digest}"), id)]);
    map.write(&vm.paths).unwrap();
    let verdict = vm.deploy(&pre_start(&by_digest, "test $$(cat /version) = 1"), &none);
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());

    let rolls_back = json!({"rollback_on_failure": true});
    let checks = |version: &str| {
        pre_start(
            "docker.io/library/migrate:1",
            &format!("cat /version; test $$(cat /version) = {version}"),
        )
    };
    let verdict = vm.deploy(&checks("1"), &rolls_back);
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    vm.import_image("docker.io/library/migrate:1", "2");
    let verdict = vm.deploy(&checks("3"), &rolls_back);
    assert!(
        words(&verdict).ends_with("its services are up"),
        "{verdict:#}\n{}",
        vm.log()
    );
    assert_eq!(verdict["errors"][0]["log_tail"], json!(["2"]));
}

/// A directory of the VM at `/data`.
fn data(vm: &Vm) -> Value {
    let directory = vm.root().join("hook-data");
    fs::create_dir_all(&directory).unwrap();
    json!({"volumes": [format!("{}:/data", directory.display())]})
}

#[test]
fn a_post_start_hook_that_failed_is_told_and_runs_again_with_the_next_deploy() {
    let vm = Vm::start();
    let hook = json!({"post_start": [{"command": ["sh", "-c", "test -e /data/ok || exit 3"]}]});
    let web = with(with(sleeper(), &hook), &data(&vm));
    let recipe = json!({"services": {"web": web}});
    let Some(verdict) = deploy(&vm, POST_START, "post_start", &recipe, &json!({})) else {
        return;
    };
    assert_eq!(verdict["exit_code"], 3, "{verdict:#}\n{}", vm.log());
    let what = verdict["errors"][0]["what"].as_str().unwrap();
    assert!(
        what.starts_with("service web: its hook post_start exited with status 3"),
        "{verdict:#}"
    );
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "failed", "{verdict:#}\n{}", vm.log());
    fs::write(vm.root().join("hook-data/ok"), "").unwrap();
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
}

#[test]
fn pre_stop_hooks_run_when_the_services_are_stopped_and_within_stop_timeout() {
    let vm = Vm::start();
    let recipe = |script: &str| {
        let hook = json!({"pre_stop": [{"command": ["sh", "-c", script]}]});
        let web = with(with(sleeper(), &hook), &data(&vm));
        json!({"services": {"web": web, "other": sleeper()}})
    };
    let flushes = recipe("echo flushed >/data/flushed");
    let Some(verdict) = deploy(&vm, POST_START, "pre_stop", &flushes, &json!({})) else {
        return;
    };
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    vm.stop();
    let written = fs::read_to_string(vm.root().join("hook-data/flushed"));
    assert_eq!(written.unwrap(), "flushed\n", "{}", vm.log());
    assert!(vm.container("running-web-1").state.status != docker_engine::Status::Running);
    assert!(vm.container("running-other-1").state.status != docker_engine::Status::Running);

    let slow = json!({"stop_timeout": 10});
    let verdict = vm.deploy(&recipe("sleep 1000"), &slow);
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    let began = std::time::Instant::now();
    vm.runner(&["stop"]);
    let took = began.elapsed();
    assert!(took.as_secs() < 18, "{took:?}\n{}", vm.log());
    assert!(vm.log().contains("`pre_stop`"), "{}", vm.log());
}
