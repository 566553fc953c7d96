//! What other programs read of an import: one JSON document with everything that went wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use common::Vm;
use docker_engine::fake::{FakeEngine, FakeReply};
use serde_json::json;

const INFO: &str = r#"{"Driver":"overlay2","DriverStatus":null,"ServerVersion":"26.1.5"}"#;

/// A VM whose lists name ten tarballs that are none, and one that is not there, and its engine.
fn vm_with_bad_images() -> (Vm, FakeEngine) {
    let vm = Vm::new();
    let names: Vec<String> = (0..10).map(|number| format!("bad{number}.tar")).collect();
    for name in &names {
        vm.file(name, b"no tarball");
    }
    let mut listed: Vec<&str> = names.iter().map(String::as_str).collect();
    listed.push("absent.tar");
    vm.list(&listed);
    let engine = FakeEngine::start(&vm.socket(), |request| match request.path.as_str() {
        "/info" => FakeReply::json(INFO),
        "/images/json" => FakeReply::json("[]"),
        _ => FakeReply::error(404, "No such image"),
    });
    (vm, engine)
}

#[test]
fn ten_bad_images_and_a_bad_list_are_all_in_one_report_with_exit_codes() {
    let (vm, _engine) = vm_with_bad_images();
    let ended = vm.run(&["--json"]);
    let report = &ended.report;
    assert_eq!(report["exit_code"], json!(ended.code), "{report:#}");
    assert!(ended.code.is_some_and(|code| code > 0));
    let images = report["images"].as_array().unwrap();
    let told: Vec<_> = (0..10)
        .filter(|number| {
            let name = format!("bad{number}.tar");
            let image = images
                .iter()
                .find(|image| image["path"].as_str().unwrap().ends_with(&name));
            let image = image.unwrap_or_else(|| panic!("{name}: {report:#}"));
            assert!(image["exit_code"].as_u64().unwrap() > 0, "{image:#}");
            image["errors"].to_string().contains(&name)
        })
        .collect();
    assert_eq!(told.len(), 10, "{report:#}");
    let everything = report.to_string();
    assert!(everything.contains("absent.tar"), "{report:#}");
}

#[test]
fn people_read_the_same_errors_on_stderr_and_nothing_on_stdout() {
    let (vm, _engine) = vm_with_bad_images();
    let (for_people, for_programs) = (vm.run(&[]), vm.run(&["--json"]));
    assert_eq!(for_people.report, json!(null));
    assert_eq!(for_people.code, for_programs.code);
    let errors = for_people
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    assert!(errors.count() >= 10, "{}", for_people.stderr);
}

#[test]
fn a_run_that_does_not_get_as_far_as_the_images_reports_why() {
    let vm = Vm::new();
    vm.file("jobs/docker/config/config.json", b"{");
    let ended = vm.run(&["--json"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert_eq!(ended.report["exit_code"], 2);
    let why = ended.report["aborted"].to_string();
    assert!(why.contains("config.json"), "{why}");

    let vm = Vm::new();
    vm.file("x.tar", b"no tarball");
    vm.list(&["x.tar"]);
    let ended = vm.run(&["--json", "--wait", "0"]);
    assert_eq!(ended.report["exit_code"], 1, "{}", ended.stderr);
    let why = ended.report["aborted"].to_string();
    assert!(why.contains("docker.sock"), "{why}");
}
