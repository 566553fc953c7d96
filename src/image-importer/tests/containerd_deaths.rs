//! The program against a real dockerd whose containerd is killed while images are imported.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Ended, Vm, on_each_store};
use docker_engine::ImageStore;
use engine_fixture::Dockerd;

/// Moments of an import, from its begin.
const MOMENTS: [u64; 3] = [20, 400, 2000];

/// The images that the end-to-end tests freeze: of some size, with gzip'd and with zstd layers, and as tarballs.
fn image_set(vm: &Vm) -> usize {
    let set = std::env::var_os("CONTAINERS_TEST_IMAGE_SET").map(PathBuf::from);
    let set =
        set.expect("CONTAINERS_TEST_IMAGE_SET: the directory that `ci/image-set DIR small` made");
    std::fs::create_dir_all(vm.path("packages")).unwrap();
    std::os::unix::fs::symlink(set.canonicalize().unwrap(), vm.path("packages/set")).unwrap();
    let lists = ["gzip", "archives/redis.tar", "archives/postgres.tar"];
    let lists = lists.map(|name| format!("packages/set/{name}"));
    vm.list(&lists.each_ref().map(String::as_str));
    let ended = vm.import();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.actions().len()
}

fn remove_images(dockerd: &Dockerd, vm: &Vm) {
    let deadline = Instant::now() + Duration::from_mins(2);
    assert!(dockerd.engine().wait_for_containerd(deadline, || false));
    for image in dockerd.engine().images().unwrap() {
        for name in image.repo_tags.iter().chain(&image.repo_digests) {
            dockerd.engine().remove_image(name).unwrap();
        }
        let _ = dockerd.engine().remove_image(&image.id);
    }
    assert!(dockerd.engine().images().unwrap().is_empty());
    // what is known of these images would have nothing sent
    let _ = std::fs::remove_dir_all(vm.path("data/docker/import"));
}

fn ids(dockerd: &Dockerd) -> Vec<String> {
    let images = dockerd.engine().images().unwrap();
    let mut ids: Vec<String> = images.into_iter().map(|image| image.id).collect();
    ids.sort();
    ids
}

#[test]
fn an_import_during_which_containerd_is_killed_is_repeated_until_all_images_are_there() {
    on_each_store(|dockerd, vm| {
        let count = image_set(vm);
        let complete = ids(dockerd);
        let mut interrupted = 0;
        for moment in MOMENTS {
            remove_images(dockerd, vm);
            let mut run = vm.begin(&["--json", "--wait", "5"]);
            let began = Instant::now();
            std::thread::sleep(Duration::from_millis(moment));
            let in_time = run.goes_on();
            dockerd.kill_containerd().expect("there is a containerd");
            let Ended {
                code,
                ref report,
                ref stderr,
            } = run.end();
            let took = began.elapsed();
            let what = format!("{:?} store, killed after {moment} ms", dockerd.store());
            println!("{what}, in the import: {in_time}; took {took:?}");
            assert_eq!(code, Some(0), "{what}: {stderr}");
            assert_eq!(report["images"].as_array().unwrap().len(), count, "{what}");
            assert!(took < Duration::from_mins(2), "{what}: {took:?}\n{stderr}");
            interrupted += usize::from(stderr.contains("import interrupted"));
            let deadline = Instant::now() + Duration::from_mins(2);
            assert!(dockerd.engine().wait_for_containerd(deadline, || false));
            assert_eq!(ids(dockerd), complete, "{what}");
            let again = vm.import();
            assert!(
                again.code == Some(0) && again.actions().iter().all(|one| *one == "present"),
                "{what}: {}",
                again.stderr
            );
        }
        // a graph driver needs no containerd
        assert!(
            interrupted > 0 || dockerd.store() == ImageStore::GraphDriver,
            "no import was interrupted"
        );
    });
}

fn start_timeout(vm: &Vm, seconds: u64) {
    let mut config = job_fixture::rendered();
    config["properties"]["start_timeout"] = seconds.into();
    vm.file(
        Path::new("jobs/docker/config/config.json")
            .to_str()
            .unwrap(),
        config.to_string().as_bytes(),
    );
}

#[test]
fn an_import_whose_containerd_keeps_dying_gives_up_within_its_time_and_says_why() {
    on_each_store(|dockerd, vm| {
        let count = image_set(vm);
        remove_images(dockerd, vm);
        start_timeout(vm, 12);
        let mut run = vm.begin(&["--json", "--wait", "5"]);
        let began = Instant::now();
        while run.goes_on() && began.elapsed() < Duration::from_mins(1) {
            let _ = dockerd.kill_containerd();
            std::thread::sleep(Duration::from_millis(20));
        }
        let took = began.elapsed();
        let ended = run.end();
        println!("{:?} store: took {took:?}", dockerd.store());
        assert!(took < Duration::from_secs(25), "{took:?}: {}", ended.stderr);
        if dockerd.store() == ImageStore::GraphDriver {
            // it needs no containerd
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            return;
        }
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        ended
            .says("import interrupted")
            .says("error: ")
            .says("containerd");
        assert!(
            ended.actions().contains(&"failed"),
            "{}: {}",
            ended.report,
            ended.stderr
        );
        // the same images are imported when it stays
        let deadline = Instant::now() + Duration::from_mins(2);
        assert!(dockerd.engine().wait_for_containerd(deadline, || false));
        start_timeout(vm, 120);
        let again = vm.import();
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        assert_eq!(again.actions().len(), count);
    });
}
