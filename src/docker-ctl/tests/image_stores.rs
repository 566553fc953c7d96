//! The image store that a data root has, under a real dockerd: it is kept, and what has no effect on it is refused.

#![expect(clippy::unwrap_used, reason = "it serves tests only")]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;

use docker_engine::ImageStore;
use serde_json::{Value, json};
use support::containers::{load_image, start_container, started_at, status};
use support::{Run, Vm, inside, script, start_if_it_has};

fn store(vm: &Vm) -> ImageStore {
    vm.engine().info().unwrap().image_store()
}

fn noted(vm: &Vm) -> String {
    std::fs::read_to_string(vm.paths().image_store_note()).unwrap()
}

fn unseen(vm: &Vm) -> Value {
    let status = vm.run(&["status", "--json"]).ok().stdout;
    serde_json::from_str::<Value>(&status).unwrap()["unseen"].clone()
}

/// A full stop, and a start on these properties.
fn restart(vm: &Vm, properties: &[(&str, Value)]) -> Run {
    vm.run(&["stop"]).ok();
    vm.set(properties);
    vm.run(&["start"]).ok()
}

/// One whose dockerd runs on the containerd store, with a container; none where the engine has no such store.
fn on_containerd() -> Option<(Vm, String)> {
    let vm = Vm::with_engine();
    vm.set(&[("image_store", json!("containerd"))]);
    if !start_if_it_has(&vm, ImageStore::Containerd) {
        return None;
    }
    let id = start_container(&vm);
    Some((vm, id))
}

#[test]
fn the_store_that_a_data_root_has_stays_when_the_property_goes() {
    if !inside("the_store_that_a_data_root_has_stays_when_the_property_goes") {
        return;
    }
    let Some((vm, id)) = on_containerd() else {
        return;
    };
    assert_eq!(noted(&vm), "containerd\n");
    restart(&vm, &[]);
    assert_eq!(store(&vm), ImageStore::Containerd);
    assert_eq!(status(&vm, &id), "running");
    assert_eq!(unseen(&vm), Value::Null);

    // settings that are no good leave those that worked last, and the store with them
    restart(&vm, &[("daemon", json!({"no-such-setting": 1}))]);
    assert_eq!(vm.run(&["wait"]).code, 2);
    assert_eq!(store(&vm), ImageStore::Containerd);

    // a VM that was recreated, with a disk of a release that did not note it
    vm.run(&["stop"]).ok();
    std::fs::remove_dir_all(vm.paths().data_dir()).unwrap();
    std::fs::remove_file(vm.paths().image_store_note()).unwrap();
    vm.set(&[]);
    vm.run(&["start"]).ok();
    assert_eq!(store(&vm), ImageStore::Containerd);
    assert_eq!(status(&vm, &id), "running");
    assert_eq!(noted(&vm), "containerd\n");
    vm.run(&["stop"]).ok();
}

#[test]
fn an_update_to_a_release_that_keeps_the_store_leaves_containers_running() {
    if !inside("an_update_to_a_release_that_keeps_the_store_leaves_containers_running") {
        return;
    }
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let id = start_container(&vm);
    let before = started_at(&vm, &id);
    // a release that did not keep the store wrote none down
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["stop"]).ok();
    std::fs::remove_file(vm.paths().image_store_note()).unwrap();
    vm.run(&["start"]).ok();
    assert_eq!(started_at(&vm, &id), before);
    let dockerd = support::pid(&vm.paths().docker_pidfile());
    vm.run(&["start"]).ok();
    assert_eq!(support::pid(&vm.paths().docker_pidfile()), dockerd);
    vm.run(&["stop"]).ok();
}

#[test]
fn data_of_the_other_store_are_told_found_again_and_can_be_removed() {
    if !inside("data_of_the_other_store_are_told_found_again_and_can_be_removed") {
        return;
    }
    let Some((vm, id)) = on_containerd() else {
        return;
    };
    let start = restart(&vm, &[("image_store", json!("graphdriver"))]);
    let told = unseen(&vm);
    assert_eq!(
        [&told["image_store"], &told["containers"], &told["counted"]],
        [&json!("containerd"), &json!(1), &json!(true)]
    );
    assert!(told["bytes"].as_u64().unwrap() > 1 << 20, "{told}");
    for text in [start.stderr, vm.run(&["status"]).ok().stdout] {
        assert!(
            text.contains("to go back to it: `image_store: containerd`"),
            "{text}"
        );
    }
    let other = start_container(&vm);

    // the store that was used last is the one that is kept
    restart(&vm, &[]);
    assert_eq!(store(&vm), ImageStore::GraphDriver);
    assert_eq!(status(&vm, &other), "running");

    restart(&vm, &[("image_store", json!("containerd"))]);
    assert_eq!(status(&vm, &id), "running");
    let told = unseen(&vm);
    assert_eq!(told["image_store"], "graphdriver");

    remove_what_is_told(&vm, &told);
    assert_eq!(status(&vm, &id), "running");
    assert_eq!(unseen(&vm), Value::Null);

    restart(&vm, &[("image_store", json!("graphdriver"))]);
    let other = {
        load_image(&vm);
        let config = json!({"Image": "sleeper:1", "HostConfig": {"RestartPolicy": {"Name": "always"}}, "StopTimeout": 1});
        let other = vm.engine().create_container(Some("new"), config).unwrap();
        vm.engine().start_container(&other).unwrap();
        other
    };
    let told = unseen(&vm);
    remove_what_is_told(&vm, &told);
    assert_eq!(status(&vm, &other), "running");
    assert_eq!(unseen(&vm), Value::Null);
    vm.run(&["stop"]).ok();
}

/// What the status says to do, to be rid of the other store's data.
fn remove_what_is_told(vm: &Vm, told: &Value) {
    vm.run(&["stop"]).ok();
    for directory in told["directories"].as_array().unwrap() {
        std::fs::remove_dir_all(directory.as_str().unwrap()).unwrap();
    }
    vm.run(&["start"]).ok();
}

#[test]
fn storage_settings_without_effect_are_refused_before_anything_is_started() {
    if !inside("storage_settings_without_effect_are_refused_before_anything_is_started") {
        return;
    }
    let containerd = ("image_store", json!("containerd"));
    let graphdriver = ("image_store", json!("graphdriver"));
    let quota = ("storage_options", json!(["overlay2.size=10G"]));
    for (asked, other, named) in [
        (containerd.clone(), quota.clone(), "`storage_options`"),
        (
            containerd,
            ("storage_driver", json!("overlay2")),
            "`storage_driver`",
        ),
        (
            graphdriver,
            ("storage_driver", json!("overlayfs")),
            "`storage_driver`",
        ),
    ] {
        let vm = Vm::with_engine();
        vm.set(&[asked.clone(), other]);
        let refused = vm.run(&["pre-start"]);
        assert_eq!(refused.code, 2, "{refused:?}");
        for words in [named, "`image_store"] {
            assert!(refused.stderr.contains(words), "{words}: {refused:?}");
        }
    }
    // nobody asks for a store, and the engine takes one by itself
    let vm = Vm::with_engine();
    vm.run(&["start"]).ok();
    let taken = store(&vm);
    vm.run(&["stop"]).ok();
    let vm = Vm::with_engine();
    vm.set(&[quota]);
    let checked = vm.run(&["pre-start"]);
    let is_refused = checked.code == 2 && checked.stderr.contains("`storage_options`");
    assert_eq!(is_refused, taken == ImageStore::Containerd, "{checked:?}");
}

#[test]
fn storage_settings_without_effect_leave_what_runs_and_fail_the_deploy() {
    if !inside("storage_settings_without_effect_leave_what_runs_and_fail_the_deploy") {
        return;
    }
    let Some((vm, id)) = on_containerd() else {
        return;
    };
    let before = started_at(&vm, &id);
    for bad in [
        ("storage_options", json!(["overlay2.size=10G"])),
        ("storage_driver", json!("overlay2")),
    ] {
        vm.run(&["drain", "job_changed", "hash_changed"]).ok();
        vm.run(&["stop"]).ok();
        vm.set(std::slice::from_ref(&bad));
        vm.run(&["pre-start"]).ok();
        vm.run(&["start"]).ok();
        assert_eq!(started_at(&vm, &id), before, "{bad:?}");
        let wait = vm.run(&["wait"]);
        assert_eq!(wait.code, 2, "{wait:?}");
        for words in [
            bad.0,
            "which the data root has",
            "`image_store: graphdriver`",
        ] {
            assert!(wait.stderr.contains(words), "{words}: {wait:?}");
        }
    }
    vm.run(&["stop"]).ok();
}

/// The engine under test, with a dockerd that says another version of itself.
fn engine_that_says(version: &str, engine: &Path) {
    let real = std::env::var_os("CONTAINERS_TEST_ENGINE").unwrap();
    let real = std::fs::canonicalize(real).unwrap();
    std::fs::create_dir(engine).unwrap();
    for entry in std::fs::read_dir(&real).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "dockerd" {
            symlink(entry.path(), engine.join(entry.file_name())).unwrap();
        }
    }
    let text = format!(
        "[ \"$1\" != --version ] || {{ echo 'Docker version {version}, build 0123456'; exit; }}\nexec {}/dockerd \"$@\"",
        real.display()
    );
    script(&engine.join("dockerd"), &text);
}

#[test]
fn an_engine_without_the_store_of_the_data_root_is_not_started_on_it() {
    if !inside("an_engine_without_the_store_of_the_data_root_is_not_started_on_it") {
        return;
    }
    let Some((vm, id)) = on_containerd() else {
        return;
    };
    restart(&vm, &[]);
    vm.run(&["stop"]).ok();
    let older = vm.paths().root().join("older-engine");
    engine_that_says("20.10.24", &older);
    vm.change_engine(&older);
    for command in ["pre-start", "start", "wait"] {
        let refused = vm.run(&[command]);
        assert_eq!(refused.code, 2, "{refused:?}");
        for words in [
            "20.10.24",
            "containerd image store",
            "`image_store: graphdriver`",
        ] {
            assert!(refused.stderr.contains(words), "{words}: {refused:?}");
        }
    }
    assert!(!vm.paths().socket().exists() || vm.engine().info().is_err());

    let real = std::env::var_os("CONTAINERS_TEST_ENGINE").unwrap();
    vm.change_engine(Path::new(&real));
    vm.run(&["pre-start"]).ok();
    vm.run(&["start"]).ok();
    assert_eq!(status(&vm, &id), "running");
    vm.run(&["stop"]).ok();
}
