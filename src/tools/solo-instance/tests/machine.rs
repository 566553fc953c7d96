//! An instance as a machine: namespaces, mounts, PID 1, power. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Deployment, code, eventually, host_at, sh, state_dir};
use solo_instance::{DiskFate, Error, Exec, Input, Sink};

const NAMESPACES: [&str; 6] = ["mnt", "net", "pid", "uts", "ipc", "cgroup"];

fn namespace(pid: &str, kind: &str) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap()
}

#[test]
fn an_instance_has_namespaces_a_root_and_a_name_of_its_own() {
    let deployment = Deployment::new("own");
    let instance = deployment.boot(0);
    let pid = instance.init_pid().unwrap().unwrap().to_string();
    for kind in NAMESPACES {
        assert_ne!(namespace(&pid, kind), namespace("self", kind), "{kind}");
    }
    assert_eq!(sh(&instance, "hostname"), "own-0");
    assert_eq!(
        sh(
            &instance,
            "grep -c . /proc/1/cgroup; cut -d: -f3 /proc/1/cgroup | sort -u"
        )
        .lines()
        .nth(1),
        Some("/")
    );
    assert_eq!(sh(&instance, "id -u vcap; id -g vcap"), "1000\n1000");
    for hidden in [
        env!("CARGO_MANIFEST_DIR"),
        "/var/lib/docker",
        "/dev/vda",
        "/dev/sda",
        "/dev/loop0",
    ] {
        assert_eq!(code(&instance, &format!("test -e {hidden}")), 1, "{hidden}");
    }
    assert_eq!(
        code(&instance, "command -v docker dockerd containerd runc"),
        1
    );
    // What is one for all namespaces cannot be written; what is the instance's own can.
    assert_ne!(
        code(&instance, "echo 1 > /proc/sys/vm/overcommit_memory"),
        0
    );
    assert_ne!(
        code(
            &instance,
            "echo never > /sys/kernel/mm/transparent_hugepage/enabled"
        ),
        0
    );
    sh(&instance, "echo 1 > /proc/sys/net/ipv4/ip_forward");
    sh(
        &instance,
        "mkdir /sys/fs/cgroup/*/probe 2>/dev/null || mkdir /sys/fs/cgroup/probe",
    );
}

#[test]
fn the_mounts_are_those_of_a_vm() {
    let deployment = Deployment::new("mounts");
    let instance = deployment.boot(0);
    for directory in ["/tmp", "/var/tmp"] {
        let script = format!("cp /bin/true {directory}/t && {directory}/t");
        assert_eq!(code(&instance, &script), 126, "{directory} is noexec");
        assert_eq!(sh(&instance, &format!("stat -c %a {directory}")), "1777");
    }
    assert_eq!(sh(&instance, "findmnt -no FSTYPE,SIZE /var/vcap/data/sys/run 2>/dev/null || df --output=fstype,size -h /var/vcap/sys/run/ | tail -1").split_whitespace().collect::<Vec<_>>(), ["tmpfs", "16M"]);
    assert_eq!(
        code(&instance, "head -c 17M /dev/zero > /var/vcap/sys/run/big"),
        1
    );
    assert_eq!(
        sh(&instance, "stat -c %U:%G:%a /var/vcap/sys/run/"),
        "root:vcap:750"
    );
    // Not an overlay: Docker's overlay2 has to lie on it.
    assert_ne!(sh(&instance, "stat -f -c %T /var/vcap/data"), "overlayfs");
    assert_eq!(sh(&instance, "stat -f -c %T /run"), "tmpfs");
    sh(
        &instance,
        "cp /bin/true /var/vcap/data/t && /var/vcap/data/t",
    );
}

#[test]
fn a_program_gets_what_it_is_given_and_nothing_of_this_machine() {
    let deployment = Deployment::new("exec");
    let instance = deployment.boot(0);
    let output = instance
        .exec(Exec::new(["env"]).env("BOSH_X", "a b"))
        .unwrap();
    let mut variables: Vec<String> = output.stdout_text().lines().map(str::to_owned).collect();
    variables.sort();
    assert_eq!(
        variables,
        ["BOSH_X=a b", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    );

    let mut exec = Exec::new(["sh", "-c", "cat; pwd; id -u; umask; exit 7"]);
    exec.stdin = Input::Bytes(b"in\n".to_vec());
    exec.cwd = Some("/var/vcap".to_owned());
    exec.user = Some((1000, 1000));
    let output = instance.exec(exec).unwrap();
    assert_eq!(
        (output.stdout_text().as_str(), output.code()),
        ("in\n/var/vcap\n1000\n0022\n", 7)
    );

    let log = instance.host_path("/var/vcap/data/log").unwrap();
    let mut exec = Exec::new(["sh", "-c", "echo out; echo err >&2; kill -9 $$"]);
    exec.stdout = Sink::File(fs::File::create(&log).unwrap());
    assert_eq!(instance.exec(exec).unwrap().code(), 137);
    assert_eq!(fs::read_to_string(log).unwrap(), "out\n");
    assert_eq!(
        instance
            .exec(Exec::new(["no-such-program"]))
            .unwrap()
            .code(),
        127
    );
}

#[test]
fn a_program_whose_time_is_over_is_ended_inside() {
    let deployment = Deployment::new("timeout");
    let instance = deployment.boot(0);
    let begun = Instant::now();
    let script = "trap 'echo ended > /var/vcap/data/trap; exit 3' TERM; sleep 301 & wait";
    let output = instance
        .exec(Exec::new(["bash", "-c", script]).timeout(Duration::from_millis(500)))
        .unwrap();
    assert!(output.timed_out);
    assert_eq!(output.code(), 3);
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(sh(&instance, "cat /var/vcap/data/trap"), "ended");
}

#[test]
fn pid_1_takes_in_orphans() {
    let deployment = Deployment::new("reaps");
    let instance = deployment.boot(0);
    sh(&instance, "for i in 1 2 3 4 5; do (sleep 0.2 & ) ; done");
    eventually("the orphans are gone", Duration::from_secs(5), || {
        sh(&instance, "ps -eo stat,comm | grep -cE 'Z|sleep' || true") == "0"
    });
}

#[test]
fn files_are_found_from_outside_whether_it_runs_or_not() {
    let deployment = Deployment::new("paths");
    let instance = deployment.boot(0);
    sh(
        &instance,
        "mkdir -p /var/vcap/data/jobs/j/1 && echo x > /var/vcap/data/jobs/j/1/f",
    );
    sh(
        &instance,
        "ln -s /var/vcap/data/jobs/j/1 /var/vcap/jobs/j; echo y > /var/vcap/sys/run/r; echo z > /etc/z",
    );
    let read = |path: &str| fs::read_to_string(instance.host_path(path).unwrap()).unwrap();
    assert_eq!(
        (
            read("/var/vcap/jobs/j/f"),
            read("/var/vcap/sys/run/r"),
            read("/etc/z")
        ),
        ("x\n".into(), "y\n".into(), "z\n".into())
    );
    instance.shutdown(Duration::from_secs(5)).unwrap();
    assert_eq!(
        (read("/var/vcap/jobs/j/f"), read("/etc/z")),
        ("x\n".into(), "z\n".into())
    );
    let error = instance.host_path("/var/vcap/sys/run/r").unwrap_err();
    assert!(matches!(error, Error::NotRunning { .. }), "{error}");
}

#[test]
fn a_reboot_empties_what_is_volatile_and_keeps_the_rest() {
    let deployment = Deployment::new("reboot");
    let mut spec = deployment.spec(0);
    spec.persistent_disk_mb = Some(64);
    let instance = deployment.boot_with(spec);
    for hard in [false, true] {
        sh(
            &instance,
            "for d in /run /tmp /var/vcap/sys/run /var/vcap/data /var/vcap/store /etc; do echo x > $d/f; done",
        );
        sh(&instance, "setsid sleep 302 > /dev/null 2>&1 < /dev/null &");
        let before = instance.init_pid().unwrap();
        instance.reboot(hard).unwrap();
        assert_ne!(instance.init_pid().unwrap(), before);
        assert_eq!(
            sh(
                &instance,
                "ls -d /run/f /tmp/f /var/vcap/sys/run/f 2>/dev/null || true"
            ),
            "",
            "hard: {hard}"
        );
        assert_eq!(
            sh(&instance, "cat /var/vcap/data/f /var/vcap/store/f /etc/f"),
            "x\nx\nx",
            "hard: {hard}"
        );
        assert_eq!(sh(&instance, "pgrep -c sleep || true"), "0");
    }
}

#[test]
fn a_shutdown_lets_processes_end_by_themselves() {
    let deployment = Deployment::new("graceful");
    let instance = deployment.boot(0);
    let script = "trap 'sleep 0.3; echo ended > /var/vcap/data/ended; exit' TERM; touch /run/up; while :; do sleep 0.1; done";
    sh(
        &instance,
        &format!(
            "setsid bash -c '{}' > /dev/null 2>&1 < /dev/null &",
            script.replace('\'', r"'\''")
        ),
    );
    eventually("it runs", Duration::from_secs(5), || {
        code(&instance, "test -e /run/up") == 0
    });
    instance.shutdown(Duration::from_secs(10)).unwrap();
    assert!(!instance.running().unwrap());
    assert_eq!(
        fs::read_to_string(instance.host_path("/var/vcap/data/ended").unwrap()).unwrap(),
        "ended\n"
    );
    assert!(matches!(
        instance.exec(Exec::new(["true"])),
        Err(Error::NotRunning { .. })
    ));
}

#[test]
fn a_machine_that_died_boots_again_and_a_running_one_does_not() {
    let deployment = Deployment::new("died");
    let instance = deployment.boot(0);
    assert!(matches!(instance.boot(), Err(Error::Running { .. })));
    let pid = instance.init_pid().unwrap().unwrap();
    assert!(
        Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    eventually("it is dead", Duration::from_secs(5), || {
        !instance.running().unwrap()
    });
    instance.boot().unwrap();
    assert_eq!(sh(&instance, "echo again"), "again");
}

#[test]
fn a_failed_boot_says_why_and_leaves_nothing() {
    let deployment = Deployment::new("fails");
    let instance = deployment.host.create(deployment.spec(0)).unwrap();
    // Its root has a file where a directory is to be mounted.
    let tmp = instance.host_path("/tmp").unwrap();
    fs::write(&tmp, "in the way").unwrap();
    let error = instance.boot().unwrap_err().to_string();
    assert!(
        error.contains("instance fails/vm/0 did not boot"),
        "{error}"
    );
    assert!(
        error.contains("/tmp") && error.contains("Not a directory"),
        "{error}"
    );
    fs::remove_file(tmp).unwrap();
    assert!(!instance.running().unwrap());
    instance.boot().unwrap();
}

/// Everything of this machine that names the deployment or its directory, by other means than the crate's own.
fn traces(deployment: &str) -> Vec<String> {
    let directory = state_dir().join("deployments").join(deployment);
    let directory = directory.to_string_lossy();
    let mut found = Vec::new();
    for (program, arguments) in [
        ("cat", vec!["/proc/mounts"]),
        ("losetup", vec!["--list"]),
        ("ip", vec!["-o", "link"]),
        ("iptables-save", vec![]),
        (
            "find",
            vec!["/sys/fs/cgroup", "-type", "d", "-name", "leaves-*"],
        ),
        ("ps", vec!["-eo", "stat,args"]),
    ] {
        let output = Command::new(program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let named = |line: &&str| {
            line.contains(directory.as_ref()) || line.contains(&format!("{deployment}-"))
        };
        found.extend(
            text.lines()
                .filter(named)
                .map(|line| format!("{program}: {line}")),
        );
    }
    found
}

#[test]
fn deletion_leaves_nothing() {
    let deployment = Deployment::new("leaves");
    let mut spec = deployment.spec(0);
    spec.persistent_disk_mb = Some(64);
    let first = deployment.boot_with(spec);
    let second = deployment.boot(1);
    sh(
        &first,
        "cd /var/vcap/store && setsid sleep 303 > /dev/null 2>&1 < /dev/null &",
    );
    sh(
        &second,
        "setsid unshare --mount --pid --fork sleep 304 > /dev/null 2>&1 < /dev/null &",
    );
    assert!(traces("leaves").len() > 8, "{:?}", traces("leaves"));
    assert!(deployment.host.leftovers("leaves").unwrap().len() > 8);

    deployment
        .host
        .delete_deployment("leaves", DiskFate::Delete)
        .unwrap();

    assert_eq!(deployment.host.leftovers("leaves").unwrap(), [""; 0]);
    assert_eq!(traces("leaves"), [""; 0]);
    // A namespace lives as long as a process in it: none has the instances' root, or any mount of theirs.
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let mounts = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        assert!(
            !mounts.contains("/deployments/leaves/"),
            "{:?}",
            entry.path()
        );
    }
    assert!(!state_dir().join("deployments/leaves").exists());
    deployment
        .host
        .delete_deployment("leaves", DiskFate::Delete)
        .unwrap();
}

#[test]
fn what_lost_its_state_files_is_found_and_removed() {
    let deployment = Deployment::new("lost");
    let instance = deployment.boot(0);
    let init = instance.init_pid().unwrap().unwrap();
    for file in ["vm-0/instance.json", "vm-0/boot.json", "network.json"] {
        fs::remove_file(state_dir().join("deployments/lost").join(file)).unwrap();
    }
    assert_ne!(deployment.host.leftovers("lost").unwrap(), [""; 0]);
    deployment
        .host
        .delete_deployment("lost", DiskFate::Delete)
        .unwrap();
    assert_eq!(deployment.host.leftovers("lost").unwrap(), [""; 0]);
    assert!(fs::metadata(format!("/proc/{init}/root/")).is_err());
}

#[test]
fn a_state_directory_on_an_overlay_gets_an_image() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = |name: &str| place.path().join(name);
    for name in ["lower", "upper", "work", "state"] {
        fs::create_dir(at(name)).unwrap();
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        at("lower").display(),
        at("upper").display(),
        at("work").display()
    );
    let mount = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(at("state"))
        .status();
    assert!(mount.unwrap().success());
    host_at(&state_dir()).base_tree().unwrap();
    std::os::unix::fs::symlink(state_dir().join("cache"), at("state/cache")).unwrap();

    let outcome = std::panic::catch_unwind(|| {
        let deployment = Deployment::on(host_at(&at("state")), "image");
        let instance = deployment.boot(0);
        assert!(sh(&instance, "stat -f -c %T /var/vcap/data").starts_with("ext"));
        let device = fs::metadata(instance.host_path("/var/vcap/data").unwrap())
            .unwrap()
            .dev();
        assert_ne!(device, fs::metadata(at("state")).unwrap().dev());
        deployment
            .host
            .delete_deployment("image", DiskFate::Delete)
            .unwrap();
    });
    assert!(
        Command::new("umount")
            .arg(at("state"))
            .status()
            .unwrap()
            .success()
    );
    outcome.unwrap();
}
