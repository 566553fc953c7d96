//! What an update touches and what it leaves alone, with a real dockerd and a real Compose.

use docker_engine::Status;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal},
};

#[test]
fn what_can_be_found_out_before_leaves_the_old_containers_serving() {
    let vm = Vm::start();
    let good = json!({"services": {"web": sleeper()}});
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    let started = vm.started_at("running-web-1");
    let listener = vm.listen(8123);
    vm.docker(&[
        "run",
        "--detach",
        "--name",
        "theirs",
        "--publish",
        "8124:80",
        "test:1",
    ]);
    for (recipe, more, exit_code, property, text) in refused() {
        let verdict = vm.deploy(&recipe, &more);
        assert_eq!(
            (&verdict["state"], &verdict["exit_code"]),
            (&json!("failed"), &json!(exit_code)),
            "{text}: {verdict:#}"
        );
        assert!(words(&verdict).contains(text), "{text}: {verdict:#}");
        assert_eq!(
            verdict["errors"][0]["property"], property,
            "{text}: {verdict:#}"
        );
        assert!(verdict["errors"][0]["hint"].is_string(), "{verdict:#}");
        assert_eq!(vm.started_at("running-web-1"), started, "{text}");
        assert!(
            vm.runner_pid().is_some() && vm.health().is_none(),
            "the runner lives and does not listen: {text}"
        );
    }
    drop(listener);
    assert_eq!(vm.deploy(&good, &json!({}))["state"], "up");
    assert_eq!(
        vm.started_at("running-web-1"),
        started,
        "and the good one finds them again"
    );
}

#[test]
fn a_changed_file_makes_only_the_services_anew_that_mount_it() {
    let vm = Vm::start();
    let recipe = json!({
        "services": {
            "one": with(sleeper(), &json!({"volumes": ["./conf/one:/one:ro"]})),
            "dir": with(sleeper(), &json!({"volumes": ["$PWD/conf:/conf"]})),
            "sec": with(sleeper(), &json!({"secrets": ["key"], "configs": ["conf"]})),
            "none": sleeper(),
        },
        "secrets": {"key": {"file": "./key"}},
        "configs": {"conf": {"file": "./made"}},
    });
    let files = |one: &str, key: &str| json!({"files": {"conf/one": one, "key": {"content": key, "mode": "0600"}}, "prep": "cp key made"});
    let names = ["one", "dir", "sec", "none"].map(|name| format!("running-{name}-1"));
    let ids = || {
        names
            .clone()
            .map(|name| (vm.container(&name).id, vm.started_at(&name)))
    };
    let deploy = |one, key| {
        let verdict = vm.deploy(&recipe, &files(one, key));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        ids()
    };
    let first = deploy("1", "k");
    // A container may write into a directory that it mounts; that is its own affair.
    vm.exec("running-dir-1", &["touch", "/conf/journal"]);
    assert_eq!(deploy("1", "k"), first);
    let changed = |before: &[(String, String); 4], after: &[(String, String); 4]| {
        [0, 1, 2, 3].map(|service| before[service] != after[service])
    };
    let second = deploy("2", "k");
    assert_eq!(changed(&first, &second), [true, true, false, false]);
    assert_eq!(vm.exec("running-one-1", &["cat", "/one"]), "2");
    let third = deploy("2", "K");
    assert_eq!(changed(&second, &third), [false, false, true, false]);
    assert_eq!(
        vm.exec("running-sec-1", &["cat", "/conf"]),
        "K",
        "what prep made counts too"
    );
}

#[test]
fn another_project_name_replaces_the_earlier_projects_containers_and_keeps_its_volumes() {
    let vm = Vm::start();
    let recipe = json!({"services": {"web": with(sleeper(), &json!({"ports": ["8125:80"], "volumes": ["data:/data"]}))}, "volumes": {"data": {}}});
    assert_eq!(vm.deploy(&recipe, &json!({}))["state"], "up");
    let verdict = vm.deploy(&recipe, &json!({"project_name": "other"}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    assert!(
        vm.engine()
            .inspect_container("running-web-1")
            .unwrap_err()
            .is_not_found()
    );
    assert_eq!(vm.container("other-web-1").state.status, Status::Running);
    let volumes = String::from_utf8(vm.docker(&["volume", "ls", "--quiet"]).stdout).unwrap();
    assert!(
        volumes.lines().any(|volume| volume == "running_data"),
        "{volumes}"
    );
    vm.stop();
    assert_eq!(vm.container("other-web-1").state.status, Status::Exited);
}
#[test]
fn a_runner_that_was_killed_is_followed_by_one_that_adopts_the_containers() {
    let vm = Vm::start();
    let verdict = vm.deploy(
        &json!({"services": {"web": sleeper(), "db": sleeper()}}),
        &json!({}),
    );
    assert_eq!(verdict["state"], "up");
    let started = [
        vm.started_at("running-web-1"),
        vm.started_at("running-db-1"),
    ];
    let killed = vm.runner_pid().unwrap();
    signal(killed, Signal::KILL);
    vm.wait_for_end(killed);
    vm.start_runner();
    let verdict =
        vm.verdict_that(|verdict| verdict["pid"] != killed && verdict["state"] != "starting");
    assert_eq!(verdict["state"], "up", "{}", vm.log());
    assert_eq!(vm.health().unwrap()["state"], "up");
    assert_eq!(
        [
            vm.started_at("running-web-1"),
            vm.started_at("running-db-1")
        ],
        started
    );
}

/// Recipes and other properties, the exit code and the property of the refusal, and what it says.
fn refused() -> [(Value, Value, i64, &'static str, &'static str); 13] {
    let web = |more: Value| json!({"services": {"web": with(sleeper(), &more)}});
    [
        (
            json!("services:\n  web:\n    image: test:1\n   x: 1\n"),
            json!({}),
            2,
            "recipe",
            "(line 4, column 4 of the recipe)",
        ),
        (
            web(json!({"imag": "x"})),
            json!({}),
            2,
            "recipe",
            "services.web",
        ),
        (
            web(json!({"image": "${PW:?is not set}"})),
            json!({}),
            2,
            "recipe",
            "required variable PW is missing a value: is not set",
        ),
        (
            json!({"services": {}}),
            json!({}),
            2,
            "recipe",
            "property `recipe`: it has no services",
        ),
        (
            web(json!({})),
            json!({"files": {"../x": "y"}}),
            2,
            "files[\"../x\"]",
            "../x",
        ),
        (
            web(json!({})),
            json!({"project_name": "Running"}),
            2,
            "project_name",
            "property `project_name`: must consist of",
        ),
        (
            web(json!({})),
            json!({"files": {"x": {"content": "y", "owner": "nobody-known"}}}),
            2,
            "files[\"x\"].owner",
            "nobody-known",
        ),
        (
            web(json!({})),
            json!({"prep": "echo cannot prepare; exit 1"}),
            1,
            "prep",
            "property `prep`: the script exited with 1",
        ),
        (
            web(json!({"image": "registry.invalid/nope:1"})),
            json!({}),
            1,
            "recipe",
            "service web: image registry.invalid/nope:1 is not on this machine",
        ),
        (
            web(json!({"ports": ["8123:80"]})),
            json!({}),
            1,
            "recipe",
            "service web publishes port 8123/tcp, which process ",
        ),
        (
            web(json!({"ports": ["8124:80"]})),
            json!({}),
            1,
            "recipe",
            "service web publishes port 8124/tcp, which container theirs holds",
        ),
        (
            web(json!({"volumes": ["./conf/nope:/x"]})),
            json!({}),
            2,
            "recipe",
            "service web, `volumes`: there is no ./conf/nope",
        ),
        (
            web(json!({"configs": ["c"], "image": "test:1"})),
            json!({}),
            2,
            "recipe",
            "undefined config",
        ),
    ]
}
