//! One data root under several engines in turn, up and down again: what a new stemcell, a new release, and a deploy of the old ones
//! do to it. `CONTAINERS_TEST_ENGINES` names their directories, oldest first, with colons between.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, also in its helpers"
)]

mod support;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use docker_engine::ImageStore;
use image_fixture::{Files, TestImage};
use serde_json::{Value, json};
use support::{Vm, busybox, inside};

fn engines() -> Vec<PathBuf> {
    let Some(named) = std::env::var_os("CONTAINERS_TEST_ENGINES") else {
        panic!(
            "CONTAINERS_TEST_ENGINES is not set: it must name directories of several engines, oldest first"
        )
    };
    let engines: Vec<PathBuf> = std::env::split_paths(&named).collect();
    assert!(engines.len() > 1, "{} engine", engines.len());
    engines
}

/// Upwards and down again, without doing the newest twice.
fn there_and_back(engines: &[PathBuf]) -> impl Iterator<Item = &Path> {
    let back = engines.iter().rev().skip(1);
    engines.iter().chain(back).map(PathBuf::as_path)
}

#[track_caller]
fn docker(vm: &Vm, words: &[&str]) -> String {
    let output = Command::new(vm.paths().docker_bin("docker"))
        .arg(format!("--host=unix://{}", vm.paths().socket().display()))
        .args(words)
        .output()
        .unwrap();
    let log = std::fs::read_to_string(vm.paths().log_file("dockerd")).unwrap();
    let log: Vec<&str> = log.lines().rev().take(30).collect();
    assert!(
        output.status.success(),
        "{words:?}: {}\n{}",
        String::from_utf8_lossy(&output.stderr),
        log.join("\n")
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn load(vm: &Vm) {
    let image = TestImage::busybox(&busybox());
    let archive = Files::new_archive(&image, &["docker.io/library/sleeper:1"]).tarball();
    vm.engine().load(Cursor::new(archive)).unwrap();
}

/// Starts a container on the first engine, and looks after it and its data on all others.
fn goes_through(engines: &[PathBuf], properties: &[(&str, Value)]) {
    let vm = Vm::with_engine();
    vm.set(properties);
    let mut versions = Vec::new();
    for engine in there_and_back(engines) {
        vm.change_engine(engine);
        vm.run(&["start"]).ok();
        versions.push(vm.engine().version().unwrap().version);
        if versions.len() == 1 {
            load(&vm);
            docker(&vm, &["network", "create", "net"]);
            docker(&vm, &["volume", "create", "--label=kind=named", "named"]);
            let run = "run --detach --name=db --restart=always --network=net --volume=named:/named --volume=/anonymous --publish=8080:80 sleeper:1";
            docker(&vm, &run.split(' ').collect::<Vec<_>>());
            let write = "echo precious >/named/x; echo dear >/anonymous/x; echo scratch >/x";
            docker(&vm, &["exec", "db", "/bin/busybox", "sh", "-c", write]);
        }
        let read = [
            "exec",
            "db",
            "/bin/busybox",
            "cat",
            "/named/x",
            "/anonymous/x",
            "/x",
        ];
        assert_eq!(
            docker(&vm, &read),
            "precious\ndear\nscratch",
            "{versions:?}"
        );
        let address = "{{.NetworkSettings.Networks.net.IPAddress}}";
        let address = docker(&vm, &["inspect", "--format", address, "db"]);
        assert!(address.starts_with("172."), "{versions:?}: {address}");
        let again = [
            "run",
            "--rm",
            "--network=net",
            "sleeper:1",
            "/bin/busybox",
            "echo",
            "runs",
        ];
        assert_eq!(docker(&vm, &again), "runs", "{versions:?}");
        vm.run(&["drain", "job_changed", "hash_changed", "docker"])
            .ok();
        vm.run(&["stop"]).ok();
    }
    versions.dedup();
    assert_eq!(versions.len(), engines.len() * 2 - 1);
}

#[test]
#[ignore = "needs several engines; ci/test full runs it"]
fn containers_and_data_live_on_under_newer_engines_and_under_the_old_ones_again() {
    if !inside("containers_and_data_live_on_under_newer_engines_and_under_the_old_ones_again") {
        return;
    }
    goes_through(&engines(), &[]);
}

#[test]
#[ignore = "needs several engines; ci/test full runs it"]
fn so_they_do_in_the_containerd_image_store() {
    if !inside("so_they_do_in_the_containerd_image_store") {
        return;
    }
    // the first engine with that store is 24
    let engines = engines();
    let newer = engines.get(1..).unwrap();
    goes_through(newer, &[("image_store", json!("containerd"))]);
}

#[test]
#[ignore = "needs several engines; ci/test full runs it"]
fn a_root_that_began_on_the_containerd_store_keeps_it_under_engines_that_take_the_other() {
    if !inside(
        "a_root_that_began_on_the_containerd_store_keeps_it_under_engines_that_take_the_other",
    ) {
        return;
    }
    let engines = engines();
    let (oldest, newer) = engines.split_first().unwrap();
    let newest = newer.last().unwrap();
    let store = |vm: &Vm| vm.engine().info().unwrap().image_store();
    let vm = Vm::with_engine();
    vm.change_engine(newest);
    vm.run(&["start"]).ok();
    if store(&vm) != ImageStore::Containerd {
        // one before 29, which has to be told
        vm.run(&["stop"]).ok();
        std::fs::remove_dir_all(vm.paths().data_root()).unwrap();
        vm.set(&[("image_store", json!("containerd"))]);
        vm.run(&["start"]).ok();
        vm.set(&[]);
    }
    load(&vm);
    let run = "run --detach --name=db --restart=always --volume=/anonymous sleeper:1";
    docker(&vm, &run.split(' ').collect::<Vec<_>>());
    let write = "echo dear >/anonymous/x; echo scratch >/x";
    docker(&vm, &["exec", "db", "/bin/busybox", "sh", "-c", write]);
    vm.run(&["stop"]).ok();

    for engine in newer.iter().rev().chain(newer) {
        vm.change_engine(engine);
        vm.run(&["pre-start"]).ok();
        vm.run(&["start"]).ok();
        assert_eq!(store(&vm), ImageStore::Containerd, "{}", engine.display());
        let read = "exec db /bin/busybox cat /anonymous/x /x";
        let read = docker(&vm, &read.split(' ').collect::<Vec<_>>());
        assert_eq!(read, "dear\nscratch", "{}", engine.display());
        vm.run(&["stop"]).ok();
    }

    // 20.10 has no such store
    vm.change_engine(oldest);
    for command in ["pre-start", "start"] {
        let refused = vm.run(&[command]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused.stderr.contains("the containerd image store"),
            "{refused:?}"
        );
    }
    // somebody who means it begins again, and goes back
    vm.set(&[("image_store", json!("graphdriver"))]);
    vm.run(&["pre-start"]).ok();
    vm.run(&["start"]).ok();
    assert_eq!(docker(&vm, &["ps", "--all", "--quiet"]), "");
    vm.run(&["stop"]).ok();
    vm.change_engine(newest);
    vm.set(&[("image_store", json!("containerd"))]);
    vm.run(&["start"]).ok();
    assert_eq!(
        docker(&vm, &["exec", "db", "/bin/busybox", "cat", "/x"]),
        "scratch"
    );
    vm.run(&["stop"]).ok();
}
