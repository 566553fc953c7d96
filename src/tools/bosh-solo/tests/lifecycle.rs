//! The order of scripts, their arguments and environment, against what a Director and its agent do.

mod common;

use common::Toy;
use serde_json::json;

const KEEP: &str =
    "BOSH_DEPLOYMENT_NEXT_STATE=keep BOSH_INSTANCE_NEXT_STATE=keep BOSH_VM_NEXT_STATE=keep";
const VM_GOES: &str =
    "BOSH_DEPLOYMENT_NEXT_STATE=keep BOSH_INSTANCE_NEXT_STATE=keep BOSH_VM_NEXT_STATE=delete";
const ALL_GOES: &str =
    "BOSH_DEPLOYMENT_NEXT_STATE=delete BOSH_INSTANCE_NEXT_STATE=delete BOSH_VM_NEXT_STATE=delete";
const NO_DISK: &str =
    r#"BOSH_JOB_NEXT_STATE={"persistent_disk":0} BOSH_JOB_STATE={"persistent_disk":0}"#;

fn starting(colour: &str) -> Vec<String> {
    vec![
        format!("pre-start [] running=no colour={colour}"),
        "start".to_owned(),
        format!("post-start [] running=yes colour={colour}"),
        format!("post-deploy [] running=yes colour={colour}"),
    ]
}

fn stopping(colour: &str, next: &str, drain: &str) -> Vec<String> {
    let mut calls = vec![
        format!("pre-stop [] running=yes colour={colour} {next}"),
        format!("drain [{drain}] running=yes colour={colour} {NO_DISK}"),
    ];
    if drain.starts_with("job_shutdown") {
        calls.push(format!(
            r#"drain [job_check_status hash_unchanged] running=yes colour={colour} BOSH_JOB_STATE={{"persistent_disk":0}}"#
        ));
    }
    calls.push("stop".to_owned());
    calls.push(format!("post-stop [] running=no colour={colour}"));
    calls
}

#[test]
fn a_deployment_lives_as_under_a_director() {
    let mut toy = Toy::new("life");
    toy.deploy().ok();
    assert_eq!(toy.calls(), starting("green"), "first deploy");
    assert_eq!(toy.state(), "running");

    let said = toy.deploy();
    assert!(said.stderr.contains("no changes"), "{}", said.stderr);
    assert_eq!(
        toy.calls(),
        ["post-deploy [] running=yes colour=green"],
        "nothing changed"
    );

    toy.set("colour", json!("red"));
    toy.deploy().ok();
    let update = [
        stopping("green", KEEP, "job_changed hash_changed"),
        starting("red"),
    ]
    .concat();
    assert_eq!(toy.calls(), update, "an update stops before it applies");

    toy.solo(&["restart", "g"]).ok();
    let restart = [
        stopping("red", KEEP, "job_changed hash_unchanged"),
        starting("red"),
    ]
    .concat();
    assert_eq!(toy.calls(), restart, "restart");

    toy.solo(&["stop", "g/0"]).ok();
    assert_eq!(toy.state(), "stopped");
    let stop = stopping("red", KEEP, "job_shutdown hash_unchanged");
    assert_eq!(toy.calls(), stop, "stop");
    toy.deploy().ok();
    assert_eq!(
        toy.calls(),
        [""; 0],
        "a deploy leaves a stopped instance stopped"
    );
    assert_eq!(toy.state(), "stopped");
    toy.solo(&["start"]).ok();
    assert_eq!(toy.calls(), starting("red"), "start");
    assert_eq!(toy.state(), "running");

    toy.solo(&["recreate", "g/0"]).ok();
    // The old machine's record went with it.
    assert_eq!(toy.calls(), starting("red"), "recreate");

    toy.set("fails_in", json!("post-stop"));
    toy.deploy().ok();
    toy.calls();
    let said = toy.solo(&["delete-deployment"]).error();
    assert!(said.contains("post-stop fails on purpose"), "{said}");
    let delete = stopping("red", ALL_GOES, "job_shutdown hash_unchanged");
    assert_eq!(toy.calls(), delete, "delete-deployment");
    toy.solo(&["delete-deployment", "--force"]).ok();
    let said = toy.solo(&["instances"]).error();
    assert!(said.contains("does not exist"), "{said}");
}

#[test]
fn a_reboot_runs_no_script_and_monit_starts_what_it_watches() {
    let toy = Toy::new("reboot");
    toy.deploy().ok();
    toy.ssh("touch /var/vcap/sys/run/recorder/gone /tmp/gone /var/vcap/data/recorder/stays");
    toy.calls();
    for flags in [&["reboot"][..], &["reboot", "--hard"]] {
        toy.solo(flags).ok();
        toy.wait_for_state("running");
        assert_eq!(toy.calls(), ["start"]);
        let left = toy.ssh("ls /var/vcap/sys/run/recorder /tmp /var/vcap/data/recorder");
        assert!(!left.contains("gone") && left.contains("stays"), "{left}");
    }
    toy.solo(&["stop"]).ok();
    toy.calls();
    toy.solo(&["reboot"]).ok();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(toy.state(), "stopped");
    assert_eq!(
        toy.calls(),
        [""; 0],
        "what was stopped stays so over a reboot"
    );
}

#[test]
fn a_recreated_instance_is_told_that_its_vm_goes() {
    let mut toy = Toy::new("recreate");
    toy.set("fails_in", json!("post-stop"));
    toy.deploy().ok();
    toy.calls();
    let said = toy.solo(&["recreate"]).error();
    assert!(said.contains("updating instance g/"), "{said}");
    assert_eq!(
        toy.calls(),
        stopping("green", VM_GOES, "job_shutdown hash_unchanged")
    );
    toy.solo(&["recreate", "--skip-drain"]).error();
    assert_eq!(toy.calls(), ["post-stop [] running=no colour=green"]);
}

#[test]
fn groups_shrink_and_grow() {
    let mut toy = Toy::new("scale");
    toy.group()["instances"] = json!(2);
    toy.deploy().ok();
    let both = toy
        .solo(&[
            "ssh",
            "g",
            "-c",
            "cat /var/vcap/jobs/recorder/config/config.json",
        ])
        .ok();
    assert!(
        both.contains(r#""index": 0"#) && both.contains(r#""index": 1"#),
        "{both}"
    );
    toy.group()["instances"] = json!(1);
    let said = toy.deploy();
    assert!(
        said.stderr.contains("Deleting unneeded instances: g/"),
        "{}",
        said.stderr
    );
    toy.solo(&["ssh", "g/1", "-c", "true"]).error();
    toy.solo(&["ssh", "g/0", "-c", "true"]).ok();
}
