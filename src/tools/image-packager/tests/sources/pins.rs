//! Digests that are pinned beside tags, and moved, as Renovate does it with every update.

use image_fixture::Packing;
use registry_fixture::{Pushed, Registry};

use crate::common::{Place, image, push};

fn pushed(registry: &Registry, seed: u64) -> Pushed {
    push(
        registry,
        &image(&[(seed, 1000)]),
        "team/app:1",
        Packing::Gzip,
    )
}

fn pin(pushed: &Pushed) -> String {
    format!("{}@{}", pushed.reference, pushed.digest)
}

fn recipe(place: &Place, images: &[&str]) -> String {
    let services: Vec<String> = (images.iter().enumerate())
        .map(|(number, image)| format!("  s{number}: {{image: \"{image}\"}}"))
        .collect();
    place.file(
        "recipe.yml",
        &format!("services:\n{}\n", services.join("\n")),
    )
}

/// The images that are frozen, as they are called, and their packages.
fn frozen(place: &Place) -> Vec<(String, String)> {
    let of = |line: &str, key: &str| {
        let line = line.trim_start_matches("- ").trim();
        line.strip_prefix(key).map(|value| value.trim().to_owned())
    };
    let lock = place.lock();
    let references = lock.lines().filter_map(|line| of(line, "reference:"));
    let packages = lock.lines().filter_map(|line| of(line, "package:"));
    references.zip(packages).collect()
}

#[test]
fn a_pin_that_moved_takes_the_place_of_the_old_one_with_its_name() {
    let registry = Registry::start();
    let place = Place::new();
    let first = pushed(&registry, 1);
    let file = recipe(&place, &[&pin(&first)]);
    place
        .run(&["freeze", "--recipe", &file, "--name", "app"])
        .good();
    let second = pushed(&registry, 2);
    let file = recipe(&place, &[&pin(&second)]);
    let ran = place.run(&["freeze", "--recipe", &file]).good();
    assert!(
        ran.stdout().contains(&format!("removed {}", pin(&first))),
        "{}",
        ran.stdout()
    );
    assert_eq!(frozen(&place), [(pin(&second), "app".to_owned())]);
    place.assert_whole();
    // The tag alone is the same image to a recipe, too.
    let file = recipe(&place, &[&second.reference]);
    place.run(&["freeze", "--recipe", &file]).good();
    assert_eq!(
        frozen(&place),
        [(second.reference.clone(), "app".to_owned())]
    );
    place.assert_whole();
}

#[test]
fn a_tag_and_a_pin_of_the_same_image_are_one_image() {
    let registry = Registry::start();
    let place = Place::new();
    let app = pushed(&registry, 1);
    let file = recipe(&place, &[&app.reference, &pin(&app)]);
    for _ in 0..2 {
        place.run(&["freeze", "--recipe", &file]).good();
        let frozen = frozen(&place);
        assert_eq!(frozen.len(), 1, "{frozen:?}");
        assert_eq!(frozen[0].0, pin(&app));
        place.assert_whole();
    }
}

#[test]
fn several_images_of_one_tag_that_are_asked_for_at_once_are_all_there() {
    let registry = Registry::start();
    let place = Place::new();
    let (old, new) = (pushed(&registry, 1), pushed(&registry, 2));
    let file = recipe(&place, &[&pin(&old), &pin(&new)]);
    place.run(&["freeze", "--recipe", &file]).good();
    let before = frozen(&place);
    assert_eq!(before.len(), 2, "{before:?}");
    assert_ne!(before[0].1, before[1].1);
    place.run(&["freeze", "--recipe", &file]).good();
    assert_eq!(frozen(&place), before);
    place.assert_whole();
    // One of the two moves: the other stays.
    let newest = pushed(&registry, 3);
    let file = recipe(&place, &[&pin(&old), &pin(&newest)]);
    place.run(&["freeze", "--recipe", &file]).good();
    let mut now: Vec<String> = frozen(&place).into_iter().map(|(name, _)| name).collect();
    now.sort();
    let mut wanted = [pin(&old), pin(&newest)];
    wanted.sort();
    assert_eq!(now, wanted);
    place.assert_whole();
}
