//! `docker-ctl status` against a real dockerd with both image stores.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, also in its helpers"
)]

mod support;

use std::io::Cursor;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use docker_engine::ImageStore;
use image_fixture::{Files, TestImage};
use recipe::ProjectName;
use serde_json::{Value, json};
use state_files::AppliedProject;
use support::{Vm, inside, start_if_it_has};

const MEBIBYTE: u64 = 1 << 20;

fn image() -> TestImage {
    let named = std::env::var_os("CONTAINERS_TEST_BUSYBOX").map(PathBuf::from);
    let Some(path) = named else {
        panic!("CONTAINERS_TEST_BUSYBOX is not set: it must name a static busybox")
    };
    TestImage::busybox(&std::fs::read(path).unwrap())
}

fn status(vm: &Vm) -> Value {
    serde_json::from_str(&vm.run(&["status", "--json"]).ok().stdout).unwrap()
}

fn shows_what_is_there_on(store: &str, wanted: ImageStore) {
    let vm = Vm::with_engine();
    vm.set(&[("image_store", json!(store))]);
    if !start_if_it_has(&vm, wanted) {
        return;
    }
    let engine = vm.engine();
    let archive = Files::new_archive(&image(), &["docker.io/library/writer:1"]);
    let manifest_digest = archive.target();
    engine.load(Cursor::new(archive.tarball())).unwrap();
    let script = "busybox dd if=/dev/zero of=/data/file bs=1M count=5; \
                  busybox dd if=/dev/zero of=/own bs=1M count=2; \
                  busybox seq 100000; busybox touch /done; busybox sleep 3600";
    let config = json!({
        "Image": "writer:1",
        "Cmd": ["/bin/busybox", "sh", "-c", script],
        "Labels": {"com.docker.compose.project": "running", "com.docker.compose.service": "writer"},
        "Healthcheck": {"Test": ["CMD", "/bin/busybox", "test", "-e", "/done"], "Interval": 200_000_000},
        "HostConfig": {"Binds": ["data:/data"], "NetworkMode": "none"},
        "StopTimeout": 1,
    });
    let id = engine.create_container(Some("writer"), config).unwrap();
    engine.start_container(&id).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut seen = status(&vm);
    while seen["containers"][0]["health"] != "healthy" {
        assert!(Instant::now() < deadline, "{seen:#}");
        std::thread::sleep(Duration::from_millis(200));
        seen = status(&vm);
    }
    let reported = &seen["engine"];
    let newest = engine.version().unwrap().api_version;
    assert_eq!(reported["api_version"], newest);
    let spoken = engine.api_version().unwrap().to_string();
    assert_eq!(reported["api_version_spoken"], spoken);
    let container = &seen["containers"][0];
    assert_eq!(container["service"], "writer");
    assert_eq!(container["image"], "writer:1");
    let (digest, of) = match wanted {
        ImageStore::GraphDriver => (image().config_digest(), "config"),
        ImageStore::Containerd => (manifest_digest, "manifest"),
    };
    assert_eq!(container["image_digest"], digest);
    assert_eq!(container["image_digest_of"], of);
    let disk = &seen["disk"];
    let bytes = |kind: &str| {
        disk[kind]["bytes"]
            .as_u64()
            .unwrap_or_else(|| panic!("{kind}: {disk:#}"))
    };
    for (kind, count, least, most) in [
        ("images", 1, MEBIBYTE, 100 * MEBIBYTE),
        ("containers", 1, 2 * MEBIBYTE, 4 * MEBIBYTE),
        ("volumes", 1, 5 * MEBIBYTE, 6 * MEBIBYTE),
        ("engine_logs", 1, 588_895, 20 * MEBIBYTE),
    ] {
        assert_eq!(disk[kind]["count"], count, "{kind}: {disk:#}");
        assert!((least..=most).contains(&bytes(kind)), "{kind}: {disk:#}");
    }
    let files = std::fs::read_dir(vm.paths().log_dir()).unwrap();
    let logs: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(
        bytes("job_logs") >= logs / 2 && bytes("job_logs") > 0,
        "{disk:#}"
    );
    assert_eq!(disk["error"], Value::Null);
    let free = &disk["filesystems"][0];
    assert_eq!(
        free["path"],
        vm.paths().data_root().to_string_lossy().as_ref()
    );
    assert!(free["free_bytes"].as_u64().unwrap() <= free["bytes"].as_u64().unwrap());

    let table = vm.run(&["status"]).ok().stdout;
    let hex = &digest["sha256:".len()..][..12];
    assert!(
        table.contains(&format!(
            "writer     writer   running  healthy  0         {hex}  writer:1"
        )),
        "{table}"
    );
    assert!(
        table.lines().all(|line| line.chars().count() <= 120),
        "{table}"
    );

    engine.remove_container(&id, true).unwrap();
    vm.run(&["stop"]).ok();
    let down = vm.run(&["status", "--json"]);
    assert_eq!(down.code, 1);
    let seen: Value = serde_json::from_str(&down.stdout).unwrap();
    assert_eq!(
        (&seen["engine"], &seen["disk"]["images"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        seen["disk"]["job_logs"]["bytes"].as_u64().unwrap() > 0,
        "{seen:#}"
    );
}

#[test]
fn shows_what_is_there_on_the_graph_drivers_store() {
    if inside("shows_what_is_there_on_the_graph_drivers_store") {
        shows_what_is_there_on("graphdriver", ImageStore::GraphDriver);
    }
}

#[test]
fn shows_what_is_there_on_the_containerd_store() {
    if inside("shows_what_is_there_on_the_containerd_store") {
        shows_what_is_there_on("containerd", ImageStore::Containerd);
    }
}

#[test]
fn a_container_whose_process_is_gone_is_dead_although_the_engine_calls_it_running() {
    if !inside("a_container_whose_process_is_gone_is_dead_although_the_engine_calls_it_running") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let engine = vm.engine();
    let archive = Files::new_archive(&image(), &["docker.io/library/writer:1"]);
    engine.load(Cursor::new(archive.tarball())).unwrap();
    let config = json!({
        "Image": "writer:1",
        "Cmd": ["/bin/busybox", "sleep", "3600"],
        "Labels": {"com.docker.compose.project": "running", "com.docker.compose.service": "writer"},
        "HostConfig": {"NetworkMode": "none"},
    });
    let id = engine.create_container(Some("writer"), config).unwrap();
    engine.start_container(&id).unwrap();
    AppliedProject::remember(&vm.paths(), &ProjectName::new("running").unwrap()).unwrap();
    let verdict = json!({"state": "up", "since": "2026-11-21T17:04:05Z", "exit_code": 0, "pid": std::process::id(), "errors": [], "services": [], "rolled_back_to": null});
    std::fs::write(vm.paths().verdict(), verdict.to_string()).unwrap();
    let up = status(&vm);
    assert_eq!(
        (&up["containers"][0]["state"], &up["containers"][0]["gone"]),
        (&json!("running"), &Value::Null)
    );
    assert_eq!(up["verdict"]["state"], "up", "{up:#}");

    // dockerd learns of no end: its containerd is killed first
    let pid = engine.inspect_container(&id).unwrap().state.pid;
    support::sh(&format!(
        "shim=$(cut -d' ' -f4 /proc/{pid}/stat); kill -9 $(cat {}) $shim {pid}",
        vm.paths()
            .exec_root()
            .join("containerd/containerd.pid")
            .display()
    ));
    let dead = vm.run(&["status", "--json"]);
    assert_eq!(dead.code, 3, "{dead:#?}");
    let dead: Value = serde_json::from_str(&dead.stdout).unwrap();
    assert_eq!(dead["containers"][0]["state"], "dead", "{dead:#}");
    assert_eq!(dead["verdict"]["state"], "failed", "{dead:#}");
    let table = vm.run(&["status"]);
    assert!(
        table.stdout.contains("dead (no process)") && !table.stdout.contains("recipe: up"),
        "{}",
        table.stdout
    );
    vm.run(&["stop"]).ok();
}
