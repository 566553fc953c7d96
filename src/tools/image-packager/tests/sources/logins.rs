//! Logins of Docker, podman and skopeo.

use std::fs;

use image_fixture::{Files, Packing};
use registry_fixture::{Options, Registry};

use crate::common::{Place, Ran, image, push};

/// A registry with an account, and the entry of a file with logins for it.
fn registry() -> (Registry, String, String) {
    let registry = Registry::start_with(Options::default().account("anna", "hunter2"));
    let reference = push(&registry, &image(&[(1, 1000)]), "team/app:1", Packing::Gzip).reference;
    // `anna:hunter2`, as base64 with a line break in it.
    let entry = format!(
        r#"{{"auths":{{"{}":{{"auth":"YW5uYTpo\ndW50ZXIy"}}}}}}"#,
        registry.address()
    );
    (registry, reference, entry)
}

#[test]
fn the_logins_of_podman_and_skopeo_are_read() {
    let (_registry, reference, entry) = registry();
    for (directory, variable) in [
        ("run/containers", Some(("XDG_RUNTIME_DIR", "run"))),
        (".config/containers", None),
        ("c/containers", Some(("XDG_CONFIG_HOME", "c"))),
    ] {
        let place = Place::new();
        place
            .run(&["freeze", &reference])
            .bad(1, &["refused access"]);
        fs::create_dir_all(place.beside(directory)).unwrap();
        place.file(&format!("{directory}/auth.json"), &entry);
        // What Docker keeps beside it, without this registry.
        fs::create_dir(place.beside(".docker")).unwrap();
        place.file(".docker/config.json", "{}");
        let mut command = place.command(&["freeze", &reference]);
        if let Some((name, value)) = variable {
            command.env(name, place.beside(value));
        }
        Ran(command.output().unwrap()).good();
        // A file that somebody names must be there, and is the only one.
        place
            .run(&["freeze", &reference, "--authfile", "none.json"])
            .bad(2, &["there is no file none.json with logins"]);
        let other = place.file("other.json", "{}");
        place
            .run(&[
                "freeze",
                &reference,
                "--authfile",
                &other,
                "--recompress",
                "zstd",
            ])
            .bad(1, &["refused access"]);
    }
}

#[test]
fn a_login_that_cannot_be_read_harms_only_its_own_registry() {
    let (_registry, reference, entry) = registry();
    let place = Place::new();
    let layout = place.beside("layout");
    Files::layout(&image(&[(2, 1000)]), &["x/y:1"], Packing::Gzip, false).write(&layout);
    let from_layout = format!("oci:{}", layout.display());
    let freeze = |config: &str, image: &str| {
        let directory = place.beside("docker");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config.json"), config).unwrap();
        let mut command = place.command(&["freeze", image, "--dry-run"]);
        Ran(command.env("DOCKER_CONFIG", &directory).output().unwrap())
    };
    for config in [
        "",
        "null",
        r#"{"auths":null}"#,
        "{",
        r#"{"auths":{"x.example":{"auth":"?"}}}"#,
    ] {
        freeze(config, &from_layout).good();
    }
    let beside = entry.replace(
        r#"{"auths":{"#,
        r#"{"auths":{"x.example":{"auth":"?"},"y.example":null,"#,
    );
    freeze(&beside, &reference).good();
    freeze("{", &reference).bad(2, &["config.json is not usable: line 1"]);
    let own = entry.replace("YW5uYTpo", "###");
    freeze(&own, &reference).bad(2, &["`auth` is not base64"]);
}
