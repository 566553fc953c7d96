//! `outdated` and `update`.

use image_fixture::{Files, Packing, TestImage};
use registry_fixture::{Pushed, Registry};

use crate::common::{Place, image, push};

const BASE: (u64, usize) = (1, 300_000);

fn version(registry: &Registry, seed: u64) -> Pushed {
    push(
        registry,
        &image(&[BASE, (seed, 50_000)]),
        "team/app:1",
        Packing::Gzip,
    )
}

#[test]
fn outdated_says_what_moved_and_changes_nothing() {
    let registry = Registry::start();
    let first = version(&registry, 2);
    let other = push(&registry, &image(&[(9, 100)]), "team/same:1", Packing::Gzip);
    let by_digest = format!("{}/team/app@{}", registry.address(), first.digest);
    let place = Place::new();
    Files::layout(&TestImage::small(7), &["local/app:1"], Packing::Gzip, false)
        .write(&place.beside("layout"));
    let local = format!("oci:{}", place.beside("layout").display());
    place
        .run(&[
            "freeze",
            &first.reference,
            &other.reference,
            &by_digest,
            &local,
        ])
        .good();
    let tree = place.tree();
    let current = place.run(&["outdated"]).good();
    assert!(
        !current.stdout().contains("outdated"),
        "{}",
        current.stdout()
    );

    let second = version(&registry, 3);
    let ran = place.run(&["outdated"]).good();
    let says = format!(
        "outdated  {}: {} is frozen, the registry has {}",
        first.reference, first.digest, second.digest
    );
    assert!(ran.stdout().contains(&says), "{}", ran.stdout());
    let report = place.json(&["outdated"]);
    let states: Vec<_> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["state"].as_str().unwrap())
        .collect();
    for state in ["outdated", "current", "pinned", "elsewhere"] {
        assert!(states.contains(&state), "{report:#}");
    }
    assert_eq!(place.tree(), tree, "nothing is changed");

    registry.delete_manifest("team/same", &other.digest);
    let gone = place.run(&["outdated", &other.reference]).good();
    assert!(gone.stdout().contains("gone "), "{}", gone.stdout());
    place
        .run(&["outdated", "none:1"])
        .bad(1, &["none:1 is not frozen"]);
}

#[test]
fn update_takes_the_new_digest_and_fetches_only_what_is_new() {
    let registry = Registry::start();
    let first = version(&registry, 2);
    let place = Place::new();
    place.run(&["freeze", &first.reference]).good();
    let blobs = place.blobs();
    let second = version(&registry, 3);
    let dry = place.json(&["update", "--dry-run"]);
    assert_eq!(dry["fetched"]["layers"], 1, "{dry:#}");
    assert!(place.lock().contains(&first.digest));

    let report = place.json(&["update", &first.reference]);
    assert_eq!(
        report["fetched"]["layers"], 1,
        "the base is there: {report:#}"
    );
    assert!(place.lock().contains(&second.digest) && !place.lock().contains(&first.digest));
    let shared = place
        .blobs()
        .iter()
        .filter(|blob| blobs.contains(blob))
        .count();
    assert_eq!(
        (place.blobs().len(), shared),
        (2, 1),
        "the old layer is gone, the base stays"
    );
    place.assert_whole();
    let again = place.run(&["update"]).good();
    assert!(
        again.stdout().contains("the release is as it was"),
        "{}",
        again.stdout()
    );
}

#[test]
fn update_leaves_what_did_not_come_from_a_registry() {
    let place = Place::new();
    Files::layout(&TestImage::small(7), &["local/app:1"], Packing::Gzip, false)
        .write(&place.beside("layout"));
    place
        .run(&[
            "freeze",
            &format!("oci:{}", place.beside("layout").display()),
        ])
        .good();
    let ran = place.run(&["update"]).good();
    assert!(
        ran.stderr()
            .contains("left as it is: local/app:1 came from oci:layout"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn update_recompresses_what_was_recompressed() {
    let registry = Registry::start();
    let first = version(&registry, 2);
    let place = Place::new();
    place
        .run(&["freeze", &first.reference, "--recompress", "zstd"])
        .good();
    let current = place.run(&["outdated"]).good();
    assert!(current.stdout().contains("current"), "{}", current.stdout());
    let second = version(&registry, 3);
    let report = place.json(&["update"]);
    assert_eq!(
        report["fetched"]["layers"], 1,
        "the base is there as zstd: {report:#}"
    );
    assert!(
        place
            .lock()
            .contains(&format!("recompressed to zstd from {}", second.digest)),
        "{}",
        place.lock()
    );
    assert!(!place.lock().contains("tar+gzip"));
    place.assert_whole();
}
