//! The program against a real dockerd of its own, with either image store. `CONTAINERS_TEST_ENGINE` names the directory
//! of the dockerd; engines too old for the containerd image store are tested with the graph drivers' alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them"
)]

mod common;

use common::{STORES, Vm, on_each_store};
use docker_engine::{Engine, ImageStore};
use engine_fixture::Dockerd;
use image_fixture::{Files, Packing, TestImage};
use state_files::ImageMap;

/// The engine's ID of what a name stands for.
fn id_of(engine: &Engine, name: &str) -> Option<String> {
    engine.inspect_image(name).unwrap().map(|image| image.id)
}

/// A static busybox, if the machine has one; a container of it really runs.
fn busybox() -> Vec<u8> {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(std::path::PathBuf::from);
    let named = std::env::var_os("CONTAINERS_TEST_BUSYBOX").map(std::path::PathBuf::from);
    let found = named.into_iter().chain(places).find(|path| path.is_file());
    let found =
        found.expect("no busybox: install busybox-static, or name one in CONTAINERS_TEST_BUSYBOX");
    std::fs::read(found).unwrap()
}

#[test]
fn every_form_of_image_is_loaded_once_and_runs() {
    let binary = busybox();
    let image = |tag: &[u8]| TestImage::busybox(&binary).with_layer(&[("tag", tag)]);
    let (one, two) = (image(b"1"), image(b"2"));
    let old = Files::old_archive(&[(&one, &["a:1", "a:2"]), (&two, &["b:1"])]).tarball();
    let new = Packing::Gzip.pack(&Files::new_archive(&image(b"3"), &["c:1"]).tarball());
    let gzip = Files::layout(&image(b"4"), &["quay.example/d:1"], Packing::Gzip, true);
    let zstd = Files::layout(&image(b"5"), &["e:1"], Packing::Zstd, false);
    on_each_store(|dockerd, vm| {
        vm.file("packages/a/a.tar", &old);
        vm.file("packages/c/c.tgz", &new);
        vm.layout("packages/d/d", &gzip);
        vm.layout("packages/e/e", &zstd);
        vm.list(&[
            "packages/a/a.tar",
            "packages/c/c.tgz",
            "packages/d/d",
            "packages/e/e",
        ]);
        let first = vm.import();
        first
            .assert(0, &["loaded"; 5])
            .says("import finished loaded=5");
        let began = std::time::Instant::now();
        let second = vm.import();
        println!("second start, {:?}: {:?}", dockerd.store(), began.elapsed());
        second.assert(0, &["present"; 5]).says("loaded=0 present=5");
        let engine = dockerd.engine();
        for name in ["a:1", "a:2", "b:1", "c:1", "quay.example/d:1", "e:1"] {
            assert!(id_of(&engine, name).is_some(), "{name}");
            let container = engine
                .create_container(
                    None,
                    serde_json::json!({"Image": name, "HostConfig": {"NetworkMode": "none"}}),
                )
                .unwrap();
            engine.start_container(&container).unwrap();
            assert_eq!(
                engine
                    .inspect_container(&container)
                    .unwrap()
                    .state
                    .status
                    .word(),
                "running",
                "{name}"
            );
            engine.remove_container(&container, true).unwrap();
        }
        assert_eq!(second.report["bytes"], 0);
    });
}

#[test]
fn images_have_the_digests_that_their_names_say() {
    let image = TestImage::small(1);
    on_each_store(|dockerd, vm| {
        let target = Files::layout(&image, &["x:1"], Packing::Gzip, true).target();
        let by_digest = format!("x@{target}");
        let both = format!("y:1@{target}");
        vm.layout(
            "l",
            &Files::layout(&image, &[&by_digest, &both], Packing::Gzip, true),
        );
        vm.list(&["l"]);
        let ended = vm.import();
        ended.assert(0, &["loaded"]);
        let engine = dockerd.engine();
        let y = format!("y@{target}");
        match dockerd.store() {
            ImageStore::Containerd => {
                for name in [&by_digest, &y, "y:1", &target] {
                    assert_eq!(id_of(&engine, name).as_ref(), Some(&target), "{name}");
                }
                vm.import().assert(0, &["present"]);
            }
            ImageStore::GraphDriver => {
                assert_eq!(id_of(&engine, "y:1"), Some(image.config_digest()));
                assert_eq!(id_of(&engine, &by_digest), None);
                let unresolvable = &ended.report["images"][0]["unresolvable"];
                assert_eq!(*unresolvable, serde_json::json!([by_digest, y]));
                ended.says("recipes find these names by digest; docker does not");
                vm.import().assert(0, &["present"]);
            }
        }
    });
}

#[test]
fn a_tag_that_is_missing_or_elsewhere_is_set_without_loading() {
    let (image, other) = (TestImage::small(1), TestImage::small(2));
    on_each_store(|dockerd, vm| {
        vm.layout("l", &Files::layout(&image, &["x:1"], Packing::Gzip, false));
        vm.layout(
            "m",
            &Files::layout(&other, &["other:1"], Packing::Gzip, false),
        );
        vm.list(&["l", "m"]);
        vm.import().assert(0, &["loaded", "loaded"]);
        let engine = dockerd.engine();
        let before = id_of(&engine, "x:1").unwrap();
        // Somebody moved the tag to another image, and the image has another name.
        engine.tag(&before, "docker.io/library/kept", "1").unwrap();
        engine.tag("other:1", "docker.io/library/x", "1").unwrap();
        assert_ne!(id_of(&engine, "x:1").unwrap(), before);
        let ended = vm.import();
        ended.assert(0, &["tagged", "present"]).says("image tagged");
        assert_eq!(ended.report["bytes"], 0);
        assert_eq!(id_of(&engine, "x:1").unwrap(), before);
    });
}

#[test]
fn a_new_version_takes_over_the_tag() {
    let (old, new) = (TestImage::small(1), TestImage::small(2));
    on_each_store(|dockerd, vm| {
        vm.file("i.tar", &Files::old_archive(&[(&old, &["x:1"])]).tarball());
        vm.list(&["i.tar"]);
        vm.import().assert(0, &["loaded"]);
        let before = id_of(&dockerd.engine(), "x:1").unwrap();
        vm.file("i.tar", &Files::old_archive(&[(&new, &["x:1"])]).tarball());
        vm.import().assert(0, &["loaded"]);
        assert_ne!(id_of(&dockerd.engine(), "x:1").unwrap(), before);
        assert_eq!(
            id_of(&dockerd.engine(), &before).as_ref(),
            Some(&before),
            "the old image stays"
        );
    });
}

#[test]
fn of_two_images_with_one_name_the_last_gets_it() {
    let (first, last) = (TestImage::small(1), TestImage::small(2));
    on_each_store(|dockerd, vm| {
        let files = Files::layout(&last, &["x:1"], Packing::Gzip, false);
        vm.layout("a", &Files::layout(&first, &["x:1"], Packing::Gzip, false));
        vm.layout("b", &files);
        vm.list(&["a", "b"]);
        let expected = match dockerd.store() {
            ImageStore::GraphDriver => last.config_digest(),
            ImageStore::Containerd => files.target(),
        };
        for actions in [["loaded", "loaded"], ["present", "present"]] {
            vm.import()
                .assert(0, &actions)
                .says("several images are listed under this name");
            assert_eq!(id_of(&dockerd.engine(), "x:1").as_ref(), Some(&expected));
        }
    });
}

#[test]
fn an_image_that_is_listed_in_several_forms_is_imported() {
    let image = TestImage::small(1);
    let (layout, other) = (
        Files::layout(&image, &["x:1"], Packing::Gzip, false),
        Files::layout(&image, &["docker.io/library/x:1"], Packing::Zstd, false),
    );
    let archive = Files::old_archive(&[(&image, &["x:1"])]).tarball();
    on_each_store(|dockerd, vm| {
        vm.layout("a", &layout);
        vm.layout("b", &other);
        vm.file("c.tar", &archive);
        for order in [["a", "b", "c.tar"], ["c.tar", "b", "a"]] {
            vm.list(&order);
            for _ in 0..2 {
                let ended = vm.import();
                assert_eq!(ended.code, Some(0), "{order:?}: {}", ended.stderr);
            }
            assert!(id_of(&dockerd.engine(), "x:1").is_some(), "{order:?}");
        }
    });
}

#[test]
fn a_bad_image_leaves_the_engine_unchanged_and_does_not_stop_the_others() {
    let (good, bad) = (TestImage::small(1), TestImage::small(2));
    on_each_store(|dockerd, vm| {
        let mut files = Files::layout(&bad, &["bad:1"], Packing::Gzip, false);
        let layer = format!(
            "blobs/sha256/{}",
            image_fixture::hex(&Packing::Gzip.pack(&bad.layers[0]))
        );
        files.get_mut(&layer)[20] ^= 0x40;
        vm.layout("a", &files);
        vm.layout(
            "b",
            &Files::layout(&good, &["good:1"], Packing::Gzip, false),
        );
        vm.list(&["a", "b"]);
        vm.import()
            .assert(4, &["failed", "loaded"])
            .says("error: importing bad:1")
            .says(&layer)
            .says("hint: ");
        let engine = dockerd.engine();
        let names: Vec<String> = engine
            .images()
            .unwrap()
            .into_iter()
            .flat_map(|image| image.repo_tags)
            .collect();
        assert_eq!(names, ["good:1"]);
    });
}

#[test]
fn an_image_that_is_named_but_not_complete_is_loaded_again() {
    // Only the containerd store can have such: an archive without its layer is taken without a word.
    let image = TestImage::small(1);
    on_each_store(|dockerd, vm| {
        let files = Files::layout(&image, &["x:1"], Packing::Gzip, false);
        let mut broken = files.clone();
        broken.remove(&format!(
            "blobs/sha256/{}",
            image_fixture::hex(&Packing::Gzip.pack(&image.layers[0]))
        ));
        broken.push("manifest.json", b"[]");
        let _ = dockerd
            .engine()
            .load(std::io::Cursor::new(broken.tarball()));
        vm.layout("l", &files);
        vm.list(&["l"]);
        vm.import().assert(0, &["loaded"]);
        vm.import().assert(0, &["present"]);
        dockerd.engine().try_image("x:1").unwrap();
    });
}

#[test]
fn asking_whether_an_image_is_complete_leaves_nothing_behind() {
    let mut image = TestImage::small(1);
    image.settings = serde_json::json!({"Volumes": {"/data": {}}});
    on_each_store(|dockerd, vm| {
        vm.layout("l", &Files::layout(&image, &["x:1"], Packing::Gzip, false));
        vm.list(&["l"]);
        vm.import().assert(0, &["loaded"]);
        vm.import().assert(0, &["present"]);
        let engine = dockerd.engine();
        assert!(
            engine
                .containers(&docker_engine::Filters::all())
                .unwrap()
                .is_empty()
        );
        assert_eq!(dockerd.volumes(), Vec::<String>::new());
    });
}

#[test]
fn images_are_still_there_when_the_engine_comes_back() {
    let image = TestImage::small(1);
    for store in STORES {
        let mut dockerd = Dockerd::start(store);
        if dockerd.engine().info().unwrap().image_store() != store {
            continue;
        }
        let vm = Vm::new();
        vm.attach(&dockerd.socket());
        vm.layout("l", &Files::layout(&image, &["x:1"], Packing::Gzip, false));
        vm.list(&["l"]);
        vm.import().assert(0, &["loaded"]);
        dockerd.restart();
        vm.import().assert(0, &["present"]);
    }
}

/// A layer that no compression makes smaller.
fn noise(name: &str, seed: u64, bytes: usize) -> (String, Vec<u8>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let content = std::iter::repeat_with(|| random.u8(..)).take(bytes);
    (name.to_owned(), content.collect())
}

fn with_layers(layers: &[&(String, Vec<u8>)]) -> TestImage {
    layers.iter().fold(TestImage::empty(), |image, layer| {
        image.with_layer(&[(layer.0.as_str(), layer.1.as_slice())])
    })
}

/// Bytes of a layer as a layout stores it.
fn packed(packing: Packing, layer: &[u8]) -> u64 {
    packing.pack(layer).len() as u64
}

fn number(image: &serde_json::Value, name: &str) -> u64 {
    image[name].as_u64().unwrap()
}

#[test]
fn of_a_new_version_only_the_new_layer_is_sent() {
    let base = noise("base", 1, 3 << 20);
    let (old, new) = (noise("app", 2, 1 << 20), noise("app", 3, 1 << 20));
    for packing in [Packing::Gzip, Packing::Zstd] {
        on_each_store(|dockerd, vm| {
            let image = with_layers(&[&base, &old]);
            vm.layout("l", &Files::layout(&image, &["x:1"], packing, false));
            vm.list(&["l"]);
            vm.import().assert(0, &["loaded"]);
            // The release's next version has another layout in its place; the old one is gone.
            std::fs::remove_dir_all(vm.path("l")).unwrap();
            let image = with_layers(&[&base, &new]);
            vm.layout("l", &Files::layout(&image, &["x:2"], packing, false));
            let ended = vm.import();
            ended.assert(0, &["loaded"]);
            let report = &ended.report["images"][0];
            let sent = number(report, "bytes");
            let layer = packed(packing, &image.layers[1]);
            assert!(sent > 1 << 20 && sent < layer + (60 << 10), "{sent}");
            let layers = ["layers_sent", "layers_skipped"].map(|name| number(report, name));
            assert_eq!(layers, [1, 1]);
            dockerd.engine().try_image("x:2").unwrap();
        });
    }
}

#[test]
fn a_layer_that_images_share_is_sent_once_and_all_of_them_are_complete() {
    let base = noise("base", 1, 3 << 20);
    let tops: Vec<_> = (2..6).map(|seed| noise("app", seed, 300 << 10)).collect();
    on_each_store(|dockerd, vm| {
        let names: Vec<String> = (0..4).map(|number| format!("l{number}")).collect();
        let mut layers = packed(Packing::Gzip, &with_layers(&[&base]).layers[0]);
        for (name, top) in names.iter().zip(&tops) {
            let reference = format!("{name}:1");
            let image = with_layers(&[&base, top]);
            layers += packed(Packing::Gzip, &image.layers[1]);
            vm.layout(
                name,
                &Files::layout(&image, &[&reference], Packing::Gzip, true),
            );
        }
        vm.list(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let ended = vm.import();
        ended.assert(0, &["loaded"; 4]);
        let sent = number(&ended.report, "bytes");
        assert!(sent < layers + 4 * (30 << 10), "{sent}");
        for name in names {
            dockerd.engine().try_image(&format!("{name}:1")).unwrap();
        }
    });
}

#[test]
fn a_layer_that_the_engine_has_in_another_compression_is_sent_where_the_store_needs_it() {
    let (base, top) = (noise("base", 1, 300 << 10), noise("app", 2, 300 << 10));
    on_each_store(|dockerd, vm| {
        let image = with_layers(&[&base]);
        vm.layout("a", &Files::layout(&image, &["a:1"], Packing::Gzip, false));
        vm.list(&["a"]);
        vm.import().assert(0, &["loaded"]);
        let image = with_layers(&[&base, &top]);
        vm.layout("b", &Files::layout(&image, &["b:1"], Packing::Zstd, false));
        vm.list(&["a", "b"]);
        vm.import().assert(0, &["present", "loaded"]);
        vm.import().assert(0, &["present", "present"]);
        dockerd.engine().try_image("b:1").unwrap();
    });
}

#[test]
fn layers_may_lie_in_packages_of_their_own() {
    let image = with_layers(&[&noise("base", 1, 300 << 10), &noise("app", 2, 300 << 10)]);
    on_each_store(|dockerd, vm| {
        let mut files = Files::layout(&image, &["x:1"], Packing::Gzip, false);
        let mut packages = vec!["packages/x-image".to_owned()];
        for (number, layer) in image.layers.iter().enumerate() {
            let blob = format!(
                "blobs/sha256/{}",
                image_fixture::hex(&Packing::Gzip.pack(layer))
            );
            let mut lender = Files::default();
            lender.push("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
            lender.push("index.json", br#"{"schemaVersion":2,"manifests":[]}"#);
            lender.push(&blob, &files.remove(&blob));
            packages.push(format!("packages/layer-{number}"));
            vm.layout(&packages[number + 1], &lender);
        }
        vm.layout("packages/x-image", &files);
        vm.list(&packages.iter().map(String::as_str).collect::<Vec<_>>());
        vm.import().assert(0, &["loaded"]);
        let again = vm.import();
        again.assert(0, &["present"]);
        assert!(!again.stderr.contains("WARN"), "{}", again.stderr);
        dockerd.engine().try_image("x:1").unwrap();
    });
}

#[test]
fn a_compressed_tarball_is_read_through_once() {
    let (old, new) = (TestImage::small(1), TestImage::small(2));
    let tarball = |image| Packing::Gzip.pack(&Files::old_archive(&[(image, &["x:1"])]).tarball());
    on_each_store(|_, vm| {
        vm.file("x.tgz", &tarball(&old));
        vm.list(&["x.tgz"]);
        vm.import().assert(0, &["loaded"]);
        let index = std::fs::read_dir(vm.path("data/docker/import"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.file_name().unwrap().len() == 64 + ".json".len())
            .unwrap();
        let written = std::fs::metadata(&index).unwrap().modified().unwrap();
        vm.import().assert(0, &["present"]);
        let now = std::fs::metadata(&index).unwrap().modified().unwrap();
        assert_eq!(now, written, "the index was recreated");
        // Another tarball in its place, and an index that is damaged.
        vm.file("x.tgz", &tarball(&new));
        vm.import().assert(0, &["loaded"]);
        std::fs::write(&index, b"{\"stamp\":").unwrap();
        vm.import().assert(0, &["present"]);
    });
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_refused_and_no_name_moves() {
    let (good, other) = (TestImage::small(1), TestImage::small(2));
    on_each_store(|dockerd, vm| {
        vm.layout("l", &Files::layout(&good, &["x:1"], Packing::Gzip, false));
        vm.list(&["l"]);
        vm.import().assert(0, &["loaded"]);
        let before = id_of(&dockerd.engine(), "x:1");
        let mut lying = other.clone();
        lying.layers = vec![image_fixture::layer(&[("seed", b"what the config says")])];
        let mut files = Files::layout(&lying, &["x:1"], Packing::Gzip, false);
        let packed = |image: &TestImage| Packing::Gzip.pack(&image.layers[0]);
        files.exchange_layer(&packed(&lying), &packed(&other));
        vm.layout("m", &files);
        vm.list(&["m"]);
        let ended = vm.import();
        assert!(matches!(ended.code, Some(1 | 4)), "{}", ended.stderr);
        ended.says("diff").says("importing x:1");
        assert_eq!(id_of(&dockerd.engine(), "x:1"), before);
        vm.list(&["l"]);
        vm.import().assert(0, &["present"]);
    });
}

#[test]
fn a_name_by_the_digest_of_the_manifest_below_an_index_is_kept_too() {
    let image = TestImage::small(1);
    on_each_store(|dockerd, vm| {
        let below = Files::layout(&image, &["x:1"], Packing::Gzip, false).target();
        let name = format!("x@{below}");
        let files = Files::layout(&image, &["x:1", &name], Packing::Gzip, true);
        vm.layout("l", &files);
        vm.list(&["l"]);
        vm.import().assert(0, &["loaded"]);
        let again = vm.import();
        again.assert(0, &["present"]);
        assert_eq!(number(&again.report, "bytes"), 0);
        if dockerd.store() == ImageStore::Containerd {
            assert_eq!(id_of(&dockerd.engine(), &name), Some(below));
        }
    });
}

#[test]
fn names_by_digest_that_the_store_cannot_resolve_are_left_for_the_runner() {
    let image = TestImage::small(1);
    on_each_store(|dockerd, vm| {
        let target = Files::layout(&image, &["x:1"], Packing::Gzip, true).target();
        let name = format!("x:1@{target}");
        vm.layout("l", &Files::layout(&image, &[&name], Packing::Gzip, true));
        vm.list(&["l"]);
        vm.import().assert(0, &["loaded"]);
        let map = vm.image_map();
        match dockerd.store() {
            ImageStore::Containerd => assert_eq!(map, ImageMap::default()),
            ImageStore::GraphDriver => {
                let digest = map.resolve(&format!("x@{target}")).unwrap();
                assert_eq!(
                    id_of(&dockerd.engine(), digest),
                    id_of(&dockerd.engine(), "x:1")
                );
            }
        }
    });
}
