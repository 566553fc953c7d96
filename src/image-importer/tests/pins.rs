//! Images that recipes pin, `app:1@sha256:…`, with a real dockerd and either image store: the tag is one, the digests are many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::collections::BTreeSet;

use bosh_job::Paths;
use common::{Vm, on_each_store};
use docker_engine::Engine;
use image_archive::Reference;
use image_fixture::{Files, Packing, TestImage};
use serde_json::json;
use state_files::ImageLedger;

/// Puts an image under a pin of `app:1` on the VM, as a registry has it; the pin, and the path to list.
fn pinned(vm: &Vm, number: u8) -> (String, String) {
    let image = TestImage::small(number);
    let digest = Files::layout(&image, &["app:1"], Packing::Gzip, true).target();
    let pin = format!("app:1@{digest}");
    let path = format!("packages/app-{number}");
    vm.layout(&path, &Files::layout(&image, &[&pin], Packing::Gzip, true));
    (pin, path)
}

fn import(vm: &Vm, paths: &[&str], actions: &[&str]) {
    vm.list(paths);
    vm.import().assert(0, actions);
}

/// What the engine runs for a pin: what it finds under it, or what image-importer left for compose-runner.
fn resolved(engine: &Engine, vm: &Vm, pin: &str) -> Option<String> {
    let map = vm.image_map();
    let digested = pin.parse::<Reference>().unwrap().digested().unwrap();
    let digested = digested.to_string();
    let found = engine.inspect_image(&digested).unwrap();
    let name = match found {
        Some(found) => found.id,
        None => map.resolve(pin)?.to_owned(),
    };
    Some(engine.inspect_image(&name).unwrap()?.id)
}

/// The seed of the image that a container of this would be made of.
fn seed(engine: &Engine, id: &str) -> Vec<String> {
    let image = engine.inspect_image(id).unwrap().unwrap();
    let spec = json!({"Image": id, "Cmd": ["x"], "HostConfig": {"NetworkMode": "none"}});
    let container = engine.create_container(None, spec).unwrap();
    engine.remove_container(&container, true).unwrap();
    image.root_fs.layers
}

fn layers(number: u8) -> Vec<String> {
    TestImage::small(number).diff_ids()
}

#[test]
fn a_pin_that_moved_brings_the_new_image_and_the_old_one_goes_with_its_release() {
    on_each_store(|dockerd, vm| {
        let engine = dockerd.engine();
        let deployed = |removed: usize| {
            let mut ledger = ImageLedger::read(&Paths::new(vm.path("")));
            ledger.note_deploy(BTreeSet::new());
            ledger.keep();
            let done = image_removal::remove_old(&mut ledger, &engine).unwrap();
            assert_eq!((done.images, done.failed), (removed, 0));
        };
        let pins = [1, 2, 3].map(|number| pinned(vm, number));
        for (number, (pin, path)) in (1..).zip(&pins) {
            import(vm, &[path], &["loaded"]);
            let id = resolved(&engine, vm, pin).unwrap();
            assert_eq!(seed(&engine, &id), layers(number));
            assert_eq!(engine.inspect_image("app:1").unwrap().unwrap().id, id);
            import(vm, &[path], &["present"]);
            deployed(usize::from(number > 2));
        }
        assert_eq!(resolved(&engine, vm, &pins[0].0), None);
        assert_eq!(engine.images().unwrap().len(), 2);
        // back to what is still there
        import(vm, &[&pins[1].1], &["tagged"]);
        let id = resolved(&engine, vm, &pins[1].0).unwrap();
        assert_eq!(seed(&engine, &id), layers(2));
    });
}

#[test]
fn two_pins_of_one_tag_in_one_release_both_stand_for_their_images() {
    on_each_store(|dockerd, vm| {
        let engine = dockerd.engine();
        let pins = [1, 2].map(|number| pinned(vm, number));
        let paths = [pins[0].1.as_str(), pins[1].1.as_str()];
        import(vm, &paths, &["loaded", "loaded"]);
        for _ in 0..2 {
            for (number, (pin, _)) in (1..).zip(&pins) {
                let id = resolved(&engine, vm, pin).unwrap();
                assert_eq!(seed(&engine, &id), layers(number));
            }
            // of images with one name the last gets it
            let tagged = engine.inspect_image("app:1").unwrap().unwrap().id;
            assert_eq!(Some(tagged), resolved(&engine, vm, &pins[1].0));
            import(vm, &paths, &["present", "present"]);
        }
    });
}
