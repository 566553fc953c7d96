//! What lies on an instance: packages, modes, disks, secrets, logs; several releases on one machine.

#![allow(
    clippy::expect_used,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use common::{Toy, data, solo};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn packages_and_jobs_lie_where_the_agent_lays_them() {
    let toy = Toy::new("layout");
    toy.deploy().ok();
    let listing = toy.ssh(
        "cd /var/vcap; stat -Lc '%A %U:%G %n' jobs jobs/recorder jobs/recorder/bin jobs/recorder/bin/ctl \
         jobs/recorder/config/config.json jobs/recorder/monit sys/log/recorder sys/run/recorder data/recorder",
    );
    let expected = "\
drwxr-x--- root:vcap jobs
drwxr-x--- root:vcap jobs/recorder
drwxr-x--- root:vcap jobs/recorder/bin
-rwxr-x--- root:vcap jobs/recorder/bin/ctl
-rw-r----- root:vcap jobs/recorder/config/config.json
-rw-r----- root:vcap jobs/recorder/monit
drwxrwx--- root:vcap sys/log/recorder
drwxrwx--- root:vcap sys/run/recorder
drwxrwx--- root:vcap data/recorder
";
    assert_eq!(listing, expected);
    let built = toy.ssh("cd /var/vcap/packages/tool; cat bin/.dotfile pwd packages links env; readlink bin/link; ls -d bin/*");
    let lines: Vec<&str> = built
        .lines()
        .filter(|line| !line.starts_with("BOSH_PACKAGE_VERSION="))
        .collect();
    assert_eq!(
        lines,
        [
            "hidden files are shipped",
            "/var/vcap/data/compile/tool",
            "base",
            "tool",
            "lo",
            "BOSH_COMPILE_TARGET=/var/vcap/data/compile/tool",
            "BOSH_INSTALL_TARGET=/var/vcap/packages/tool",
            "BOSH_PACKAGE_NAME=tool",
            "TMPDIR=/var/vcap/data/tmp",
            "tool",
            "bin/link",
            "bin/sub",
            "bin/tool",
        ]
    );
    assert_eq!(
        toy.ssh("cd /var/vcap/instance; cat name az deployment"),
        format!("gz1{}", toy.name)
    );
    // `base` is needed to compile only.
    assert_eq!(
        toy.ssh("ls /var/vcap/packages /var/vcap/jobs/recorder/packages"),
        "/var/vcap/jobs/recorder/packages:\ntool\n\n/var/vcap/packages:\ntool\n"
    );
}

#[test]
fn what_holds_secrets_is_for_root_alone() {
    let toy = Toy::new("secrets");
    let said = toy.deploy();
    let config = toy.ssh("cat /var/vcap/jobs/recorder/config/config.json");
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let secret = config["properties"]["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 20);
    assert!(!said.stderr.contains(secret) && !said.stdout.contains(secret));
    let state = std::env::var("BOSH_SOLO_STATE").unwrap_or_else(|_| "/var/lib/bosh-solo".into());
    let directory = Path::new(&state).join("deployments").join(&toy.name);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&directory), 0o700);
    for file in ["manifest.yml", "vars-store.yml", "deployment.json"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    toy.deploy().ok();
    assert!(
        toy.ssh("cat /var/vcap/jobs/recorder/config/config.json")
            .contains(secret),
        "a secret is made once"
    );
}

#[test]
fn a_persistent_disk_keeps_its_data_while_it_grows_and_while_the_machine_goes() {
    let mut toy = Toy::new("disk");
    toy.group()["persistent_disk"] = json!(64);
    toy.deploy().ok();
    toy.ssh("echo precious > /var/vcap/store/data");
    assert!(megabytes(&toy) <= 64);
    toy.calls();
    toy.group()["persistent_disk"] = json!(256);
    toy.deploy().ok();
    let drains: Vec<String> = toy
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("drain"))
        .collect();
    assert_eq!(
        drains[0],
        r#"drain [job_shutdown hash_unchanged] running=yes colour=green BOSH_JOB_NEXT_STATE={"persistent_disk":256} BOSH_JOB_STATE={"persistent_disk":64}"#
    );
    assert!(megabytes(&toy) > 200);
    for commands in [
        &[&["recreate"][..]][..],
        &[&["stop", "--hard"], &["start"]],
        &[&["reboot"]],
    ] {
        for command in commands {
            toy.solo(command).ok();
        }
        assert_eq!(
            toy.ssh("cat /var/vcap/store/data"),
            "precious\n",
            "{commands:?}"
        );
    }
}

#[test]
fn a_persistent_disk_shrinks_only_if_its_data_fits() {
    let mut toy = Toy::new("shrink");
    toy.group()["persistent_disk"] = json!(200);
    toy.deploy().ok();
    toy.ssh("head -c 60M /dev/urandom > /var/vcap/store/big");
    toy.group()["persistent_disk"] = json!(48);
    let said = toy.deploy().error();
    assert!(
        said.contains("choose a size that holds what is on it"),
        "{said}"
    );
    toy.ssh("test -s /var/vcap/store/big");
    toy.group()["persistent_disk"] = json!(200);
    toy.deploy().ok();
    toy.ssh("test -s /var/vcap/store/big");
    assert_eq!(toy.state(), "running");
}

/// The size of the persistent disk's file system.
fn megabytes(toy: &Toy) -> u64 {
    toy.ssh("df -m --output=size /var/vcap/store | tail -1")
        .trim()
        .parse()
        .expect("df prints a number")
}

#[test]
fn two_releases_share_an_instance() {
    let mut toy = Toy::new("two");
    toy.manifest["releases"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "other", "version": "create", "path": data("other")}));
    toy.group()["jobs"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "passive", "release": "other"}));
    toy.deploy().ok();
    assert_eq!(
        toy.ssh("ls /var/vcap/jobs /var/vcap/packages"),
        "/var/vcap/jobs:\npassive\nrecorder\n\n/var/vcap/packages:\nother-tool\ntool\n"
    );
    assert_eq!(
        toy.ssh("cat /var/vcap/sys/log/passive/pre-start.stdout.log"),
        "from the other release\n"
    );
    assert_eq!(
        toy.ssh("ls /var/vcap/monit/job"),
        "0000_passive.monitrc\n0001_recorder.monitrc\n"
    );
    toy.calls();
    // The other job goes; the recorder is stopped with it but its directory is the same.
    let before = toy.ssh("readlink /var/vcap/jobs/recorder");
    toy.group()["jobs"].as_array_mut().unwrap().pop();
    toy.deploy().ok();
    assert_eq!(toy.ssh("readlink /var/vcap/jobs/recorder"), before);
    assert_eq!(toy.ssh("ls /var/vcap/jobs /var/vcap/packages /var/vcap/data/jobs /var/vcap/data/packages | sort -u"), "\n/var/vcap/data/jobs:\n/var/vcap/data/packages:\n/var/vcap/jobs:\n/var/vcap/packages:\nrecorder\ntool\n");
}

#[test]
fn a_dry_run_renders_and_leaves_nothing() {
    let mut toy = Toy::new("dry");
    let said = toy.deploy_with(&["--dry-run"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(toy.solo(&["instances"]).error().contains("does not exist"));
    toy.deploy().ok();
    toy.calls();
    toy.group()["instances"] = json!(2);
    toy.deploy_with(&["--dry-run"]).ok();
    assert_eq!(toy.calls(), [""; 0]);
    assert!(
        toy.solo(&["ssh", "g/1", "-c", "true"])
            .error()
            .contains("no instance `g/1`")
    );
}

#[test]
fn a_manifest_may_come_from_standard_input_with_static_addresses() {
    let mut toy = Toy::new("static");
    toy.group()["networks"] = json!([{"name": "private", "static_ips": ["10.244.250.10"]}]);
    toy.deploy_from_input().ok();
    let config = toy.ssh("cat /var/vcap/jobs/recorder/config/config.json");
    assert!(config.contains(r#""ip": "10.244.250.10""#), "{config}");
    assert!(toy.ssh("ip -4 -o address").contains("10.244.250.10/24"));
    toy.group()["networks"] = json!([{"name": "private", "static_ips": ["10.244.250.20"]}]);
    let said = toy.deploy_from_input();
    assert!(said.stderr.contains("changes: network"), "{}", said.stderr);
    assert!(toy.ssh("ip -4 -o address").contains("10.244.250.20/24"));
}

#[test]
fn logs_come_as_a_tarball() {
    let toy = Toy::new("logs");
    toy.deploy().ok();
    let directory = tempfile::tempdir().unwrap();
    let printed = toy
        .solo(&["logs", "g/0", "--dir", directory.path().to_str().unwrap()])
        .ok();
    let path = Path::new(printed.trim());
    assert_eq!(path.parent(), Some(directory.path()));
    let archive = fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(
        names
            .iter()
            .any(|name| name.ends_with("recorder/pre-start.stdout.log")),
        "{names:?}"
    );
}

#[test]
fn commands_in_an_instance_pass_their_exit_code_and_streams_on() {
    let toy = Toy::new("ssh");
    toy.deploy().ok();
    assert_eq!(toy.solo(&["ssh", "-c", "exit 42"]).code, 42);
    assert_eq!(
        toy.solo(&["ssh", "g/0", "--", "/bin/echo", "$HOME", "a b"])
            .ok(),
        "$HOME a b\n"
    );
    let outcome = toy.solo(&["ssh", "-c", "echo out; echo err >&2"]);
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert!(
        solo(&["-d", "solo-nobody", "ssh", "-c", "true"])
            .error()
            .contains("does not exist")
    );
}
