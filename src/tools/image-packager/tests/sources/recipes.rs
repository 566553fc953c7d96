//! What recipes of all kinds name, frozen.

use image_fixture::Packing;
use registry_fixture::Registry;

use crate::common::{Place, image, push};

fn registry(names: &[&str]) -> Registry {
    let registry = Registry::start();
    for (seed, name) in (1..).zip(names) {
        push(&registry, &image(&[(seed, 1000)]), name, Packing::Gzip);
    }
    registry
}

/// The frozen images without their registry, in the order of the lock.
fn frozen(place: &Place, registry: &Registry) -> Vec<String> {
    let lock = place.lock();
    let prefix = format!("- reference: {}/", registry.address());
    let lines = lock.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_images_of_every_document_of_hooks_and_of_volumes_are_frozen() {
    let registry = registry(&["a:1", "b:2", "files:1", "init:1"]);
    let place = Place::new();
    let text = r"
services:
  a:
    image: R/a:1
    volumes: [{type: image, source: 'R/files:1', target: /f}]
---
services:
  b: {image: 'R/none:1'}
---
services:
  b:
    image: R/b:2
    pre_start: [{image: 'R/init:1', command: [x]}]
  db: {provider: {type: cloud}}
models: {llm: {model: ai/x}}
"
    .replace("R/", &format!("{}/", registry.address()));
    let recipe = place.file("recipe.yml", &text);
    let report = place.json(&["freeze", "--recipe", &recipe]);
    assert_eq!(
        frozen(&place, &registry),
        ["a:1", "b:2", "files:1", "init:1"]
    );
    let passed_over: Vec<_> = report["passed_over"].as_array().unwrap().iter().collect();
    assert_eq!(passed_over.len(), 2, "{report:#}");
    assert!(
        passed_over[0]
            .as_str()
            .unwrap()
            .ends_with("recipe.yml, service `db`")
    );
    assert!(
        passed_over[1]
            .as_str()
            .unwrap()
            .ends_with("recipe.yml, model `llm`")
    );
    let said = place.run(&["freeze", "--recipe", &recipe]).good().stderr();
    assert!(
        said.contains("passed over, since a provider runs it, and no container: "),
        "{said}"
    );
    place.assert_whole();

    let broken = place.file("broken.yml", &format!("{text}---\n"));
    place.run(&["freeze", "--recipe", &broken]).bad(
        2,
        &["its YAML document 4 is empty, and Compose takes only maps"],
    );
}

#[test]
fn the_file_of_variables_needs_only_what_an_images_name_needs() {
    let registry = registry(&["a:1"]);
    let place = Place::new();
    let named = format!(
        "services: {{a: {{image: '{}/a:${{TAG}}'}}}}",
        registry.address()
    );
    let plain = format!("services: {{a: {{image: '{}/a:1'}}}}", registry.address());
    let (named, plain) = (
        place.file("named.yml", &named),
        place.file("plain.yml", &plain),
    );
    for text in [
        "TAG=1\nPASSWORD=pass$m3a\n",
        "TAG=1\nPASSWORD=pass$\n",
        "TAG=1\nPASSWORD=a$1b\n",
        "TAG=1\nX=$(date)\n",
        "TAG=1\nX=${A\n",
        "TAG: 1\n",
        "X=${NO:?needed}\nTAG=1\n",
    ] {
        place.file(".env", text);
        place
            .run(&["freeze", "--dry-run", "--recipe", &named])
            .good();
    }
    for (text, says) in [
        ("TAG=1$NO\n", ".env, line 1: variable NO has no value"),
        (
            "A B=hunter2\nTAG=1\n",
            ".env, where line 1 is not NAME=VALUE",
        ),
        (
            "TAG='1\n",
            ".env, where line 1 has a quotation mark that is not closed",
        ),
    ] {
        place.file(".env", text);
        let said = place
            .run(&["freeze", "--dry-run", "--recipe", &named])
            .bad(2, &["variable TAG has no ", says]);
        assert!(!said.stderr().contains("hunter2"));
        place
            .run(&["freeze", "--dry-run", "--recipe", &plain])
            .good();
    }
}

#[test]
fn of_two_images_with_one_name_the_second_fails_and_its_hint_can_be_followed() {
    let registry = registry(&["team/app:1", "team-app:1", "other:1"]);
    let place = Place::new();
    let text = "services: {a: {image: 'R/team/app:1'}, b: {image: 'R/team-app:1'}, c: {image: 'R/other:1'}}";
    let recipe = place.file(
        "recipe.yml",
        &text.replace("R/", &format!("{}/", registry.address())),
    );
    let second = format!("{}/team-app:1", registry.address());
    let before = place.tree();
    let freeze = ["freeze", "--recipe", &recipe];
    let says = [
        "1 image was not frozen; the release is as it was",
        second.as_str(),
        "is the name of those of",
        "freeze this image by itself with another name, `--name NAME`",
    ];
    place.run(&freeze).bad(2, &says);
    assert_eq!(place.tree(), before);
    let keep_going = ["freeze", "--recipe", &recipe, "--keep-going"];
    place
        .run(&keep_going)
        .bad(2, &["the other images are in the release", &second]);
    assert_eq!(frozen(&place, &registry), ["other:1", "team/app:1"]);
    place.assert_whole();

    place
        .run(&["freeze", &second, "--name", "second-app-image"])
        .good();
    place.run(&freeze).good();
    assert_eq!(
        frozen(&place, &registry),
        ["other:1", "team-app:1", "team/app:1"]
    );
    place.assert_whole();

    // In whatever order they are asked for, the name stays with the one that has it.
    let place = Place::new();
    place.run(&["freeze", &second]).good();
    let report = place.json(&keep_going);
    assert_eq!(report["failed"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(frozen(&place, &registry), ["other:1", "team-app:1"]);
    place.assert_whole();
}
