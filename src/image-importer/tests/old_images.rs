//! Images of releases gone by, with a real dockerd and either image store: what image-importer brought goes, what anybody
//! else has a hand in stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::{collections::BTreeSet, path::Path, process::Command};

use bosh_job::Paths;
use common::{Vm, on_each_store};
use docker_engine::{Engine, ImageStore};
use engine_fixture::Dockerd;
use image_fixture::{Files, Packing, TestImage};
use image_removal::Removed;
use serde_json::json;
use state_files::ImageLedger;

/// Bytes that no layer of these tests gets smaller by.
const LAYER: usize = 1 << 20;

/// An image whose first layer all share, and whose second is its own.
fn image(number: u8) -> TestImage {
    let noise = |seed: u8| {
        let mut random = fastrand::Rng::with_seed(seed.into());
        std::iter::repeat_with(|| random.u8(..))
            .take(LAYER)
            .collect::<Vec<_>>()
    };
    TestImage::small(1)
        .with_layer(&[("base", &noise(0))])
        .with_layer(&[("own", &noise(number))])
}

/// A healthy deploy of a release that lists these images, and what becomes of the old ones.
fn deploy(vm: &Vm, engine: &Engine, images: &[(u8, &str)]) -> Removed {
    import(vm, images);
    let mut ledger = ImageLedger::read(&paths(vm));
    ledger.note_deploy(BTreeSet::new());
    ledger.keep();
    image_removal::remove_old(&mut ledger, engine).unwrap()
}

fn import(vm: &Vm, images: &[(u8, &str)]) {
    let mut listed = Vec::new();
    for (number, name) in images {
        let directory = format!("packages/{number}-{}", name.replace(':', "-"));
        vm.layout(
            &directory,
            &Files::layout(&image(*number), &[name], Packing::Gzip, false),
        );
        listed.push(directory);
    }
    vm.list(&listed.iter().map(String::as_str).collect::<Vec<_>>());
    let ended = vm.import();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

fn paths(vm: &Vm) -> Paths {
    Paths::new(vm.path(""))
}

fn id_of(engine: &Engine, name: &str) -> Option<String> {
    engine.inspect_image(name).unwrap().map(|image| image.id)
}

/// `docker load`, of a form in which the engine knows the image by the same digest as from a release.
fn load_by_hand(dockerd: &Dockerd, number: u8, name: &str) {
    let files = match dockerd.store() {
        ImageStore::GraphDriver => Files::old_archive(&[(&image(number), &[name])]),
        // That store takes a name as it is written.
        ImageStore::Containerd => {
            let name = format!("docker.io/library/{name}");
            Files::layout(&image(number), &[&name], Packing::Gzip, false)
        }
    };
    let archive = std::io::Cursor::new(files.tarball());
    dockerd.engine().load(archive).unwrap();
}

fn make_container(engine: &Engine, image: &str) -> String {
    let config =
        json!({"Image": image, "Cmd": ["never-started"], "HostConfig": {"NetworkMode": "none"}});
    engine.create_container(None, config).unwrap()
}

/// Kilobytes of a dockerd's whole data root.
fn disk(dockerd: &Dockerd) -> u64 {
    let data = dockerd.socket().parent().map(Path::to_owned).unwrap();
    let output = Command::new("du")
        .args(["-s", "data"])
        .current_dir(data)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_disk_stays_flat_over_ten_releases_and_the_previous_images_stay() {
    on_each_store(|dockerd, vm| {
        let engine = dockerd.engine();
        let mut at_three = 0;
        for number in 1..=10 {
            // One name for each release, and one that moves from release to release.
            let (own, moving) = (format!("x:{number}"), number + 100);
            let removed = deploy(vm, &engine, &[(number, &own), (moving, "moves:latest")]);
            assert_eq!(removed.failed, 0);
            if number > 2 {
                assert_eq!(removed.images, 2, "{number}");
                // engines before 23.0 tell the size of their images only together with that of all volumes
                let old = engine.version().unwrap().version.starts_with("20.");
                match removed.bytes {
                    Some(bytes) => assert!(bytes >= 2 * LAYER as u64, "{removed:?}"),
                    None => assert!(old, "{removed:?}"),
                }
                assert_eq!(engine.images().unwrap().len(), 4, "{number}");
                assert!(id_of(&engine, &format!("x:{}", number - 1)).is_some());
                assert!(id_of(&engine, &format!("x:{}", number - 2)).is_none());
            }
            if number == 3 {
                at_three = disk(dockerd);
            }
        }
        let at_ten = disk(dockerd);
        assert!(
            at_ten <= at_three + 512,
            "{:?}: {at_three} kB after three releases, {at_ten} kB after ten",
            dockerd.store()
        );
        // An image that was removed is brought again, on layers that the others held.
        deploy(vm, &engine, &[(1, "x:1"), (10, "x:10")]);
        let container = make_container(&engine, "x:1");
        engine.remove_container(&container, true).unwrap();
        vm.import().assert(0, &["present", "present"]);
    });
}

#[test]
fn what_somebody_else_has_a_hand_in_stays() {
    on_each_store(|dockerd, vm| {
        let engine = dockerd.engine();
        let by_hand = |number, name| load_by_hand(dockerd, number, name);
        by_hand(1, "by-hand:1");
        by_hand(2, "listed-later:1");
        // Loaded by hand, and given another name by a release.
        by_hand(3, "named:1");
        // Loaded by hand, and then without a name.
        by_hand(4, "dangling:1");
        by_hand(5, "dangling:1");
        let dangling = engine.images().unwrap().len();
        deploy(
            vm,
            &engine,
            &[
                (2, "listed-later:1"),
                (6, "tagged:1"),
                (7, "used:1"),
                (8, "plain:1"),
            ],
        );
        let named = id_of(&engine, "named:1").unwrap();
        engine
            .tag("tagged:1", "docker.io/library/mine", "1")
            .unwrap();
        let used = id_of(&engine, "used:1").unwrap();
        let stopped = make_container(&engine, "used:1");
        deploy(vm, &engine, &[(9, "y:1")]);
        let removed = deploy(vm, &engine, &[(10, "y:2")]);
        assert_eq!(
            (removed.images, removed.failed),
            (2, 0),
            "plain:1 and the name tagged:1"
        );
        for gone in ["plain:1", "tagged:1"] {
            assert_eq!(id_of(&engine, gone), None, "{gone}");
        }
        for stays in [
            "by-hand:1",
            "listed-later:1",
            "named:1",
            "dangling:1",
            "mine:1",
            "used:1",
        ] {
            assert!(id_of(&engine, stays).is_some(), "{stays}");
        }
        assert_eq!(id_of(&engine, "named:1"), Some(named));
        // Earlier ones, what is used, what is tagged, and two of `y`.
        assert_eq!(engine.images().unwrap().len(), dangling + 4);

        engine.remove_container(&stopped, true).unwrap();
        let removed = deploy(vm, &engine, &[(10, "y:2")]);
        assert_eq!(
            (removed.images, removed.failed),
            (1, 0),
            "nothing uses it any more"
        );
        assert_eq!(id_of(&engine, &used), None);
    });
}

#[test]
fn a_failed_import_is_not_taken_for_a_brought_image() {
    on_each_store(|dockerd, vm| {
        let engine = dockerd.engine();
        let mut files = Files::layout(&image(1), &["x:1"], Packing::Gzip, false);
        let layer = Packing::Gzip.pack(&image(1).layers[2]);
        files.get_mut(&format!("blobs/sha256/{}", image_fixture::hex(&layer)))[40] ^= 1;
        vm.layout("packages/bad", &files);
        vm.list(&["packages/bad"]);
        assert_eq!(vm.import().code, Some(4));
        // The operator helps himself.
        load_by_hand(dockerd, 1, "x:1");
        deploy(vm, &engine, &[(2, "y:2")]);
        deploy(vm, &engine, &[(3, "y:3")]);
        deploy(vm, &engine, &[(4, "y:4")]);
        assert!(id_of(&engine, "x:1").is_some() && id_of(&engine, "y:2").is_none());
    });
}
