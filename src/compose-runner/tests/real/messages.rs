//! What the runner says: without secrets, readable, fit for a terminal.

use serde_json::{Value, json};
use state_files::{StateFile as _, Verdict};

use crate::vm::Vm;

/// All that others may read of the runner.
fn said(vm: &Vm, verdict: &Value) -> String {
    let health = vm.health().map(|health| health.to_string());
    [
        vm.log(),
        verdict.to_string(),
        std::fs::read_to_string(vm.paths.verdict()).unwrap(),
        health.unwrap_or_default(),
        shown(vm),
    ]
    .concat()
}

/// What post-start prints of the verdict.
fn shown(vm: &Vm) -> String {
    let verdict = Verdict::read(&vm.paths).unwrap().unwrap();
    let lines = verdict
        .errors
        .iter()
        .flat_map(bosh_job::ErrorReport::lines)
        .chain(
            verdict
                .warnings
                .iter()
                .flat_map(|one| one.lines_as("warning")),
        );
    lines.collect::<Vec<_>>().join("\n")
}

fn warnings(verdict: &Value) -> Vec<&str> {
    verdict["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["what"].as_str().unwrap())
        .collect()
}

#[test]
fn a_value_with_quotes_is_redacted_wherever_compose_prep_and_services_repeat_it() {
    let vm = Vm::start();
    let token = "it's-a-\"secret\"-ü-token & <b>";
    let parts = ["secret", "-ü-", "token &"];
    let recipe = "services:\n  a: {image: 'test:1', cpu_shares: '${TOKEN}'}\n";
    let verdict = vm.deploy(&json!(recipe), &json!({"variables": {"TOKEN": token}}));
    let what = verdict["errors"][0]["what"].as_str().unwrap();
    assert!(what.contains("[redacted]"), "{what}");
    let all = said(&vm, &verdict);
    assert!(!parts.iter().any(|part| all.contains(part)), "{all}");

    let recipe = "services:\n  a: {image: 'test:1', restart: 'no', environment: {TOKEN: '${TOKEN}'}, command: [sh, -c, 'echo \"<$$TOKEN>\"; sleep 1; exit 3']}\n";
    let verdict = vm.deploy(&json!(recipe), &json!({"variables": {"TOKEN": token}}));
    assert_eq!(verdict["errors"][0]["log_tail"][0], "<[redacted]>");
    let all = said(&vm, &verdict);
    assert!(!parts.iter().any(|part| all.contains(part)), "{all}");

    for prep in [
        "#!/bin/bash -x\necho \"$TOKEN\"; : \"$TOKEN\"; printf '%q\\n' \"$TOKEN\"; exit 1\n",
        "#!/bin/sh -x\necho \"$TOKEN\"; : \"$TOKEN\"; exit 1\n",
        "#!/usr/bin/env python3\nimport json, os, urllib.parse, base64\nt = os.environ['TOKEN']\nprint(json.dumps(t), repr(t))\nprint(urllib.parse.quote(t), urllib.parse.quote_plus(t))\nprint(base64.b64encode(('user:' + t).encode()))\nprint('x' * 16380 + t)\nraise SystemExit(1)\n",
    ] {
        let verdict = vm.deploy(
            &json!("services: {a: {image: 'test:1'}}"),
            &json!({"variables": {"TOKEN": token}, "prep": prep}),
        );
        let all = said(&vm, &verdict);
        for part in [
            "secret",
            "\u{fc}-",
            "token &",
            "%22secret",
            "LWEtInNlY3JldC",
            "-token",
        ] {
            assert!(!all.contains(part), "{part}: {}", shown(&vm));
        }
        assert!(
            verdict["errors"][0]["log_tail"]
                .to_string()
                .contains("[redacted]")
        );
    }
}

#[test]
fn values_that_are_ordinary_words_leave_own_sentences_and_names_readable() {
    let vm = Vm::start();
    let recipe = "services:\n  postgres: {image: 'registry.example/postgres:16', environment: {DB: '${DB_NAME}'}}\n  app: {image: 'test:1', environment: {DB_HOST: '${DB_HOST}'}, command: [sh, -c, 'echo connecting to $$DB_HOST; sleep 1; exit 4']}\n";
    let variables = json!({"DB_HOST": "postgres", "DB_NAME": "registry", "LOG_LEVEL": "info", "STAGE": "machine", "PORT": "8080", "ON": "true"});
    let more = json!({"variables": variables});
    let verdict = vm.deploy(&json!(recipe), &more);
    assert_eq!(
        verdict["errors"][0]["what"],
        "service postgres: image registry.example/postgres:16 is not on this machine and cannot be pulled"
    );
    assert!(!shown(&vm).contains("service [redacted]"), "{}", shown(&vm));
    let recipe = recipe.replace("registry.example/postgres:16", "test:1");
    vm.deploy(&json!(recipe), &more);
    let text = shown(&vm);
    assert!(text.contains("| connecting to postgres"), "{text}");
    assert!(!text.contains("[redacted]"), "{text}");
}

#[test]
fn escape_sequences_of_a_service_are_shown_as_text() {
    let vm = Vm::start();
    let recipe = "services:\n  f:\n    image: test:1\n    restart: 'no'\n    command: [sh, -c, \"printf '\\\\033[2J\\\\033]0;title\\\\007 \\\\000nul \\\\377\\\\376 bad\\\\rover \\\\342\\\\200\\\\256\\n'; sleep 1; exit 1\"]\n";
    let verdict = vm.deploy(&json!(recipe), &json!({}));
    let text = said(&vm, &verdict);
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n') && !text.contains('\u{202e}'),
        "{text:?}"
    );
    assert!(
        shown(&vm).contains("| \\u{1b}[2J\\u{1b}]0;title\\u{7}"),
        "{text}"
    );
}

#[test]
fn a_prep_that_the_kernel_cannot_start_is_told_with_the_reason() {
    let vm = Vm::start();
    let recipe = json!("services: {a: {image: 'test:1'}}");
    let verdict = vm.deploy(&recipe, &json!({"prep": "#!/bin/sh\r\necho hi\r\n"}));
    assert_eq!(
        (&verdict["exit_code"], &verdict["errors"][0]["property"]),
        (&json!(2), &json!("prep"))
    );
    let text = shown(&vm);
    assert!(
        text.contains("carriage return (CR)") && text.contains("dos2unix"),
        "{text}"
    );
    let verdict = vm.deploy(
        &recipe,
        &json!({"prep": "#!/usr/bin/no-such-shell -e\n:\n"}),
    );
    let what = verdict["errors"][0]["what"].as_str().unwrap();
    assert!(
        what.contains("names the program \"/usr/bin/no-such-shell\", which is not there"),
        "{what}"
    );
    let verdict = vm.deploy(&recipe, &json!({"prep": "false\r\n"}));
    let hint = verdict["errors"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("CR LF"), "{hint}");
    assert!(
        vm.engine()
            .containers(&docker_engine::Filters::all())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn variables_that_are_not_set_and_another_projects_name_are_warned_of_and_the_recipe_runs() {
    let vm = Vm::start();
    let recipe = "name: myapp\nservices:\n  web: {image: 'test:1', labels: ['a=${MISSING}', 'b=${SET} ${D:-x} $$NOT ${BOSH_ID}${FILE}'], hostname: '${COMPOSE_PROJECT_NAME}'}\n";
    let more = json!({"variables": {"SET": "x"}, "files": {".env": "FILE=1\nDOCKER_HOST=tcp://192.0.2.1:1\n"}});
    let verdict = vm.deploy(&json!(recipe), &more);
    assert_eq!(verdict["state"], "up", "{verdict:#}");
    let [unset, name] = &warnings(&verdict)[..] else {
        panic!("{verdict:#}")
    };
    assert!(
        unset.contains("(service web) uses variable MISSING, which is not set"),
        "{unset}"
    );
    assert!(name.contains("`name: myapp` does not count"), "{name}");
    assert_eq!(
        vm.exec("running-web-1", &["/bin/busybox", "hostname"])
            .trim(),
        "running"
    );
    // also of a recipe that does not run
    let recipe = json!("services: {web: {image: 'none.example/none:${MISSING}1'}}");
    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "failed");
    assert_eq!(warnings(&verdict).len(), 1, "{verdict:#}");
}

#[test]
fn a_health_check_that_comes_after_the_start_s_time_is_warned_of_and_told() {
    let vm = Vm::start();
    let recipe = "services:\n  a: {image: 'test:1', healthcheck: {test: [CMD, 'true'], interval: 5m}}\n  b: {image: 'test:1', healthcheck: {test: [CMD, 'true'], interval: 1s}}\n";
    let verdict = vm.deploy(&json!(recipe), &json!({"start_timeout": 5}));
    assert_eq!(verdict["exit_code"], 3, "{verdict:#}");
    assert_eq!(
        warnings(&verdict),
        [
            "service a: its first health check comes 5 min after its start, and `start_timeout` is 5 s"
        ]
    );
    let error = &verdict["errors"][0];
    assert_eq!(error["service"], "a");
    assert_eq!(
        error["causes"][0],
        "no health check has ended yet: the first comes 5 min after the start"
    );
    assert!(error["hint"].as_str().unwrap().contains("`start_timeout`"));
    // Compose's `up` waits for it, too
    let recipe = recipe.replace(
        "  b: {",
        "  b: {depends_on: {a: {condition: service_healthy}}, ",
    );
    let verdict = vm.deploy(&json!(recipe), &json!({"start_timeout": 5}));
    let errors = verdict["errors"].as_array().unwrap();
    let of_a: Vec<_> = errors.iter().filter(|one| one["service"] == "a").collect();
    // the end of `up` may be told of the same service, where that was Compose's last word
    assert!(
        of_a.iter().any(|error| {
            let causes = error["causes"].to_string();
            causes.contains("the first comes 5 min after the start")
        }),
        "{verdict:#}"
    );
}

#[test]
fn services_of_active_profiles_run_and_those_of_others_are_removed() {
    let vm = Vm::start();
    let recipe = json!(
        "services:\n  web: {image: 'test:1'}\n  debug: {image: 'test:1', profiles: [debug]}\n  admin: {image: 'test:1', profiles: [admin, debug]}\n"
    );
    let running = || {
        let containers = vm
            .engine()
            .containers(&docker_engine::Filters::all())
            .unwrap();
        let mut names: Vec<_> = containers.iter().map(|one| one.name().to_owned()).collect();
        names.sort();
        names
    };
    for (profiles, names) in [
        (json!([]), &["running-web-1"][..]),
        (
            json!(["debug"]),
            &["running-admin-1", "running-debug-1", "running-web-1"],
        ),
        (json!(["admin"]), &["running-admin-1", "running-web-1"]),
        (
            json!(["*"]),
            &["running-admin-1", "running-debug-1", "running-web-1"],
        ),
        (json!([]), &["running-web-1"]),
    ] {
        let verdict = vm.deploy(&recipe, &json!({"profiles": profiles}));
        assert_eq!(verdict["state"], "up", "{verdict:#}");
        assert_eq!(running(), names, "{profiles}");
    }
    let verdict = vm.deploy(
        &recipe,
        &json!({"variables": {"COMPOSE_PROFILES": "debug"}}),
    );
    assert_eq!(
        verdict["errors"][0]["property"],
        "variables.COMPOSE_PROFILES"
    );
    assert!(
        verdict["errors"][0]["hint"]
            .as_str()
            .unwrap()
            .contains("`profiles`")
    );
}

#[test]
fn a_string_recipe_keeps_quoted_values_lists_and_arithmetic_without_double_parentheses() {
    // docs/recipes.md
    let vm = Vm::start();
    let recipe = "services:\n  a:\n    image: test:1\n    environment: {A: \"3.10\", B: \"0777\", C: yes}\n    command: [sh, -c, 'n=1; n=$$(/bin/busybox expr $$n + 1); echo $$n >/n; exec sleep 1000000']\n  b:\n    image: test:1\n    environment: [A=3.10, B=0777, C=yes]\n";
    assert_eq!(
        vm.deploy(&json!(recipe), &json!({}))["state"],
        "up",
        "{}",
        vm.log()
    );
    for container in ["running-a-1", "running-b-1"] {
        let environment = vm.exec(container, &["env"]);
        for variable in ["A=3.10", "B=0777", "C=yes"] {
            assert!(
                environment.lines().any(|line| line == variable),
                "{environment}"
            );
        }
    }
    assert_eq!(vm.exec("running-a-1", &["cat", "/n"]).trim(), "2");
}

#[test]
fn a_value_that_no_environment_can_carry_is_named_before_anything_is_touched() {
    let vm = Vm::start();
    let recipe = json!("services: {a: {image: 'test:1', labels: ['x=${BIG}']}}");
    let more = json!({"variables": {"BIG": "x".repeat(131_072), "SMALL": "x"}});
    let verdict = vm.deploy(&recipe, &more);
    let what = verdict["errors"][0]["what"].as_str().unwrap();
    assert!(
        what.starts_with("property `variables.BIG`: has 131077 bytes"),
        "{what}"
    );
    let more = json!({"variables": {"BIG": "x".repeat(131_000), "SMALL": "x"}});
    assert_eq!(vm.deploy(&recipe, &more)["state"], "up", "{}", vm.log());
}
