//! Pushes that are refused, or fail on the way: nothing half there is left.

use image_fixture::Packing;
use registry_fixture::Registry;
use serde_json::{Value, json};

use crate::common::{Place, image, push};
use crate::counting::Counting;
use crate::pushing::{changes, frozen, pulled, tagged};

#[test]
fn what_is_wrong_with_destinations_is_told_before_anything_is_sent() {
    let (place, source, reference, digest) = frozen();
    let registry = Registry::start();
    let to = registry.address();
    for (arguments, says) in [
        (vec![reference.clone()], "nothing says where"),
        (
            vec![format!("{reference}=team/app:1")],
            "does not begin with a registry",
        ),
        (
            vec![format!("{reference}=https://{to}/x")],
            "--insecure takes a registry over plain HTTP",
        ),
        (
            vec![
                format!("{reference}={to}/a:1"),
                format!("{reference}={to}/a:1"),
            ],
            "would both be",
        ),
        (
            vec!["docker-daemon:x:1".into(), "--to".into(), to.into()],
            "can be pushed",
        ),
    ] {
        let arguments: Vec<&str> = std::iter::once("push")
            .chain(arguments.iter().map(String::as_str))
            .collect();
        place.run(&arguments).bad(2, &[says]);
    }
    let other = format!("sha256:{}", "0".repeat(64));
    let empty = Place::new();
    let ran = empty.run(&["push", "--to", to]);
    ran.bad(1, &["the release has no frozen images"]);
    let ran = place.run(&["push", &format!("{reference}={to}/a:1@{other}")]);
    ran.bad(4, &[&digest, &other, "nothing was sent"]);
    place
        .run(&["push", "none:1", "--to", to])
        .bad(1, &["none:1 is not frozen in"]);
    assert_eq!(changes(&registry), [""; 0]);
    drop(source);
    place
        .run(&["push", &format!("{reference}={to}/a:1@{digest}")])
        .good();
}

#[test]
fn a_damaged_layer_is_not_sent_and_stops_no_other_image() {
    let (place, source, _, _) = frozen();
    let good = push(&source, &image(&[(7, 500)]), "team/good:1", Packing::Gzip);
    place.run(&["freeze", &good.reference]).good();
    let large = |path: &&std::path::PathBuf| std::fs::metadata(path).unwrap().len() > 1_000_000;
    let blob = place.blobs().iter().find(large).cloned().unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let registry = Registry::start();
    let ran = place.run(&["push", "--to", registry.address(), "--json"]);
    let said: Value = serde_json::from_slice(&ran.0.stdout).unwrap();
    assert_eq!(
        said["images"][0]["reference"],
        json!(good.reference),
        "{said}"
    );
    assert_eq!(said["failed"].as_array().unwrap().len(), 1);
    ran.bad(
        4,
        &[
            "1 image was not pushed",
            "has digest sha256:",
            "freeze the image again",
        ],
    );
    assert_eq!(tagged(&format!("{}/team/app:1", registry.address())), None);
}

#[test]
fn a_cut_connection_costs_no_more_than_a_chunk_and_no_tag_is_left_when_all_are_cut() {
    let (place, _source, reference, expected) = frozen();
    let registry = Registry::start();
    let there = format!("{}/app:1", registry.address());
    let wire = Counting::cutting(registry.address(), 700_000, 2);
    place
        .run(&["push", &format!("{reference}={}/app:1", wire.address())])
        .good();
    assert_eq!(pulled(&place, &there, &[]), expected);

    let wire = Counting::cutting(registry.address(), 700_000, usize::MAX);
    let ran = place.run(&["push", &format!("{reference}={}/other:1", wire.address())]);
    ran.bad(
        1,
        &["pushing blob sha256:", "what has arrived is not sent again"],
    );
    assert_eq!(tagged(&format!("{}/other:1", registry.address())), None);
}
