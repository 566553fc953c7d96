//! The table of `docs/verdicts.md`: each of its cells is a service of one of the recipes here.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::{
    recipes::{sleeper, with, words},
    vm::Vm,
};

const NO: &str = "`restart: no`, or none";
const ON_FAILURE: &str = "`restart: on-failure`";
const ALWAYS: &str = "`restart: always`";
const UNLESS_STOPPED: &str = "`restart: unless-stopped`";
const STARTED: &str = "`depends_on: service_started`";
const HEALTHY: &str = "`depends_on: service_healthy`";
const COMPLETED: &str = "`depends_on: service_completed_successfully`";
const CHECK: &str = "healthcheck, passing";
const SLOW: &str = "healthcheck, slow (`start_period`)";
const NO_CHECK: &str = "no healthcheck";
const SCALED: &str = "`scale`, `deploy.replicas`";
const MEMORY: &str = "memory limit (`mem_limit`)";
/// Rows of what counts for nothing.
const NOTHING: [&str; 2] = ["`profiles`", "`scale: 0`"];

/// A service, its row, and what the verdict says of it.
struct Case {
    row: &'static str,
    name: &'static str,
    service: Value,
    /// The engine's word for its containers.
    state: &'static str,
    restarts: u64,
}

fn case(row: &'static str, name: &'static str, state: &'static str, service: Value) -> Case {
    Case {
        row,
        name,
        service,
        state,
        restarts: 0,
    }
}

fn lasting(more: &Value) -> Value {
    with(sleeper(), more)
}

fn script(text: &str, more: &Value) -> Value {
    with(
        json!({"image": "test:1", "command": ["sh", "-c", text]}),
        more,
    )
}

fn after(service: &str, condition: &str) -> Value {
    json!({"depends_on": {service: {"condition": condition}}})
}

fn check(test: &str, more: &Value) -> Value {
    let check = json!({"test": ["CMD-SHELL", test], "interval": "1s", "timeout": "5s"});
    json!({"healthcheck": with(check, more)})
}

/// Services that are up (`running`) or finished (`exited`).
fn well() -> Vec<Case> {
    let second_try = script(
        "test -e /tried && exit 0; touch /tried; exit 1",
        &json!({"restart": "on-failure:3"}),
    );
    let slow = script(
        "sleep 2; touch /ready; exec sleep 1000",
        &with(
            check(
                "test -e /ready",
                &json!({"retries": 1, "start_period": "60s"}),
            ),
            &json!({"init": true}),
        ),
    );
    vec![
        case(NO, "long", "running", lasting(&json!({}))),
        case(NO, "one-shot", "exited", script("exit 0", &json!({}))),
        case(
            ON_FAILURE,
            "on-failure",
            "running",
            lasting(&json!({"restart": "on-failure"})),
        ),
        case(
            ON_FAILURE,
            "done",
            "exited",
            script("exit 0", &json!({"restart": "on-failure"})),
        ),
        Case {
            restarts: 1,
            ..case(ON_FAILURE, "done-at-last", "exited", second_try)
        },
        case(
            ALWAYS,
            "always",
            "running",
            lasting(&json!({"restart": "always"})),
        ),
        case(
            UNLESS_STOPPED,
            "unless-stopped",
            "running",
            lasting(&json!({"restart": "unless-stopped"})),
        ),
        case(
            STARTED,
            "after-start",
            "running",
            lasting(&after("long", "service_started")),
        ),
        case(
            HEALTHY,
            "after-health",
            "running",
            lasting(&after("checked", "service_healthy")),
        ),
        case(
            COMPLETED,
            "after-end",
            "running",
            lasting(&after("one-shot", "service_completed_successfully")),
        ),
        case(
            CHECK,
            "checked",
            "running",
            lasting(&check("true", &json!({}))),
        ),
        case(SLOW, "slow", "running", slow),
        case(NO_CHECK, "unchecked", "running", lasting(&json!({}))),
        case(SCALED, "scaled", "running", lasting(&json!({"scale": 2}))),
        case(
            SCALED,
            "replicas",
            "exited",
            script("exit 0", &json!({"deploy": {"replicas": 2}})),
        ),
    ]
}

/// Services that die by themselves, and the words that say so.
fn dead() -> Vec<(Case, &'static str)> {
    let limit = "restarted at least 3 times within 300 s; it last exited with ";
    let looping = |code: u8, policy: &str| {
        script(
            &format!("echo last words; exit {code}"),
            &json!({"restart": policy}),
        )
    };
    let one_of_two = script(
        "(set -C; : >/shared/first) 2>/dev/null && exit 8; exec sleep 1000",
        &json!({"scale": 2, "volumes": ["shared:/shared"], "init": true}),
    );
    let hungry = script(
        "x=xxxxxxxx; while :; do x=$$x$$x; done",
        &json!({"mem_limit": "16m", "memswap_limit": "16m"}),
    );
    vec![
        (
            case(NO, "fails", "exited", script("exit 9", &json!({}))),
            "exited with 9",
        ),
        (
            case(ON_FAILURE, "loops", "", looping(4, "on-failure")),
            limit,
        ),
        (
            Case {
                restarts: 1,
                ..case(ON_FAILURE, "spent", "exited", looping(6, "on-failure:1"))
            },
            "exited with 6",
        ),
        (
            case(ALWAYS, "loops-always", "", looping(5, "always")),
            limit,
        ),
        (case(ALWAYS, "ends-always", "", looping(0, "always")), limit),
        (
            case(
                UNLESS_STOPPED,
                "loops-unless",
                "",
                looping(5, "unless-stopped"),
            ),
            limit,
        ),
        (
            case(
                CHECK,
                "sick",
                "running",
                lasting(&check(
                    "echo no backend; exit 1",
                    &json!({"retries": 1, "start_period": "0s"}),
                )),
            ),
            "is unhealthy",
        ),
        (
            case(
                NO_CHECK,
                "dies-later",
                "exited",
                script("sleep 2; exit 3", &json!({})),
            ),
            "exited with 3",
        ),
        (
            case(SCALED, "one-of-two", "exited", one_of_two),
            "exited with 8",
        ),
        (
            case(MEMORY, "hungry", "exited", hungry),
            "exited with 137 (out of memory)",
        ),
    ]
}

fn recipe<'a>(cases: impl IntoIterator<Item = &'a Case>, more: &Value) -> Value {
    let services: Map<String, Value> = cases
        .into_iter()
        .map(|case| (case.name.to_owned(), case.service.clone()))
        .collect();
    json!({"services": with(Value::Object(services), more), "volumes": {"shared": {}}})
}

fn assert_reported(verdict: &Value, case: &Case) {
    let services = verdict["services"].as_array().unwrap();
    let report = services.iter().find(|service| service["name"] == case.name);
    let report = report.unwrap_or_else(|| panic!("no {}: {verdict:#}", case.name));
    assert_eq!(report["state"], case.state, "{report}");
    assert_eq!(report["restarts"], case.restarts, "{report}");
}

#[test]
fn services_that_are_up_or_finished_and_what_becomes_of_them_by_hand() {
    let vm = Vm::start();
    let cases = well();
    let nothing = json!({"debug": lasting(&json!({"profiles": ["debug"]})), "none": lasting(&json!({"scale": 0}))});
    let verdict = vm.deploy(&recipe(&cases, &nothing), &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
    for case in &cases {
        assert_reported(&verdict, case);
    }
    assert_eq!(
        verdict["services"].as_array().unwrap().len(),
        cases.len(),
        "a service without containers counts for nothing: {verdict:#}"
    );
    // Somebody stops and removes; the engine leaves it at that.
    vm.docker(&["kill", "running-always-1", "running-unless-stopped-1"]);
    vm.docker(&["rm", "--force", "running-scaled-2"]);
    let wanted = [
        "service always, container running-always-1: exited with 137, and was not started again",
        "service scaled: has 1 of 2 containers",
        "service unless-stopped, container running-unless-stopped-1: exited with 137, and was not started again",
    ];
    let verdict = vm.verdict_that(|verdict| words(verdict).lines().count() == wanted.len());
    let words = words(&verdict);
    assert!(
        wanted.iter().all(|wanted| words.contains(wanted)),
        "{words}"
    );
}

#[test]
fn services_that_die_are_told_with_exit_code_memory_restarts_and_last_words() {
    let vm = Vm::start();
    let cases = dead();
    let more = json!({"lives": lasting(&after("fails", "service_started"))});
    let recipe = recipe(cases.iter().map(|(case, _)| case), &more);
    vm.deploy(&recipe, &json!({}));
    let verdict = vm.verdict_that(|verdict| {
        let words = words(verdict);
        cases
            .iter()
            .all(|(case, _)| words.contains(&format!("service {},", case.name)))
    });
    assert_eq!(verdict["exit_code"], 3);
    let error = |name: &str| {
        let errors = verdict["errors"].as_array().unwrap();
        let error = errors.iter().find(|error| error["service"] == name);
        error.unwrap().clone()
    };
    for (case, wanted) in &cases {
        let what = error(case.name)["what"].as_str().unwrap().to_owned();
        assert!(what.contains(wanted), "{what}");
        if !case.state.is_empty() {
            assert_reported(&verdict, case);
        }
    }
    assert!(!words(&verdict).contains("lives"), "{verdict:#}");
    assert_eq!(
        error("spent")["causes"],
        json!(["the engine has restarted it once"])
    );
    assert_eq!(
        error("spent")["log_tail"],
        json!(["last words", "last words"])
    );
    assert_eq!(
        error("sick")["causes"],
        json!(["its health check exited with 1: no backend"])
    );
    let services = verdict["services"].as_array().unwrap();
    let hungry = services.iter().find(|service| service["name"] == "hungry");
    assert_eq!(hungry.unwrap()["oom_killed"], true);
    let log = vm.log();
    for part in [
        "service hungry, container running-hungry-1: exited with 137 (out of memory) service=hungry",
        "the engine has restarted it once",
        "| last words",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

#[test]
fn services_that_wait_in_vain_are_told_with_what_they_wait_for() {
    let vm = Vm::start();
    let unhealthy = lasting(&check("exit 1", &json!({"retries": 1})));
    let failing = script("exit 4", &json!({}));
    for (condition, dependency, wanted) in [
        ("service_healthy", unhealthy, "is unhealthy"),
        ("service_completed_successfully", failing, "exited with 4"),
    ] {
        let recipe =
            json!({"services": {"waits": lasting(&after("db", condition)), "db": dependency}});
        let verdict = vm.deploy(&recipe, &json!({}));
        assert_eq!(verdict["exit_code"], 3, "{verdict:#}");
        let words = words(&verdict);
        assert!(
            words.contains(&format!("service db, container running-db-1: {wanted}")),
            "{words}"
        );
        assert_eq!(
            vm.container("running-waits-1").state.status.word(),
            "created"
        );
    }
    // neither healthy nor unhealthy when the time is over
    let never = check("exit 1", &json!({"start_period": "300s"}));
    let recipe = json!({"services": {"slow": lasting(&never)}});
    let verdict = vm.deploy(&recipe, &json!({"start_timeout": 3}));
    assert_eq!(
        words(&verdict),
        "service slow, container running-slow-1: is not yet healthy 3 s after the start"
    );
}

#[test]
fn each_cell_of_the_table_is_a_case_here() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verdicts.md");
    let page = fs::read_to_string(page).unwrap();
    let mut documented = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [row, cells @ ..] = cells.as_slice() else {
            panic!("{line}")
        };
        let columns = ["up", "finished", "dead"].into_iter().zip(cells);
        let told: Vec<_> = columns.filter(|(_, text)| **text != "–").collect();
        assert_eq!(told.is_empty(), NOTHING.contains(row), "{row}");
        documented.extend(told.into_iter().map(|(column, _)| (*row, column)));
    }
    let of = |state| {
        if state == "exited" { "finished" } else { "up" }
    };
    let mut shown: BTreeSet<_> = well()
        .iter()
        .map(|case| (case.row, of(case.state)))
        .chain(dead().iter().map(|(case, _)| (case.row, "dead")))
        .collect();
    // `lives` and its dependency; those that wait in vain
    shown.extend([STARTED, HEALTHY, COMPLETED, SLOW].map(|row| (row, "dead")));
    assert_eq!(shown, documented);
}
