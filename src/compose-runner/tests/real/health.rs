//! The health of a recipe, with a real dockerd and a real Compose.

use std::{fs, time::Duration};

use serde_json::json;

use crate::{
    recipes::{sleeper, with, words},
    vm::{Vm, signal, until},
};

#[test]
fn brings_a_recipe_up_and_says_so_with_the_values_of_instance_and_variables() {
    let vm = Vm::start();
    let environment = json!({"PW": "${PW}", "PLAIN": "x$$y", "WHO": "${BOSH_NAME}/${BOSH_INDEX} ${BOSH_IP} ${BOSH_AZ} ${BOSH_DEPLOYMENT}"});
    let recipe = json!({"services": {
        "web": with(sleeper(), &json!({"environment": environment, "depends_on": ["db"], "volumes": ["$PWD/conf:/conf", "named:/data"]})),
        "db": with(sleeper(), &json!({"healthcheck": {"test": ["CMD", "true"], "interval": "1s"}})),
        "once": {"image": "test:1", "command": ["true"], "restart": "on-failure"},
    }, "volumes": {"named": {}}});
    let more = json!({"variables": {"PW": "a$b${PATH}c"}, "files": {"conf/x": "hello\n"}, "prep": "echo the password is $PW; pwd > where"});
    let verdict = vm.deploy(&recipe, &more);
    assert_eq!(
        (&verdict["state"], &verdict["exit_code"]),
        (&json!("up"), &json!(0)),
        "{verdict:#}\n{}",
        vm.log()
    );
    let states: Vec<_> = verdict["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| (&service["name"], &service["state"]))
        .collect();
    assert_eq!(
        states,
        [
            (&json!("db"), &json!("running")),
            (&json!("once"), &json!("exited")),
            (&json!("web"), &json!("running"))
        ]
    );
    let environment = vm.exec("running-web-1", &["env"]);
    for line in [
        "PW=a$b${PATH}c",
        "PLAIN=x$y",
        "WHO=docker/7 10.0.0.2 z1 test",
    ] {
        assert!(
            environment.lines().any(|found| found == line),
            "{line}: {environment}"
        );
    }
    assert_eq!(vm.exec("running-web-1", &["cat", "/conf/x"]), "hello\n");
    let running = vm.paths.running();
    assert_eq!(
        fs::read_to_string(running.join("where")).unwrap().trim(),
        running.to_str().unwrap()
    );
    assert_eq!(vm.health().unwrap()["state"], "up");
    let log = vm.log();
    assert!(log.contains("all 3 services stable for 1 s"), "{log}");
    assert!(
        log.contains("prep: the password is [redacted]") && !log.contains("a$b$"),
        "{log}"
    );
    assert!(!verdict.to_string().contains("a$b$"));
    // Another start finds the runner alive.
    let pid = vm.runner_pid().unwrap();
    vm.start_runner();
    assert_eq!(vm.runner_pid(), Some(pid));
    assert!(vm.runner(&["run", "--check-config"]).status.success());
}

#[test]
fn a_crash_loop_a_failed_one_shot_and_a_sick_service_fail_with_their_last_words() {
    let vm = Vm::start();
    let looping = json!({"image": "test:1", "restart": "always", "command": ["sh", "-c", "echo no database; exit 5"]});
    let verdict = vm.deploy(
        &json!({"services": {"web": looping, "db": sleeper()}}),
        &json!({}),
    );
    assert_eq!(
        (&verdict["state"], &verdict["exit_code"]),
        (&json!("failed"), &json!(3)),
        "{verdict:#}"
    );
    let error = &verdict["errors"][0];
    assert!(
        error["what"]
            .as_str()
            .unwrap()
            .starts_with("service web, container running-web-1: restarted "),
        "{error:#}"
    );
    assert!(
        error["what"]
            .as_str()
            .unwrap()
            .ends_with("it last exited with 5"),
        "{error:#}"
    );
    assert_eq!(
        (&error["service"], &error["log_tail"][0]),
        (&json!("web"), &json!("no database"))
    );
    assert!(vm.health().is_none() && !vm.paths.health_socket().exists());

    let one_shot =
        json!({"image": "test:1", "command": ["sh", "-c", "echo cannot migrate; exit 9"]});
    let verdict = vm.deploy(&json!({"services": {"once": one_shot}}), &json!({}));
    assert_eq!(
        (words(&verdict).as_str(), &verdict["exit_code"]),
        (
            "service once, container running-once-1: exited with 9",
            &json!(3)
        )
    );
    assert_eq!(verdict["errors"][0]["log_tail"], json!(["cannot migrate"]));

    // Sick, then well again, then dead: BOSH sees it, and that it clears.
    let check = json!({"test": ["CMD-SHELL", "test -f /ok || { echo /ok is not there; exit 1; }"], "interval": "1s", "retries": 2});
    let recipe = json!({"services": {"web": with(sleeper(), &json!({"healthcheck": check}))}});
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(
        (words(&verdict).as_str(), &verdict["exit_code"]),
        (
            "service web, container running-web-1: is unhealthy",
            &json!(3)
        )
    );
    assert_eq!(
        verdict["errors"][0]["causes"],
        json!(["its health check exited with 1: /ok is not there"])
    );
    assert!(vm.health().is_none());
    let started = vm.started_at("running-web-1");
    vm.exec("running-web-1", &["touch", "/ok"]);
    vm.verdict_that(|verdict| verdict["state"] == "up");
    assert_eq!(vm.health().unwrap()["state"], "up");
    assert_eq!(
        vm.started_at("running-web-1"),
        started,
        "the runner starts nothing again"
    );
    vm.docker(&["kill", "running-web-1"]);
    let verdict = vm.verdict_that(|verdict| verdict["state"] == "failed");
    assert_eq!(
        words(&verdict),
        "service web, container running-web-1: exited with 137"
    );
    assert!(vm.health().is_none());
    vm.docker(&["start", "running-web-1"]);
    vm.verdict_that(|verdict| verdict["state"] == "up");
    assert!(vm.health().is_some());
}

#[test]
fn a_dependency_that_fails_is_told_with_its_last_words() {
    let vm = Vm::start();
    let db = json!({"image": "test:1", "command": ["sh", "-c", "echo disk is full; exit 4"]});
    let web = with(
        sleeper(),
        &json!({"depends_on": {"db": {"condition": "service_completed_successfully"}}}),
    );
    let verdict = vm.deploy(&json!({"services": {"web": web, "db": db}}), &json!({}));
    assert_eq!(
        (&verdict["state"], &verdict["exit_code"]),
        (&json!("failed"), &json!(3)),
        "{verdict:#}"
    );
    let words = words(&verdict);
    assert!(
        words.contains(
            "docker-compose up exited with 1: service \"db\" didn't complete successfully"
        ),
        "{words}"
    );
    assert!(
        words.contains("service db, container running-db-1: exited with 4"),
        "{words}"
    );
    assert_eq!(verdict["errors"][1]["log_tail"], json!(["disk is full"]));
}

#[test]
fn an_engine_that_goes_and_comes_back_is_no_failure_of_the_recipe() {
    let mut vm = Vm::start();
    let check = json!({"test": ["CMD", "true"], "interval": "1s"});
    let recipe = json!({"services": {"web": with(sleeper(), &json!({"healthcheck": check, "restart": "always"}))}});
    assert_eq!(vm.deploy(&recipe, &json!({}))["state"], "up");
    let started = vm.started_at("running-web-1");
    vm.end_dockerd();
    until(|| {
        vm.log()
            .contains("the engine does not answer, waiting for it")
            .then_some(())
    })
    .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(vm.health().unwrap()["state"], "up");
    vm.start_dockerd();
    until(|| vm.log().contains("the engine is back").then_some(())).unwrap();
    assert_eq!(
        vm.log().matches("the engine does not answer").count(),
        1,
        "{}",
        vm.log()
    );
    assert_eq!(vm.started_at("running-web-1"), started);
    vm.docker(&["rm", "--force", "running-web-1"]);
    let verdict = vm.verdict_that(|verdict| verdict["state"] == "failed");
    assert_eq!(words(&verdict), "service web: has no container");
}

#[test]
fn an_import_that_failed_fails_the_verdict_with_each_bad_image_although_the_services_are_up() {
    let vm = Vm::start();
    let images: Vec<_> = (0..10)
        .map(|number| {
            let error = json!({
                "what": format!("importing image x{number}"), "causes": ["its digest differs, says hunter2"], "hint": "upload the release again",
            });
            json!({"path": format!("/x{number}"), "action": "failed", "errors": [error]})
        })
        .collect();
    let report = json!({"exit_code": 4, "images": images, "lists": [{"what": "no such file"}]});
    fs::write(vm.root().join("report.json"), report.to_string()).unwrap();
    // Its progress is many lines, and no part of the report.
    let importer = format!(
        "busybox seq 1 100 >&2 || seq 1 100 >&2; cat {}/report.json; exit 4",
        vm.root().display()
    );
    vm.importer(&importer);
    let recipe = json!({"services": {"web": sleeper()}});
    let verdict = vm.deploy(&recipe, &json!({"variables": {"PW": "hunter2"}}));
    assert_eq!(
        (&verdict["state"], &verdict["exit_code"]),
        (&json!("failed"), &json!(4)),
        "{verdict:#}"
    );
    let told = words(&verdict);
    assert!(
        told.starts_with("importing images: no such file\n"),
        "{told}"
    );
    for (number, error) in verdict["errors"].as_array().unwrap()[1..11]
        .iter()
        .enumerate()
    {
        assert_eq!(
            error["what"],
            format!("importing images: importing image x{number}")
        );
        assert_eq!(
            error["causes"],
            json!(["its digest differs, says [redacted]"])
        );
        assert_eq!(error["hint"], "upload the release again");
    }
    assert_eq!(verdict["services"][0]["state"], "running");
    assert!(vm.health().is_some(), "the services are well");

    // One that ends without a report is told with its last lines.
    vm.importer("echo 'cannot go on' >&2; exit 1");
    let verdict = vm.deploy(&recipe, &json!({}));
    let error = &verdict["errors"][0];
    assert_eq!(
        error["what"],
        "importing images: image-importer exited with 1"
    );
    assert_eq!(error["log_tail"], json!(["cannot go on"]));
}

#[test]
fn an_engine_that_hangs_is_posted_and_forgotten_when_it_goes_on() {
    let vm = Vm::start();
    let up = vm.deploy(&json!({"services": {"web": sleeper()}}), &json!({}));
    assert_eq!(up["state"], "up", "{up:#}\n{}", vm.log());
    let before = vm.started_at("running-web-1");
    signal(vm.dockerd_pid(), rustix::process::Signal::STOP);
    let failed = vm.verdict_that(|verdict| verdict["state"] == "failed");
    signal(vm.dockerd_pid(), rustix::process::Signal::CONT);
    let said = failed["errors"].to_string();
    assert!(
        said.contains("engine does not answer") && said.contains("docker.sock"),
        "{failed:#}"
    );
    assert!(vm.log().contains("engine does not answer"), "{}", vm.log());
    vm.verdict_that(|verdict| verdict["state"] == "up");
    assert!(until(|| vm.health()).is_some());
    assert_eq!(vm.started_at("running-web-1"), before);
}

#[test]
fn a_disk_without_room_for_logs_keeps_no_recipe_from_coming_up() {
    let vm = Vm::start();
    std::os::unix::fs::symlink("/dev/full", vm.paths.log_file("compose-runner")).unwrap();
    let recipe = json!({"services": {"web": sleeper()}});
    let verdict = vm.deploy(&recipe, &json!({"prep": "#!/bin/sh\necho to the log\n"}));
    assert_eq!(verdict["state"], "up", "{verdict:#}");
    vm.stop();
    let stopped = vm.container("running-web-1").state.status;
    assert_eq!(stopped, docker_engine::Status::Exited);
}
