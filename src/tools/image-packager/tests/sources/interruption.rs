//! A freeze that somebody or something ends half-way.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use image_fixture::{Packing, TestImage};
use registry_fixture::{Registry, Request};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Place, image, push};
use crate::gate::Gate;

const LARGE: usize = 3 << 20;
const SMALL: usize = 2 << 20;

/// Begins to freeze an image of two layers; returns when the first is there and the second has come in part.
fn half_way(place: &Place, reference: &str) -> Child {
    let mut command = place.command(&["freeze", reference, "--jobs", "1"]);
    let child = command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while place.blobs().is_empty() || part(place) < 100_000 {
        assert!(Instant::now() < deadline, "the second layer does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Bytes of the layer that has come in part.
fn part(place: &Place) -> u64 {
    let parts = std::fs::read_dir(place.root().join(".image-packager/parts"));
    let sizes = parts
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
    sizes.max().unwrap_or_default()
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .unwrap();
    kill_process(pid, signal).unwrap();
}

/// The requests for large blobs, once there are so many of them: the registry logs one when it has answered it.
fn until_answered(registry: &Registry, count: usize) -> Vec<Request> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut requests = registry.requests();
        requests.retain(|request| request.path.contains("/blobs/") && request.bytes > 10_000);
        if requests.len() >= count {
            return requests;
        }
        assert!(Instant::now() < deadline, "{requests:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn packed(image: &TestImage, layer: usize) -> u64 {
    Packing::Gzip.pack(&image.layers[layer]).len() as u64
}

#[test]
fn what_has_come_is_not_fetched_again_after_an_interruption() {
    for (with, code) in [
        (Signal::INT, Some(130)),
        (Signal::TERM, Some(130)),
        (Signal::KILL, None),
    ] {
        let registry = Registry::start();
        let image = image(&[(1, LARGE), (2, SMALL)]);
        push(&registry, &image, "team/app:1", Packing::Gzip);
        let gate = Gate::new(registry.address(), (LARGE + SMALL / 2) as u64);
        let reference = format!("{}/team/app:1", gate.address());
        let place = Place::new();
        let before = place.tree();

        let mut child = half_way(&place, &reference);
        let asked = Instant::now();
        signal(&child, with);
        assert_eq!(child.wait().unwrap().code(), code);
        assert!(asked.elapsed() < Duration::from_secs(3), "it ends at once");
        assert_eq!(place.tree(), before, "the release is as it was");
        let kept = part(&place);
        assert!(kept >= 100_000, "what has come is kept: {kept}");

        gate.open();
        place.run(&["freeze", &reference]).good();
        place.assert_whole();
        let requests = until_answered(&registry, 3);
        let rest = requests
            .iter()
            .filter(|request| request.status == 206)
            .map(|request| request.bytes);
        assert_eq!(
            rest.sum::<u64>() + kept,
            packed(&image, 1),
            "only the rest is fetched: {requests:?}"
        );
        let of_the_first = requests.iter().filter(|request| {
            request.method == "GET"
                && request
                    .path
                    .ends_with(&image_fixture::hex(&Packing::Gzip.pack(&image.layers[0])))
        });
        assert_eq!(
            of_the_first.count(),
            1,
            "the finished layer is not asked for again"
        );
    }
}
