//! docker-ctl with a real dockerd and real containers, in namespaces of their own.

mod support;

use std::io::Cursor;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bosh_job::{Process, Signal};
use docker_engine::ImageStore;
use image_fixture::{Files, TestImage};
use serde_json::{Value, json};
use state_files::ImageLedger;
use support::containers::{mounts, shims, start_container, started_at};
use support::{Vm, inside, is_alive, pid, script};

#[test]
fn an_update_keeps_containers_and_a_stop_ends_them() {
    if !inside("an_update_keeps_containers_and_a_stop_ends_them") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let began = started_at(&vm, &id);

    vm.run(&["drain", "job_changed", "hash_changed", "containers"])
        .ok();
    vm.run(&["stop"]).ok();
    assert!(!vm.paths().docker_pidfile().exists() && !vm.paths().keep_containers().exists());
    assert_eq!(shims(&vm), 1, "the container went with dockerd");
    vm.run(&["start"]).ok();
    assert_eq!(started_at(&vm, &id), began);

    let status: Value = serde_json::from_str(&vm.run(&["status", "--json"]).ok().stdout).unwrap();
    assert_eq!(status["containers"][0]["state"], "running", "{status}");

    let stop = vm.run(&["stop"]).ok();
    assert!(stop.elapsed < Duration::from_secs(10), "{stop:?}");
    assert_eq!(shims(&vm), 0);
    assert_eq!(mounts(&vm), Vec::<String>::new());

    vm.run(&["start"]).ok();
    let container = vm.engine().inspect_container(&id).unwrap();
    assert_eq!(
        container.state.status.word(),
        "running",
        "dockerd did not start again what it had stopped itself"
    );
    assert!(vm.engine().info().unwrap().live_restore_enabled);
    vm.run(&["stop"]).ok();
}

#[test]
fn a_dockerd_that_was_killed_comes_back_to_its_containers() {
    if !inside("a_dockerd_that_was_killed_comes_back_to_its_containers") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let began = started_at(&vm, &id);
    for _ in 0..2 {
        let dockerd = Process::open(pid(&vm.paths().docker_pidfile())).unwrap();
        dockerd.signal(Signal::KILL).unwrap();
        // as one leaves it that is killed in the middle of an import
        let left = vm.paths().tmp().join("docker-import-123");
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("layer.tar"), "part of a layer").unwrap();
        assert!(dockerd.wait_until_gone(Duration::from_secs(5)));
        let stop = vm.run(&["stop"]).ok();
        assert!(stop.elapsed < Duration::from_secs(2), "{stop:?}");
        assert_eq!(shims(&vm), 1, "a stop without dockerd touched a container");

        // strangers have got the numbers of dockerd and containerd
        let mut stranger = Command::new("sleep").arg("100").spawn().unwrap();
        std::fs::write(vm.paths().docker_pidfile(), stranger.id().to_string()).unwrap();
        std::fs::write(
            vm.paths().exec_root().join("containerd/containerd.pid"),
            stranger.id().to_string(),
        )
        .unwrap();
        let start = vm.run(&["start"]).ok();
        assert!(start.elapsed < Duration::from_secs(30), "{start:?}");
        assert!(!left.exists());
        assert_eq!(started_at(&vm, &id), began);
        assert!(
            stranger.try_wait().unwrap().is_none(),
            "a stranger was ended"
        );
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
    vm.run(&["stop"]).ok();
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
}

#[test]
fn a_dockerd_without_its_socket_stops_within_two_seconds_and_leaves_the_containers() {
    if !inside("a_dockerd_without_its_socket_stops_within_two_seconds_and_leaves_the_containers") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let began = started_at(&vm, &id);
    let dockerd = pid(&vm.paths().docker_pidfile());
    std::fs::remove_file(vm.paths().socket()).unwrap();
    let stop = vm.run(&["stop"]).ok();
    assert!(stop.elapsed < Duration::from_secs(2), "{stop:?}");
    assert!(!is_alive(dockerd));
    assert_eq!(shims(&vm), 1);
    vm.run(&["start"]).ok();
    assert_eq!(started_at(&vm, &id), began);
    vm.run(&["stop"]).ok();
}

#[test]
fn a_dockerd_that_hangs_is_ended_with_its_containers() {
    if !inside("a_dockerd_that_hangs_is_ended_with_its_containers") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    start_container(&vm);
    let dockerd = Process::open(pid(&vm.paths().docker_pidfile())).unwrap();
    dockerd.signal(Signal::STOP).unwrap();
    let stop = vm.run(&["stop"]).ok();
    assert!(stop.elapsed < Duration::from_secs(45), "{stop:?}");
    assert!(!dockerd.is_alive());
    assert_eq!((shims(&vm), mounts(&vm)), (0, Vec::new()));
    vm.run(&["start"]).ok();
    vm.run(&["stop"]).ok();
}

#[test]
fn after_a_reboot_and_twice_at_once_a_start_is_one_start() {
    if !inside("after_a_reboot_and_twice_at_once_a_start_is_one_start") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    vm.run(&["stop"]).ok();
    for dir in ["sys/run", "run", "data/docker"] {
        std::fs::remove_dir_all(vm.paths().root().join(dir)).unwrap();
    }
    let starts: Vec<_> = (0..3)
        .map(|_| {
            vm.command(&["start"])
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for start in starts {
        assert!(start.wait_with_output().unwrap().status.success());
    }
    let ours = Process::find(|info| {
        info.program() == "dockerd" && info.cmdline.iter().any(|word| word == "--config-file")
    });
    assert_eq!(ours.len(), 1);
    std::fs::remove_file(vm.paths().docker_pidfile()).unwrap();
    vm.run(&["start"]).ok();
    assert_eq!(pid(&vm.paths().docker_pidfile()), ours[0].pid());
    vm.run(&["stop"]).ok();
}

#[test]
fn bind_with_the_waiver_answers_soon_and_with_tls_only_to_tls() {
    if !inside("bind_with_the_waiver_answers_soon_and_with_tls_only_to_tls") {
        return;
    }
    let ask = || {
        let mut stream = TcpStream::connect("127.0.0.1:5001").unwrap();
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    };
    let vm = Vm::with_engine();
    vm.set(&[("bind", json!(5001)), ("bind_without_tls", json!(true))]);
    let start = vm.run(&["start"]).ok();
    assert!(
        start.elapsed < Duration::from_secs(10),
        "dockerd slept: {start:?}"
    );
    assert!(ask().contains("200 OK"));
    vm.run(&["stop"]).ok();

    let (cert, key) = (
        json!(include_str!("data/cert.pem")),
        json!(include_str!("data/key.pem")),
    );
    vm.set(&[
        ("bind", json!("127.0.0.1:5001")),
        ("tls_cacert", cert.clone()),
        ("tls_cert", cert),
        ("tls_key", key),
    ]);
    vm.run(&["start"]).ok();
    assert!(!ask().contains("200 OK"), "dockerd answered without TLS");
    let log = std::fs::read_to_string(vm.paths().log_file("dockerd")).unwrap();
    assert!(!log.contains("PRIVATE KEY"));
    vm.run(&["stop"]).ok();
}

#[test]
fn settings_that_fail_leave_dockerd_and_containers_on_those_that_worked() {
    if !inside("settings_that_fail_leave_dockerd_and_containers_on_those_that_worked") {
        return;
    }
    let vm = Vm::with_engine();
    let (cert, key) = (
        json!(include_str!("data/cert.pem")),
        json!(include_str!("data/other-key.pem")),
    );
    let bad_key = [
        ("bind", json!("127.0.0.1:5001")),
        ("tls_cacert", cert.clone()),
        ("tls_cert", cert),
        ("tls_key", key),
    ];
    vm.set(&bad_key);
    assert_ne!(vm.run(&["start"]).code, 0, "there is nothing to go back to");
    vm.set(&[]);
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let began = started_at(&vm, &id);
    let taken = std::net::TcpListener::bind("127.0.0.1:5002").unwrap();
    let taken_port = [
        ("bind", json!("127.0.0.1:5002")),
        ("bind_without_tls", json!(true)),
    ];
    for (bad, code, named) in [
        (&bad_key[..], None, "private key"),
        (&taken_port, Some(1), "address already in use"),
        (&[("bind", json!("x"))], Some(2), "`bind`"),
    ] {
        vm.run(&["drain", "job_changed", "hash_changed"]).ok();
        vm.run(&["stop"]).ok();
        vm.set(bad);
        vm.run(&["start"]).ok();
        assert_eq!(started_at(&vm, &id), began);
        let wait = vm.run(&["wait"]);
        assert!(
            wait.code != 0 && code.is_none_or(|code| wait.code == code),
            "{wait:?}"
        );
        assert!(wait.stderr.contains(named), "{wait:?}");
        assert!(!wait.stderr.contains("BEGIN"), "{wait:?}");
    }
    drop(taken);
    vm.run(&["stop"]).ok();
    vm.set(&[]);
    vm.run(&["start"]).ok();
    let refused = std::fs::read_to_string(vm.paths().refused()).ok();
    assert_eq!(refused, None);
    assert_eq!(
        std::fs::read_dir(vm.paths().tls_dir()).unwrap().count(),
        0,
        "keys that nobody uses are left"
    );
    vm.run(&["stop"]).ok();
}

#[test]
fn another_image_store_stops_the_containers_first() {
    if !inside("another_image_store_stops_the_containers_first") {
        return;
    }
    let vm = Vm::with_engine();
    vm.set(&[("image_store", json!("graphdriver"))]);
    vm.run(&["start"]).ok();
    let has_both = vm
        .engine()
        .version()
        .unwrap()
        .version
        .split('.')
        .next()
        .unwrap()
        .parse::<u32>()
        .unwrap()
        >= 24;
    start_container(&vm);
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["stop"]).ok();
    assert_eq!(shims(&vm), 1);
    let (compose, told) = (
        vm.paths().compose_bin(),
        vm.paths().root().join("compose-was-told"),
    );
    script(&compose, &format!("echo \"$*\" >> {}", told.display()));
    std::fs::write(vm.paths().applied(), r#"{"project":"shop"}"#).unwrap();
    vm.set(&[("image_store", json!("containerd"))]);
    let start = vm.run(&["start"]).ok();
    assert!(start.elapsed < Duration::from_mins(1), "{start:?}");
    let told = std::fs::read_to_string(told).unwrap();
    assert_eq!(
        told.lines().next(),
        Some("-p shop stop"),
        "the recipe was not stopped in order first"
    );
    let wait = vm.run(&["wait"]);
    if has_both {
        assert_eq!(
            vm.engine().info().unwrap().image_store(),
            ImageStore::Containerd
        );
        assert_eq!(shims(&vm), 0);
    } else {
        assert_eq!(wait.code, 2);
        assert!(wait.stderr.contains("`image_store`"), "{wait:?}");
    }
    vm.run(&["stop"]).ok();
    assert_eq!(shims(&vm), 0);
}

#[test]
fn what_holds_a_mount_or_the_data_is_named() {
    if !inside("what_holds_a_mount_or_the_data_is_named") {
        return;
    }
    // as systemd has it: dockerd then makes no mount of its own over its data, under which paths would not be seen
    let shared = Command::new("mount")
        .args(["--make-rshared", "/"])
        .status()
        .unwrap();
    assert!(shared.success());
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let data = vm.paths().data_root().join("volumes");
    let mut holder = Command::new("sleep")
        .arg("100")
        .current_dir(&data)
        .spawn()
        .unwrap();
    let stop = vm.run(&["stop"]).ok();
    assert!(
        stop.stderr.contains(&format!("sleep ({})", holder.id())),
        "{stop:?}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();

    vm.run(&["start"]).ok();
    let dir = vm.paths().exec_root().join("left");
    std::fs::create_dir(&dir).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&dir)
        .status()
        .unwrap();
    assert!(mount.success());
    let mut holder = Command::new("sleep")
        .arg("100")
        .current_dir(&dir)
        .spawn()
        .unwrap();
    let stop = vm.run(&["stop"]);
    assert_eq!(stop.code, 1, "{stop:?}");
    assert!(
        stop.stderr.contains(&format!("sleep ({})", holder.id())),
        "{stop:?}"
    );
    assert!(!vm.paths().docker_pidfile().exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    vm.run(&["start"]).ok();
    vm.run(&["stop"]).ok();
    assert_eq!(mounts(&vm), Vec::<String>::new());
}

#[test]
fn files_are_there_before_dockerd_and_gone_recipes_do_not_keep_it_from_starting() {
    if !inside("files_are_there_before_dockerd_and_gone_recipes_do_not_keep_it_from_starting") {
        return;
    }
    let vm = Vm::with_engine();
    vm.set(&[
        ("recipe", json!("services: {}")),
        (
            "files",
            json!({"conf/a": {"content": "x", "owner": "7:8", "mode": "0600"}}),
        ),
    ]);
    vm.run(&["start"]).ok();
    let file = vm.paths().running().join("conf/a");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    vm.run(&["stop"]).ok();

    vm.set(&[
        ("recipe", json!("services: {}")),
        ("files", json!({"../a": "y"})),
    ]);
    vm.run(&["start"]).ok();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    assert_eq!(vm.run(&["wait"]).code, 2);
    vm.run(&["stop"]).ok();

    vm.set(&[
        ("recipe", json!("services: {}")),
        (
            "files",
            json!({"conf/a": {"content": "x", "owner": "nobody-here"}}),
        ),
    ]);
    let begun = Instant::now();
    vm.run(&["start"]).ok();
    let wait = vm.run(&["wait"]);
    assert!(
        wait.code != 0 && wait.stderr.contains("nobody-here"),
        "{wait:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    vm.run(&["stop"]).ok();
}

#[test]
fn without_a_recipe_images_that_no_job_lists_any_more_go() {
    if !inside("without_a_recipe_images_that_no_job_lists_any_more_go") {
        return;
    }
    let vm = Vm::with_engine();
    script(&vm.paths().program("image-importer"), "exit 0");
    vm.run(&["start"]).ok();
    let engine = vm.engine();
    for (seed, name) in [(1, "brought:1"), (2, "by-hand:1")] {
        let name = format!("docker.io/library/{name}");
        let archive = Files::new_archive(&TestImage::small(seed), &[&name]).tarball();
        engine.load(Cursor::new(archive)).unwrap();
    }
    let is_there = |name| engine.inspect_image(name).unwrap().is_some();
    let mut ledger = ImageLedger::read(&vm.paths());
    let brought = engine.inspect_image("brought:1").unwrap().unwrap().id;
    let store = engine.info().unwrap().image_store();
    ledger.bring(store, &brought, ["docker.io/library/brought:1".to_owned()]);
    ledger.write().unwrap();
    vm.set(&[("remove_old_images", json!(false))]);
    vm.run(&["wait"]).ok();
    assert!(is_there("brought:1"));
    vm.set(&[]);
    vm.run(&["wait"]).ok();
    assert!(!is_there("brought:1") && is_there("by-hand:1"));
    vm.run(&["stop"]).ok();
}
