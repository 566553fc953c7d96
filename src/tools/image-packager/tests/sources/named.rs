//! Images that recipes and manifests name.

use image_fixture::Packing;
use registry_fixture::Registry;

use crate::common::{Place, Ran, image, push};

fn registry() -> Registry {
    let registry = Registry::start();
    for (seed, name) in [(1, "team/one:1"), (2, "team/two:2")] {
        push(&registry, &image(&[(seed, 1000)]), name, Packing::Gzip);
    }
    registry
}

#[test]
fn every_image_of_a_recipe_is_frozen() {
    let registry = registry();
    let place = Place::new();
    let recipe = place.file(
        "recipe.yml",
        "services:\n  a: {image: '${REGISTRY}/team/one:${ONE:-1}'}\n  b: {image: '${REGISTRY}/team/two:${TWO}'}\n  \
         c: {image: '${REGISTRY}/team/one'}\n  d: {build: .}\n"
            .replace("/team/one'}\n  d", "/team/one:1'}\n  d")
            .as_str(),
    );
    place.run(&["freeze", "--recipe", &recipe]).bad(
        2,
        &[
            "service `a`, image `${REGISTRY}/team/one:${ONE:-1}`: variable REGISTRY has no value",
            "service `d` has its image built",
        ],
    );
    let variables = place.file("variables", "TWO=2\nREGISTRY=wins.not\n");
    let mut command = place.command(&[
        "freeze",
        "--recipe",
        &recipe,
        "--env-file",
        &variables,
        "--skip-build",
        "--json",
    ]);
    let ran = Ran(command
        .env("REGISTRY", registry.address())
        .output()
        .unwrap())
    .good();
    let report: serde_json::Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(report["images"].as_array().unwrap().len(), 2, "{report:#}");
    assert!(
        report["passed_over"][0]
            .as_str()
            .unwrap()
            .ends_with("service `d`")
    );
    place.assert_whole();
}

#[test]
fn the_env_file_beside_the_recipe_counts() {
    let registry = registry();
    let place = Place::new();
    place.file(".env", &format!("REGISTRY={}\n", registry.address()));
    let recipe = place.file(
        "recipe.yml",
        "services: {a: {image: '${REGISTRY}/team/one:1'}}",
    );
    place.run(&["freeze", "--recipe", &recipe]).good();
}

#[test]
fn every_image_of_every_recipe_of_a_manifest_is_frozen() {
    let registry = registry();
    let place = Place::new();
    let manifest = place.file(
        "manifest.yml",
        "instance_groups:\n\
         - name: one\n  jobs:\n  - name: docker\n    properties:\n      variables: {TAG: 1}\n      recipe: |\n        services:\n          a: {image: '((registry))/team/one:${TAG}'}\n\
         - name: two\n  jobs:\n  - name: docker\n    properties:\n      recipe: {services: {b: {image: 'nothing:1'}}}\n",
    );
    let ops = place.file(
        "ops.yml",
        "- {type: replace, path: '/instance_groups/name=two/jobs/name=docker/properties/recipe/services/b/image', value: '((registry))/team/two:2'}\n",
    );
    place
        .run(&["freeze", "--manifest", &manifest, "-o", &ops])
        .bad(
            2,
            &[
                "instance group `one`: service `a`",
                "it has a BOSH variable without value; give it one with -v or -l",
            ],
        );
    let variables = place.file("vars.yml", &format!("registry: {}\n", registry.address()));
    place
        .run(&[
            "freeze",
            "--manifest",
            &manifest,
            "-o",
            &ops,
            "-l",
            &variables,
        ])
        .good();
    assert!(
        place.lock().contains("/team/one:1") && place.lock().contains("/team/two:2"),
        "{}",
        place.lock()
    );
    place.assert_whole();
}

#[test]
fn flags_that_belong_together_are_asked_for() {
    let place = Place::new();
    place.run(&["freeze"]).bad(2, &["REF"]);
    place.run(&["freeze", "--skip-build"]).bad(2, &["REF"]);
    place
        .run(&["freeze", "a", "--env-file", "x"])
        .bad(2, &["--recipe"]);
    place
        .run(&["freeze", "a", "-v", "x=1"])
        .bad(2, &["--manifest"]);
    place
        .run(&["freeze", "a", "b", "--as", "c"])
        .bad(2, &["--as is for a single image"]);
    place
        .run(&["freeze", "a", "b", "--name", "c"])
        .bad(2, &["one name was given for 2 images"]);
    place
        .run(&["freeze", "Bad"])
        .bad(2, &["must be lower case"]);
    place
        .run(&["freeze", "--recipe", "none.yml"])
        .bad(2, &["none.yml: it cannot be read"]);
    place
        .run(&["freeze", "--manifest", "none.yml"])
        .bad(2, &["none.yml"]);
}
