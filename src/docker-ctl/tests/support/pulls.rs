//! Pulls and pushes by the VM's Docker client, in a test's own network namespace.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use image_fixture::{Files, TestImage};

use crate::registry::HOST;
use crate::support::{Run, Vm, run};

fn ok(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// The registries' address, and an `/etc/docker` that is the VM's: dockerd reads authorities there and nowhere else.
pub fn prepare(vm: &Vm) {
    let root = vm.paths().root().to_owned();
    if !Path::new("/sys/class/net/registries").exists() {
        ok(Command::new("ip").args(["link", "add", "registries", "type", "bridge"]));
        ok(Command::new("ip").args(["address", "add", &format!("{HOST}/24"), "dev", "registries"]));
        ok(Command::new("ip").args(["link", "set", "registries", "up"]));
        let over = root.join("over");
        std::fs::create_dir(&over).unwrap();
        ok(Command::new("mount")
            .args(["-t", "tmpfs", "tmpfs"])
            .arg(&over));
        for dir in ["upper", "work"] {
            std::fs::create_dir(over.join(dir)).unwrap();
        }
        let options = format!(
            "lowerdir=/etc,upperdir={0}/upper,workdir={0}/work",
            over.display()
        );
        ok(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options, "/etc"]));
        std::fs::create_dir_all("/etc/docker").unwrap();
    }
    let etc = root.join("etc/docker");
    std::fs::create_dir_all(&etc).unwrap();
    ok(Command::new("mount")
        .arg("--bind")
        .arg(etc)
        .arg("/etc/docker"));
}

/// The Docker client as an operator has it after sourcing `envrc`.
pub fn docker(vm: &Vm, arguments: &[&str]) -> Run {
    let paths = vm.paths();
    let mut command = Command::new(paths.docker_bin("docker"));
    command
        .env_clear()
        .env(
            "DOCKER_HOST",
            format!("unix://{}", paths.socket().display()),
        )
        .env("DOCKER_CONFIG", paths.cli_dir())
        .args(arguments);
    run(&mut command)
}

pub fn load(vm: &Vm) {
    // in full, as the containerd store wants it
    let name = ["docker.io/library/fixture:1"];
    let archive = Files::new_archive(&TestImage::small(1), &name).tarball();
    vm.engine().load(Cursor::new(archive)).unwrap();
}

/// Pushes an image and pulls it again.
pub fn push_and_pull(vm: &Vm, image: &str) {
    docker(vm, &["tag", "fixture:1", image]).ok();
    docker(vm, &["push", image]).ok();
    docker(vm, &["rmi", image]).ok();
    docker(vm, &["pull", image]).ok();
    docker(vm, &["rmi", image]).ok();
}

#[track_caller]
pub fn refuses(vm: &Vm, image: &str, why: &[&str]) {
    let pull = docker(vm, &["pull", image]);
    assert_ne!(pull.code, 0, "{image} was pulled");
    assert!(why.iter().any(|why| pull.stderr.contains(why)), "{pull:?}");
}
