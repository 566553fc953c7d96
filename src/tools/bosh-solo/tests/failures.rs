//! What goes wrong names the instance, the job, the log and the reason, and leaves a state that the
//! next deploy puts right.

mod common;

use common::Toy;
use serde_json::json;
use std::fs;
use std::time::Duration;

#[test]
fn a_failed_script_is_named_with_its_log_and_the_next_deploy_goes_on() {
    let mut toy = Toy::new("script");
    toy.set("fails_in", json!("pre-start"));
    let said = toy.deploy().error();
    for part in [
        "g/",
        "job `recorder`",
        "1 of 1 pre-start scripts failed",
        "exit status: 3",
        "/var/vcap/sys/log/recorder/pre-start.stderr.log",
        "pre-start fails on purpose",
        "hint: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    toy.set("fails_in", json!(null));
    toy.deploy().ok();
    assert_eq!(toy.state(), "running");
}

#[test]
fn a_process_that_does_not_start_fails_the_deploy_when_its_watch_time_is_over() {
    let mut toy = Toy::new("watch");
    toy.set("starts", json!(false));
    toy.manifest["update"]["canary_watch_time"] = json!("1000-4000");
    let said = toy.deploy().error();
    assert!(
        said.contains("is not running after update. Review logs for failed jobs: recorder"),
        "{said}"
    );
}

#[test]
fn a_failed_compilation_shows_its_end_and_leaves_nothing_in_the_cache() {
    let mut toy = Toy::new("compile");
    let release = toy.own_release();
    let packaging = release.join("packages/tool/packaging");
    // Without `set -e` the failure in the middle passes, as under BOSH; the last command's counts.
    fs::write(
        &packaging,
        "false\necho made > ${BOSH_INSTALL_TARGET}/made\necho the reason >&2\nexit 9\n",
    )
    .unwrap();
    for _ in 0..2 {
        let said = toy.deploy().error();
        for part in [
            "package `tool` of release `toy`",
            "exit status: 9",
            "the reason",
            "+ exit 9",
            "hint: the whole output",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    fs::write(
        &packaging,
        "false\necho made > ${BOSH_INSTALL_TARGET}/made\n",
    )
    .unwrap();
    toy.deploy().ok();
    assert_eq!(toy.ssh("cat /var/vcap/packages/tool/made"), "made\n");
}

#[test]
fn a_pattern_without_files_stops_the_deploy_before_anything_is_made() {
    let mut toy = Toy::new("glob");
    let release = toy.own_release();
    fs::write(
        release.join("packages/tool/spec"),
        "{name: tool, files: [tool]}",
    )
    .unwrap();
    let said = toy.deploy().error();
    assert!(said.contains("missing files for pattern `tool`"), "{said}");
    let said = toy.solo(&["instances"]).error();
    assert!(said.contains("does not exist"), "{said}");
}

#[test]
fn a_template_that_raises_stops_the_deploy_before_the_old_jobs_stop() {
    let mut toy = Toy::new("template");
    let release = toy.own_release();
    toy.deploy().ok();
    toy.calls();
    fs::write(
        release.join("jobs/recorder/templates/config.json.erb"),
        "\n<%= p('nothing') %>",
    )
    .unwrap();
    let said = toy.deploy().error();
    for part in [
        "instance group `g`",
        "job `recorder`",
        "config.json.erb",
        "line 2",
        "nothing",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(toy.calls(), [""; 0]);
    assert_eq!(toy.state(), "running");
}

#[test]
fn a_deploy_that_was_interrupted_is_finished_by_the_next_one() {
    let mut toy = Toy::new("interrupt");
    toy.deploy().ok();
    for (colour, milliseconds) in [("red", 600), ("blue", 1800), ("white", 3000)] {
        toy.set("colour", json!(colour));
        toy.interrupt_deploy(Duration::from_millis(milliseconds));
        toy.deploy().ok();
        assert_eq!(toy.state(), "running");
        let last = toy.calls().pop().unwrap();
        assert!(last.contains(&format!("colour={colour}")), "{last}");
    }
}

#[test]
fn a_deploy_that_was_interrupted_before_monit_read_its_files_is_finished_by_the_next_one() {
    let mut toy = Toy::new("unread");
    toy.deploy().ok();
    let stop = "monit stop -g vcap && sleep 3 && rm -r /var/vcap/monit/job";
    toy.solo(&["ssh", "-c", stop]).ok();
    toy.set("colour", json!("teal"));
    toy.deploy().ok();
    assert_eq!(toy.state(), "running");
}

#[test]
fn an_instance_that_died_is_started_again_by_a_deploy_and_can_be_deleted() {
    let toy = Toy::new("dead");
    toy.deploy().ok();
    power_button(&toy);
    toy.deploy().ok();
    assert_eq!(toy.state(), "running");
    power_button(&toy);
    toy.solo(&["delete-deployment"]).ok();
}

#[test]
fn a_drain_script_that_prints_no_integer_fails_the_stop() {
    let mut toy = Toy::new("drain");
    let release = toy.own_release();
    let drain = release.join("jobs/recorder/templates/drain.erb");
    fs::write(&drain, "#!/bin/sh\necho done\n").unwrap();
    toy.deploy().ok();
    let said = toy.solo(&["stop"]).error();
    assert!(said.contains("did not return a signed integer"), "{said}");
    fs::write(&drain, "\n#!/bin/sh\necho 0\n").unwrap();
    toy.deploy_with(&["--skip-drain"]).ok();
    let said = toy.solo(&["stop"]).error();
    assert!(said.contains("exec format error"), "{said}");
}

/// PID 1 of the instance obeys SIGTERM as a machine obeys its power button.
fn power_button(toy: &Toy) {
    let _ = toy.solo(&["ssh", "g/0", "-c", "kill -TERM 1"]);
    toy.wait_for_state("unresponsive agent");
}

#[test]
fn a_program_that_monit_5_2_5_would_not_find_fails_the_deploy_with_its_file_and_line() {
    let mut toy = Toy::new("monitfile");
    let monit = toy.own_release().join("jobs/recorder/monit");
    let text = fs::read_to_string(&monit).unwrap();
    fs::write(
        &monit,
        text.replace("stop program \"/", "stop program \"./"),
    )
    .unwrap();
    let said = toy.deploy().error();
    for part in [
        "job `recorder` (/var/vcap/jobs/recorder/monit)",
        "line 4: `stop program` names no program by its absolute path",
        "hint: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
