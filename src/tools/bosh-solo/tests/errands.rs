//! Errands and links: several groups, several instances, addresses and names that reach each other.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use common::{Outcome, Toy, data};
use serde_json::{Value, json};

/// Two groups of listeners and an errand beside the clients; one more errand in a group of its own.
fn herd(name: &str) -> Toy {
    let mut toy = Toy::new(name);
    toy.manifest["releases"][0] =
        json!({"name": "herd", "version": "create", "path": data("herd")});
    let group = |name: &str, instances: u32, more: Value, jobs: Value| {
        let mut group = json!({
            "name": name, "instances": instances, "azs": ["z1", "z2"], "vm_type": "default", "stemcell": "default",
            "networks": [{"name": "default"}], "jobs": jobs,
        });
        for (key, value) in more.as_object().unwrap() {
            group[key] = value.clone();
        }
        group
    };
    let listener = |port: u16, alias: &str| {
        json!({"name": "listener", "release": "herd", "properties": {"port": port},
               "provides": {"listener": {"as": alias}}})
    };
    let checker = |from: &str| json!({"name": "checker", "release": "herd", "consumes": {"upstream": {"from": from}}});
    let mut by_name = checker("right");
    by_name["consumes"]["upstream"]["ip_addresses"] = json!(false);
    toy.manifest["instance_groups"] = json!([
        group("left_side", 2, json!({}), json!([listener(7001, "left")])),
        group("right", 1, json!({}), json!([listener(7002, "right")])),
        group("clients", 2, json!({}), json!([checker("left")])),
        group(
            "once",
            1,
            json!({"lifecycle": "errand", "persistent_disk": 64}),
            json!([by_name])
        ),
    ]);
    toy
}

/// The rows of a table that was printed as JSON.
fn rows(outcome: &Outcome) -> Vec<Value> {
    let table: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    table["Tables"][0]["Rows"].as_array().unwrap().clone()
}

fn moment(stdout: &str, word: &str) -> f64 {
    let line = stdout.lines().find(|line| line.starts_with(word)).unwrap();
    line.split_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn errands_run_on_all_their_instances_at_once_and_reach_what_their_links_name() {
    let mut toy = herd("errands");
    toy.manifest["instance_groups"][2]["jobs"][0]["properties"] = json!({"seconds": 3});
    toy.deploy().ok();
    assert_eq!(
        toy.solo(&["errands", "--json"])
            .ok()
            .matches("name")
            .count(),
        3,
        "a header and two errands"
    );
    let listed = rows(&toy.solo(&["instances", "--json"]));
    let state = |row: &Value| {
        let instance = row["instance"].as_str().unwrap();
        let group = instance.split('/').next().unwrap().to_owned();
        (group, row["process_state"].as_str().unwrap().to_owned())
    };
    assert!(
        listed
            .iter()
            .map(state)
            .any(|one| one == ("once".into(), String::new()))
    );

    let outcome = toy.solo(&["run-errand", "checker", "--instance", "clients", "--json"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let found = rows(&outcome);
    assert_eq!(found.len(), 2);
    let outputs: Vec<&str> = found
        .iter()
        .map(|row| row["stdout"].as_str().unwrap())
        .collect();
    let latest_begin = outputs
        .iter()
        .map(|text| moment(text, "begin "))
        .fold(f64::MIN, f64::max);
    let first_end = outputs
        .iter()
        .map(|text| moment(text, "end "))
        .fold(f64::MAX, f64::min);
    assert!(
        latest_begin < first_end,
        "one after the other: {outputs:#?}"
    );
    for (row, text) in found.iter().zip(&outputs) {
        assert_eq!(row["exit_code"], "0");
        assert_eq!(row["stderr"], "to standard error\n");
        let line = |start: &str| {
            let line = text.lines().find(|line| line.starts_with(start));
            line.unwrap_or_else(|| panic!("no {start} in {text}"))
                .to_owned()
        };
        let me = line("me ");
        let id = row["instance"].as_str().unwrap().split('/').nth(1).unwrap();
        assert!(me.contains(&format!(" id={id} ")), "{me}");
        let index = u8::from(!me.contains("clients/0"));
        assert!(
            me.contains(&format!("az=z{} bootstrap={}", index + 1, index == 0)),
            "{me}"
        );
        assert_eq!(
            line("in "),
            "in / with PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/var/vcap/data/tmp "
        );
        assert!(
            text.contains("by address: left_side/0 in z1\nby address: left_side/1 in z2"),
            "{text}"
        );
        assert!(line("by name: ").contains("left_side/"), "{text}");
        assert_eq!(line("names: ").replace("names", "all"), line("all: "));
    }
    toy.solo(&["restart", "right"]).ok();
    toy.solo(&["recreate", "left_side/1"]).ok();
    toy.solo(&["reboot", "clients/0"]).ok();
    let said = toy
        .solo(&["run-errand", "checker", "--instance", "clients/0"])
        .ok();
    assert!(
        said.contains("by name: left_side/") && said.contains("left_side/1 in z2"),
        "{said}"
    );
    assert!(
        said.starts_with("Instance   clients/") && said.contains("\nExit Code  0\n"),
        "{said}"
    );
}

#[test]
fn an_errand_of_its_own_has_a_machine_only_while_it_runs() {
    let mut toy = herd("lone");
    // Only the errand and what it asks.
    let groups = toy.manifest["instance_groups"].as_array_mut().unwrap();
    groups.retain(|group| ["right", "once"].contains(&group["name"].as_str().unwrap()));
    toy.deploy().ok();
    let machine = |toy: &Toy| toy.solo(&["ssh", "once/0", "-c", "cat /var/vcap/store/mark 2>&1"]);
    assert!(machine(&toy).error().contains("is not running"));
    for flags in [&[][..], &["--keep-alive"]] {
        let said = toy.solo(&[&["run-errand", "once"], flags].concat()).ok();
        assert!(said.contains("by address: right/0 in z1"), "{said}");
        assert!(said.contains(".right.default.solo-lone.bosh"), "{said}");
    }
    toy.solo(&["ssh", "once/0", "-c", "echo kept > /var/vcap/store/mark"])
        .ok();
    let logs = toy.directory.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    toy.solo(&[
        "run-errand",
        "once",
        "--download-logs",
        "--logs-dir",
        logs.to_str().unwrap(),
    ])
    .ok();
    assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 1);
    assert!(machine(&toy).error().contains("is not running"));
    toy.solo(&["run-errand", "checker", "--keep-alive"]).ok();
    assert_eq!(
        machine(&toy).ok(),
        "kept\n",
        "the disk outlives the machine"
    );

    // A deploy updates the machine that was kept; the errand then fails, and is told by its own words.
    let when_changed = ["run-errand", "once", "--when-changed", "--keep-alive"];
    let skipped = toy.solo(&when_changed);
    assert!(
        skipped.code == 0 && skipped.stderr.contains("skipped - no changes detected"),
        "{skipped:?}"
    );
    toy.manifest["instance_groups"][1]["jobs"][0]["properties"] = json!({"exit_code": 7});
    toy.deploy().ok();
    for _ in 0..2 {
        let failed = toy.solo(&when_changed);
        assert!(failed.stdout.contains("Exit Code  7"), "{failed:?}");
        assert!(
            failed
                .error()
                .contains("errand 'once' completed with error (exit code 7)")
        );
    }
}

#[test]
fn what_is_no_errand_is_refused_by_its_name() {
    let mut toy = herd("no-errand");
    let groups = toy.manifest["instance_groups"].as_array_mut().unwrap();
    groups.retain(|group| ["right", "once"].contains(&group["name"].as_str().unwrap()));
    toy.deploy().ok();
    for (arguments, wanted) in [
        (&["nothing"][..], "errand 'nothing' doesn't exist"),
        (&["right"], "instance group 'right' is not an errand"),
        (&["listener"], "none of its templates is `bin/run`"),
        (
            &["once", "--instance", "once/0"],
            "filtering by instances is not supported",
        ),
        (
            &["checker", "--instance", "right"],
            "no instance to run it on",
        ),
        (&["checker", "--instance", "left"], "no instance `left`"),
    ] {
        let said = toy.solo(&[&["run-errand"], arguments].concat()).error();
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    toy.solo(&["stop", "right"]).ok();
    let said = toy.solo(&["run-errand", "once"]).error();
    assert!(
        said.contains("right/0 is stopped, unable to run errand"),
        "{said}"
    );
}
