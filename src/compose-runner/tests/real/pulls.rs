//! Images that the recipe pulls from a real registry: they go when they are old, and nothing else does.
//!
//! `CONTAINERS_TEST_REGISTRY` names the registry's program.

use std::{
    fs,
    process::{Child, Stdio},
};

use serde_json::json;

use crate::{
    recipes::{sleeper, with},
    vm::{Vm, until},
};

const REGISTRY: &str = "127.0.0.1:5000";

/// A registry in the VM's network.
struct Registry(Child);

impl Registry {
    fn start(vm: &Vm) -> Self {
        let program = std::env::var_os("CONTAINERS_TEST_REGISTRY")
            .expect("CONTAINERS_TEST_REGISTRY is not set: it must name a registry's program");
        let directory = vm.root().join("registry");
        let configuration = json!({
            "version": "0.1", "log": {"level": "error"}, "http": {"addr": REGISTRY},
            "storage": {"filesystem": {"rootdirectory": directory}},
        });
        let file = vm.root().join("registry.yml");
        fs::write(&file, configuration.to_string()).unwrap();
        let mut command = vm.command(program.as_ref());
        command.arg("serve").arg(&file);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Pushes an image of its own layer, and leaves nothing of it on the VM.
fn push(vm: &Vm, name: &str) {
    let version = format!("{name} {}", jiff::Timestamp::now());
    vm.import_image(name, &version);
    vm.docker(&["push", "--quiet", name]);
    vm.docker(&["rmi", name]);
}

#[test]
fn what_the_recipe_pulled_goes_when_neither_this_deploy_nor_the_one_before_uses_it() {
    let vm = Vm::start();
    let _registry = Registry::start(&vm);
    let image = |number: u32| format!("{REGISTRY}/app:{number}");
    let is_there = |name: &str| vm.engine().inspect_image(name).unwrap().is_some();
    // The registry may need a moment; the push retries by itself.
    for number in 1..=3 {
        push(&vm, &image(number));
    }
    let latest = format!("{REGISTRY}/moves:latest");
    // Pulled by hand, and used by the recipe later: somebody else's.
    push(&vm, &format!("{REGISTRY}/by-hand:1"));
    vm.docker(&["pull", "--quiet", &format!("{REGISTRY}/by-hand:1")]);
    let mut ids = Vec::new();
    for number in 1..=3 {
        push(&vm, &latest);
        let mut services = json!({
            "app": with(sleeper(), &json!({"image": image(number)})),
            "moves": with(sleeper(), &json!({"image": latest, "pull_policy": "always"})),
        });
        if number == 1 {
            services["hand"] = with(
                sleeper(),
                &json!({"image": format!("{REGISTRY}/by-hand:1")}),
            );
        }
        // A recipe that fails in between counts for nothing.
        if number == 3 {
            let bad = json!({"services": {"app": {"image": image(2), "command": ["false"]}}});
            assert_eq!(vm.deploy(&bad, &json!({}))["state"], "failed");
            assert!(is_there(&image(2)) && is_there(&image(1)));
        }
        let verdict = vm.deploy(&json!({"services": services}), &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        ids.push(vm.container("running-moves-1").image);
        if number > 2 {
            let old = image(number - 2);
            until(|| (!is_there(&old)).then_some(()))
                .unwrap_or_else(|| panic!("{old} is there\n{}", vm.log()));
            let moved = &ids[usize::try_from(number).unwrap() - 3];
            until(|| (!is_there(moved)).then_some(()))
                .unwrap_or_else(|| panic!("{moved} is there\n{}", vm.log()));
        }
        if number > 1 {
            assert!(is_there(&image(number - 1)), "{}", vm.log());
        }
    }
    for stays in ["test:1".to_owned(), format!("{REGISTRY}/by-hand:1")] {
        assert!(is_there(&stays), "{stays}\n{}", vm.log());
    }
    // It is logged after the last of them has gone.
    until(|| {
        vm.log()
            .contains("old images removed images=")
            .then_some(())
    })
    .unwrap_or_else(|| panic!("{}", vm.log()));
    // The registry has another image under the name by now; a rollback wants the one that ran.
    let moves = |command: &str| {
        json!({"services": {"moves": with(sleeper(), &json!({
            "image": latest, "pull_policy": "always", "command": ["sh", "-c", command], "restart": "always",
        }))}})
    };
    let rolls_back = json!({"rollback_on_failure": true});
    assert_eq!(
        vm.deploy(&moves("exec sleep 1000000"), &rolls_back)["state"],
        "up",
        "{}",
        vm.log()
    );
    let before = vm.container("running-moves-1").image;
    push(&vm, &latest);
    let verdict = vm.deploy(&moves("exit 7"), &rolls_back);
    assert!(
        verdict["rolled_back_to"].is_string() && vm.health().is_some(),
        "{verdict:#}\n{}",
        vm.log()
    );
    assert_eq!(vm.container("running-moves-1").image, before);

    // Switched off, they are only noted.
    let keep = json!({"remove_old_images": false});
    let verdict = vm.deploy(&json!({"services": {"app": sleeper()}}), &keep);
    assert_eq!(verdict["state"], "up", "{verdict:#}");
    let verdict = vm.deploy(
        &json!({"services": {"app": with(sleeper(), &json!({"image": image(2)}))}}),
        &keep,
    );
    assert_eq!(verdict["state"], "up", "{verdict:#}");
    assert!(is_there(&image(3)), "{}", vm.log());
}

#[test]
fn of_a_pin_that_moves_the_new_image_runs_and_the_old_one_goes_two_deploys_later() {
    let vm = Vm::start();
    let _registry = Registry::start(&vm);
    let tag = format!("{REGISTRY}/pinned:1");
    let mut ids: Vec<String> = Vec::new();
    for number in 1..=3 {
        push(&vm, &tag);
        vm.docker(&["pull", "--quiet", &tag]);
        let digests = vm
            .engine()
            .inspect_image(&tag)
            .unwrap()
            .unwrap()
            .repo_digests;
        vm.docker(&["rmi", &tag]);
        let (_, digest) = digests[0].split_once('@').unwrap();
        let service = with(sleeper(), &json!({"image": format!("{tag}@{digest}")}));
        let verdict = vm.deploy(&json!({"services": {"app": service}}), &json!({}));
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        let id = vm.container("running-app-1").image;
        assert!(
            !ids.contains(&id),
            "{number}: the old one runs\n{}",
            vm.log()
        );
        ids.push(id);
    }
    let is_there = |id: &str| vm.engine().inspect_image(id).unwrap().is_some();
    until(|| (!is_there(&ids[0])).then_some(()))
        .unwrap_or_else(|| panic!("the first is there\n{}", vm.log()));
    assert!(is_there(&ids[1]) && is_there(&ids[2]), "{}", vm.log());
}
