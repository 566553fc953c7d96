//! The persistent disk. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

mod common;

use std::fs;
use std::process::Command;

use common::{Deployment, code, sh};
use solo_instance::{DiskFate, Error};

fn with_disk(deployment: &Deployment, megabytes: u64) -> solo_instance::InstanceSpec {
    let mut spec = deployment.spec(0);
    spec.persistent_disk_mb = Some(megabytes);
    spec
}

fn loops(deployment: &str) -> usize {
    let output = Command::new("losetup").arg("--list").output().unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|l| l.contains(&format!("/{deployment}/")))
        .count()
}

#[test]
fn the_disk_is_mounted_at_boot_and_really_unmounts() {
    let deployment = Deployment::new("disk");
    let instance = deployment.boot_with(with_disk(&deployment, 64));
    assert!(instance.disk_attached().unwrap());
    assert!(sh(&instance, "stat -f -c %T /var/vcap/store").starts_with("ext"));
    sh(&instance, "echo kept > /var/vcap/store/f");
    assert_eq!(loops("disk"), 1);

    instance.detach_disk().unwrap();
    instance.detach_disk().unwrap();
    assert!(!instance.disk_attached().unwrap());
    assert_eq!(loops("disk"), 0);
    assert_eq!(code(&instance, "test -e /var/vcap/store/f"), 1);

    instance.reboot(true).unwrap();
    assert!(
        !instance.disk_attached().unwrap(),
        "a detached disk stays detached"
    );
    instance.attach_disk().unwrap();
    instance.attach_disk().unwrap();
    assert_eq!(loops("disk"), 1);
    assert_eq!(sh(&instance, "cat /var/vcap/store/f"), "kept");
}

#[test]
fn a_disk_in_use_is_not_detached_and_its_user_named() {
    let deployment = Deployment::new("busy");
    let instance = deployment.boot_with(with_disk(&deployment, 64));
    for (script, how) in [
        ("cd /var/vcap/store; exec sleep 311", "working directory"),
        (
            "exec sleep 311 3> /var/vcap/store/open",
            "open file /var/vcap/store/open",
        ),
        // The disk's mount lives on in another mount namespace, as in a container's: umount alone would succeed.
        (
            "exec unshare --mount --propagation private sleep 311",
            "mount at /var/vcap/store",
        ),
    ] {
        sh(
            &instance,
            &format!("setsid bash -c '{script}' > /dev/null 2>&1 < /dev/null & sleep 0.5"),
        );
        let error = instance.detach_disk().unwrap_err();
        let Error::DiskBusy { holders } = &error else {
            panic!("{error}")
        };
        assert!(
            holders.iter().any(|h| h.command == "sleep" && h.how == how),
            "{error}"
        );
        assert!(instance.disk_attached().unwrap());
        sh(&instance, "pkill -KILL sleep; sleep 0.2");
    }
    instance.detach_disk().unwrap();
}

#[test]
fn data_survives_recreation_and_another_size() {
    let deployment = Deployment::new("kept");
    let instance = deployment.boot_with(with_disk(&deployment, 64));
    sh(
        &instance,
        "head -c 8M /dev/urandom > /var/vcap/store/f; echo gone > /var/vcap/data/f",
    );
    let sum = sh(&instance, "sha256sum /var/vcap/store/f");
    instance.destroy(DiskFate::Keep).unwrap();
    assert!(
        deployment
            .host
            .instance(&deployment.name, "vm", 0)
            .unwrap()
            .is_none()
    );
    for megabytes in [64, 200, 48] {
        let instance = deployment.boot_with(with_disk(&deployment, megabytes));
        assert_eq!(
            sh(&instance, "sha256sum /var/vcap/store/f"),
            sum,
            "{megabytes} MB"
        );
        assert_eq!(code(&instance, "test -e /var/vcap/data/f"), 1);
        let size: u64 = sh(&instance, "df -m --output=size /var/vcap/store | tail -1")
            .trim()
            .parse()
            .unwrap();
        assert!(
            size <= megabytes && size > megabytes / 2,
            "{size} of {megabytes} MB"
        );
        instance.destroy(DiskFate::Keep).unwrap();
    }
    let directory = deployment.host.deployment_dir(&deployment.name);
    deployment
        .host
        .delete_deployment(&deployment.name, DiskFate::Keep)
        .unwrap();
    assert!(directory.join("vm-0/disk.img").exists());
    deployment
        .host
        .delete_deployment(&deployment.name, DiskFate::Delete)
        .unwrap();
    assert!(!directory.exists());
}

#[test]
fn an_attached_disk_is_not_resized_and_a_missing_one_not_attached() {
    let deployment = Deployment::new("size");
    let instance = deployment.boot_with(with_disk(&deployment, 64));
    let error = deployment
        .host
        .create(with_disk(&deployment, 128))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("detach it first") || error.contains("detach it before"),
        "{error}"
    );
    assert!(instance.disk_attached().unwrap());

    let other = deployment.boot(1);
    assert!(matches!(other.attach_disk(), Err(Error::NoDisk(_))));
}

#[test]
fn a_loop_device_that_a_dead_run_left_is_freed() {
    let deployment = Deployment::new("stale");
    let instance = deployment.boot_with(with_disk(&deployment, 64));
    let image = deployment
        .host
        .deployment_dir("stale")
        .join("vm-0/disk.img")
        .canonicalize()
        .unwrap();
    instance.power_off().unwrap();
    assert!(
        Command::new("losetup")
            .arg("--find")
            .arg(&image)
            .status()
            .unwrap()
            .success()
    );
    instance.boot().unwrap();
    assert_eq!(loops("stale"), 1);
    assert!(fs::metadata(image).is_ok());
}
