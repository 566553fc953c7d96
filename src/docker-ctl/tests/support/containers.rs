//! Containers of a VM's dockerd, and what they leave.

use std::io::Cursor;

use bosh_job::{Process, ProcessInfo};
use image_fixture::{Files, TestImage};
use serde_json::json;

use super::{Vm, busybox};

/// Brings the image `sleeper:1`, which has a shell.
pub fn load_image(vm: &Vm) {
    let archive = Files::new_archive(
        &TestImage::busybox(&busybox()),
        &["docker.io/library/sleeper:1"],
    )
    .tarball();
    vm.engine().load(Cursor::new(archive)).unwrap();
}

/// A container that runs until it is stopped, and comes back with dockerd.
pub fn start_container(vm: &Vm) -> String {
    load_image(vm);
    let engine = vm.engine();
    let config = json!({"Image": "sleeper:1", "HostConfig": {"RestartPolicy": {"Name": "always"}, "Init": false}, "StopTimeout": 1});
    let id = engine.create_container(Some("sleeper"), config).unwrap();
    engine.start_container(&id).unwrap();
    id
}

pub fn started_at(vm: &Vm, id: &str) -> String {
    vm.engine().inspect_container(id).unwrap().state.started_at
}

pub fn shims(vm: &Vm) -> usize {
    let root = vm.paths().root().display().to_string();
    let ours = |info: &ProcessInfo| {
        info.program().starts_with("containerd-shim")
            && info.cmdline.iter().any(|word| word.contains(&root))
    };
    Process::find(ours).len()
}

pub fn mounts(vm: &Vm) -> Vec<String> {
    let root = vm.paths().root().display().to_string();
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines()
        .filter(|line| line.contains(&root))
        .map(str::to_owned)
        .collect()
}

/// The processes of this PID namespace that run a program.
pub fn all_of(program: &'static str) -> Vec<Process> {
    Process::find(|info| info.program() == program)
}

/// What a container does, in the engine's word.
pub fn status(vm: &Vm, id: &str) -> &'static str {
    vm.engine()
        .inspect_container(id)
        .unwrap()
        .state
        .status
        .word()
}
