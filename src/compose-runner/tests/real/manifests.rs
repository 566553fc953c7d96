//! The example manifests whose images come from a registry: their recipes, unchanged, through every check and up. In place of
//! upstream's images there is one whose programs of the same names do nothing.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::{Value, json};

use crate::vm::Vm;

/// Programs of the recipes' commands, and those of their healthchecks.
const LASTING: [&str; 4] = [
    "bin/vault",
    "bin/anchore-manager",
    "shield/init/core",
    "shield/init/agent",
];
const CONTENT: [&str; 2] = ["bin/curl", "bin/pg_isready"];

fn properties(manifest: &Path) -> Value {
    let manifest: Value = serde_yaml::from_str(&fs::read_to_string(manifest).unwrap()).unwrap();
    manifest["instance_groups"][0]["jobs"][0]["properties"].clone()
}

/// Recipes of the manifests that name images of a registry, with the properties that go with them.
fn recipes() -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    let mut recipes: Vec<_> = files
        .filter(|file| file.path().is_file())
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            (name, properties(&file.path()))
        })
        .filter(|(_, properties)| !properties["recipe"].is_null())
        .filter(|(_, properties)| !properties.to_string().contains("fixture/"))
        .collect();
    recipes.sort_by(|(a, _), (b, _)| a.cmp(b));
    recipes
}

/// An image in which upstream's programs do nothing, under all the names.
fn provide_images<'a>(vm: &Vm, names: impl IntoIterator<Item = &'a str>) {
    let root = vm.root().join("image");
    fs::create_dir_all(root.join("shield/init")).unwrap();
    let lasting =
        LASTING.map(|program| (program, "trap 'exit 0' TERM; while :; do sleep 0.2; done"));
    let content = CONTENT.map(|program| (program, "exit 0"));
    for (program, line) in lasting.into_iter().chain(content) {
        let path = root.join(program);
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let archive = vm.root().join("upstream.tar");
    let tar = Command::new("tar")
        .args(["-C", root.to_str().unwrap(), "-cf"])
        .args([&archive, Path::new(".")])
        .status();
    assert!(tar.unwrap().success());
    let command = "CMD [\"/bin/vault\"]";
    let archive = archive.to_str().unwrap();
    vm.docker(&["import", "--change", command, archive, "upstream:1"]);
    for name in names {
        vm.docker(&["tag", "upstream:1", name]);
    }
}

#[test]
fn upstream_s_recipes_run_unchanged() {
    let vm = Vm::start();
    let recipes = recipes();
    let names: Vec<&str> = recipes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["anchore.yml", "nginx.yml", "shield.yml", "vault.yml"]
    );
    for (name, properties) in &recipes {
        let recipe = &properties["recipe"];
        let services = recipe["services"].as_object().unwrap();
        let images = services.values().map(|service| &service["image"]);
        provide_images(&vm, images.map(|image| image.as_str().unwrap()));
        let mut more = properties.clone();
        let map = more.as_object_mut().unwrap();
        map.remove("recipe");
        map.insert("start_timeout".to_owned(), json!(60));
        let verdict = vm.deploy(recipe, &more);
        assert_eq!(verdict["state"], "up", "{name}: {verdict:#}\n{}", vm.log());
        let reports = verdict["services"].as_array().unwrap();
        let up: Vec<_> = reports.iter().map(|report| &report["name"]).collect();
        assert_eq!(up.len(), services.len(), "{name}: {up:?}");
        for (service, wanted) in services {
            let container = vm.container(&format!("running-{service}-1"));
            assert_eq!(container.config.image, wanted["image"], "{name}");
        }
        let mut volumes = recipe["volumes"].as_object().into_iter().flatten();
        let listed = vm.docker(&["volume", "ls", "--quiet"]).stdout;
        let listed = String::from_utf8_lossy(&listed);
        assert!(
            volumes.all(|(volume, _)| listed.contains(&format!("running_{volume}"))),
            "{name}: {listed}"
        );
    }
}
