//! The program as people run it: what it prints, what it writes, and its exit codes.

use std::fs;
use std::process::Command;
use std::time::Instant;

use image_fixture::{Packing, TestImage};
use image_packager::release::{Access, Release, next_steps};
use serde_json::Value;

use crate::common::{Fetched, Place, fetched, run_in, stderr, stdout};

pub fn small(name: &str) -> Fetched {
    let image = TestImage::empty().with_layer(&[("name", name.as_bytes())]);
    fetched(&image, name, Packing::Gzip, true)
}

#[test]
fn new_makes_a_release_with_a_first_commit() {
    let place = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_image-packager"))
        .args(["new", "offline"])
        .current_dir(place.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_COMMITTER_NAME", "a")])
        .envs([
            ("GIT_AUTHOR_EMAIL", "a@b.example"),
            ("GIT_COMMITTER_EMAIL", "a@b.example"),
        ])
        .output()
        .unwrap();
    assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
    let root = place.path().join("offline");
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&root)
            .output()
            .unwrap();
        stdout(&output)
    };
    assert_eq!(git(&["rev-list", "--count", "main"]), "1\n");
    assert_eq!(git(&["status", "--porcelain"]), "");
    let example = fs::read_to_string(root.join("manifests/example.yml")).unwrap();
    let manifest: Value = serde_yaml::from_str(&example).unwrap();
    let jobs = manifest["instance_groups"][0]["jobs"].as_array().unwrap();
    assert_eq!(jobs[0]["release"], "containers");
    assert_eq!(jobs[1]["release"], "offline");
    assert_eq!(run_in(&root, &["verify"]).status.code(), Some(0));
}

#[test]
fn new_without_an_identity_says_so_and_makes_no_commit() {
    let place = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_image-packager"))
        .args(["new", "offline"])
        .current_dir(place.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("HOME", place.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    assert!(
        stderr(&made).contains("no first commit"),
        "{}",
        stderr(&made)
    );
    assert!(place.path().join("offline/.git").is_dir());
}

#[test]
fn new_refuses_what_is_there_and_names_that_are_none() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("empty")).unwrap();
    assert!(run_in(place.path(), &["new", "empty"]).status.success());
    let again = run_in(place.path(), &["new", "empty"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists already"));
    for name in ["../x", "a b", "", "1.0"] {
        assert_eq!(
            run_in(place.path(), &["new", name]).status.code(),
            Some(2),
            "{name}"
        );
    }
    let dry = run_in(place.path(), &["new", "dry", "--dry-run", "--json"]);
    let told: Value = serde_json::from_str(&stdout(&dry)).unwrap();
    assert!(told["files"].as_array().unwrap().len() > 5);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn list_shows_a_table_or_json() {
    let place = Place::new();
    place.put(&[&small("redis:7"), &small("quay.io/a/b:1")], None);
    let table = stdout(&place.run(&["list"]));
    assert!(table.starts_with("Image"), "{table}");
    assert!(
        table.contains("redis:7") && table.contains("quay.io-a-b-1-image"),
        "{table}"
    );
    let directory = place.root().join("config");
    let output = run_in(&directory, &["list", "--json"]);
    let listed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(listed["images"][0]["reference"], "redis:7");
    assert_eq!(listed["images"][0]["layout"], "split");
    assert!(listed["images"][0]["size"].as_u64().unwrap() > 0);
}

#[test]
fn remove_says_what_went_and_knows_what_is_not_there() {
    let place = Place::new();
    place.put(&[&small("redis:7"), &small("app:1")], None);
    let before = place.tree();
    let dry = place.run(&["remove", "redis:7", "--dry-run"]);
    assert!(
        stdout(&dry).contains("- package redis-7-image"),
        "{}",
        stdout(&dry)
    );
    assert_eq!(place.tree(), before);
    let unknown = place.run(&["remove", "redis:7", "redis:8"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("redis:8 is not frozen"));
    assert_eq!(place.tree(), before);
    let removed = place.run(&["remove", "docker.io/library/redis:7", "--json"]);
    let told: Value = serde_json::from_str(&stdout(&removed)).unwrap();
    assert_eq!(told["images"][0]["change"], "removed");
    assert_eq!(place.open().lock().images().len(), 1);
}

#[test]
fn a_second_writer_is_told_to_wait_and_readers_are_not() {
    let place = Place::new();
    place.put(&[&small("redis:7")], None);
    let _writer = place.open();
    let output = place.run(&["remove", "redis:7"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another image-packager is at work"));
    assert!(place.run(&["list"]).status.success());
}

#[test]
fn a_writer_that_is_killed_leaves_the_release_as_it_was_or_as_it_should_be() {
    let place = Place::new();
    place.put(&[&small("app:1")], None);
    let without = place.tree();
    let redis = small("redis:7");
    place.put(&[&redis], None);
    let began = Instant::now();
    assert!(place.run(&["remove", "redis:7"]).status.success());
    let whole = began.elapsed();
    let mut seen = [false, false];
    for round in 0..40 {
        place.put(&[&redis], None);
        let with = place.tree();
        let mut child = Command::new(env!("CARGO_BIN_EXE_image-packager"))
            .args(["remove", "redis:7"])
            .current_dir(place.root())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * round / 20);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(place.run(&["list"]).status.success());
        let after = place.tree();
        let removed = after == without;
        assert!(
            removed || after == with,
            "round {round}: {:?}",
            after.keys()
        );
        seen[usize::from(removed)] = true;
    }
    assert_eq!(
        seen,
        [true, true],
        "it was killed always too early or too late"
    );
}

#[test]
fn completions_know_the_commands() {
    let place = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&run_in(place.path(), &["completions", shell]));
        for command in ["freeze", "verify", "export"] {
            assert!(script.contains(command), "{shell} {command}");
        }
    }
}

#[test]
fn the_next_steps_hold_yaml_that_can_be_pasted() {
    let place = Place::new();
    let changes = place.put(&[&small("redis:7"), &small("app:1")], None);
    let release = Release::open(&place.root(), Access::Read).unwrap();
    let text = next_steps(&release, &changes);
    assert!(
        text.contains(&format!("cd {}", release.root().display())),
        "{text}"
    );
    let yaml = &text[text.find("releases:").unwrap()..];
    let manifest: Value = serde_yaml::from_str(yaml).unwrap();
    assert_eq!(manifest["releases"][0]["name"], "images");
    let jobs = manifest["instance_groups"][0]["jobs"].as_array().unwrap();
    let names: Vec<&str> = jobs
        .iter()
        .map(|job| job["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["docker", "redis-7-image", "app-1-image"]);
}
