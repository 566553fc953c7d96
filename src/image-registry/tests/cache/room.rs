//! The cap: never passed, whatever is pulled.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::upstream::{Action, Upstream, mirror, noise, wait_for};

/// What all files below a directory take on the disk at the same time. What went while it was looked at is not counted: what
/// came in its place is.
fn taken(directory: &Path) -> u64 {
    let mut seen = Vec::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().map_while(Result::ok) {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => ahead.push(entry.path()),
                Ok(metadata) => seen.push((entry.path(), metadata.ino(), metadata.blocks() * 512)),
                Err(_) => {}
            }
        }
    }
    let is_there =
        |path: &Path, inode| std::fs::metadata(path).is_ok_and(|file| file.ino() == inode);
    let still = seen
        .iter()
        .filter(|(path, inode, _)| is_there(path, *inode));
    still.map(|(_, _, bytes)| bytes).sum()
}

#[test]
fn the_cap_is_never_passed_while_twenty_clients_pull_three_times_as_much() {
    let upstream = Upstream::start(|_| Action::Slow(60_000, Duration::from_millis(2)));
    let layers: Vec<Vec<u8>> = (0..30)
        .map(|seed| noise(100_000 + 7_000 * seed as usize, seed))
        .collect();
    let (_, digests) = upstream.image("a", "1", &layers);
    let max = 2_000_000;
    let registry = mirror(&upstream.url(), json!({"max_size": max}), json!({}));
    registry.get("/v2/docker.io/a/manifests/1").assert(200);
    let (most, samples, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let cache = registry.store("cache");
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                most.fetch_max(taken(&cache), Ordering::SeqCst);
                samples.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let clients: Vec<_> = (0..20)
            .map(|client| {
                let (registry, digests, layers) = (&registry, &digests, &layers);
                scope.spawn(move || {
                    for at in 0..30 {
                        let at = (at * 7 + client) % 30;
                        let blob = registry.get(&format!("/v2/docker.io/a/blobs/{}", digests[at]));
                        assert!(blob.assert(200).body == layers[at]);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = clients
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        is_over.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
        assert!(ended.iter().all(Result::is_ok));
    });
    let total: usize = layers.iter().map(Vec::len).sum();
    assert!(
        total > 3 * max && samples.load(Ordering::SeqCst) > 20,
        "{total}"
    );
    let most = most.load(Ordering::SeqCst);
    assert!(most <= max as u64 && most > max as u64 / 2, "{most}");
    assert!(registry.log().contains("made room"));
    registry.get("/v2/docker.io/a/manifests/1").assert(200);
}

#[test]
fn what_is_larger_than_the_cap_goes_past_it_and_pushed_images_stay() {
    let upstream = Upstream::serving();
    let (small, large) = (noise(50_000, 1), noise(3_000_000, 2));
    let (_, layers) = upstream.image("a", "1", &[small.clone(), large.clone()]);
    let registry = mirror(&upstream.url(), json!({"max_size": "1M"}), json!({}));
    let pushed = registry.push_blob("team/app", &noise(2_000_000, 3));
    registry.get("/v2/docker.io/a/manifests/1").assert(200);
    let get = |digest: &str| registry.get(&format!("/v2/docker.io/a/blobs/{digest}"));
    assert!(get(&layers[0]).assert(200).body == small);
    wait_for(&registry, &layers[0]);
    for times in 1..3 {
        assert!(get(&layers[1]).assert(200).body == large);
        assert_eq!(upstream.gets(&format!("/v2/a/blobs/{}", layers[1])), times);
    }
    assert!(get(&layers[0]).assert(200).body == small);
    assert_eq!(upstream.gets(&format!("/v2/a/blobs/{}", layers[0])), 1);
    assert!(taken(&registry.store("cache")) < 100_000);
    registry
        .get(&format!("/v2/team/app/blobs/{pushed}"))
        .assert(200);
}

#[test]
fn the_least_recently_used_blob_goes_first_also_after_a_start() {
    let upstream = Upstream::serving();
    let layers: Vec<Vec<u8>> = (0..4).map(|seed| noise(300_000, seed)).collect();
    let (_, digests) = upstream.image("a", "1", &layers);
    let mut registry = mirror(&upstream.url(), json!({"max_size": "1M"}), json!({}));
    registry.get("/v2/docker.io/a/manifests/1").assert(200);
    for (hours, digest) in [(2, &digests[0]), (3, &digests[1]), (1, &digests[2])] {
        registry
            .get(&format!("/v2/docker.io/a/blobs/{digest}"))
            .assert(200);
        let path = wait_for(&registry, digest);
        let ago = std::time::SystemTime::now() - Duration::from_hours(hours);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(ago).unwrap();
    }
    registry.die_and_start();
    registry
        .get(&format!("/v2/docker.io/a/blobs/{}", digests[3]))
        .assert(200);
    wait_for(&registry, &digests[3]);
    let file = |digest: &str| digest.replace("sha256:", "cache/blobs/sha256/");
    let held: Vec<bool> = digests
        .iter()
        .map(|digest| registry.store(&file(digest)).exists())
        .collect();
    assert_eq!(held, [true, false, true, true]);
}
