//! Environment variables: the names that a program reads stand in one file, and those of our own have a prefix.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use release_tests::repository;
use walkdir::WalkDir;

/// The one file of a program, libraries of its own included, the prefix of its own variables, and the page for them.
const FILES: [(&str, &str, &str); 3] = [
    (
        "src/docker-ctl/src/environment.rs",
        "DOCKER_CTL_",
        "docs/operations.md",
    ),
    (
        "src/tools/registry-client/src/environment.rs",
        "IMAGE_PACKAGER_",
        "docs/image-releases.md",
    ),
    (
        "src/tools/solo-instance/src/environment.rs",
        "BOSH_SOLO_",
        "docs/bosh-solo.md",
    ),
];
/// Reads what a user names by a prefix (`--vars-env`), and no variable of its own.
const NAMES_NONE: &str = "src/tools/bosh-manifest/src/vars/sources.rs";

/// What reads the environment.
const READS: [&str; 5] = ["env::var", "temp_dir()", "home_dir()", "getenv", "env = \""];

/// Variables that mean to others what they mean here; those that begin so are of BOSH, git and Cargo.
const STANDARD: [&str; 21] = [
    "BASH_SOURCE",
    "DOCKER_AUTH_CONFIG",
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_COLOR",
    "NO_PROXY",
    "OLDPWD",
    "ORIGIN",
    "PATH",
    "PWD",
    "REGISTRY_AUTH_FILE",
    "SECONDS",
    "SOURCE_DATE_EPOCH",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
];
const STANDARD_PREFIXES: [&str; 3] = ["BOSH_", "CARGO_", "GIT_"];
/// What `/etc/os-release` has, and the scripts read from there.
const OF_THE_SYSTEM: [&str; 4] = ["ID", "PRETTY_NAME", "VERSION_CODENAME", "VERSION_ID"];
/// Of tests and of the scripts in `ci/`.
const OF_THE_HOUSE: &str = "CONTAINERS_";

fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name)
        || OF_THE_SYSTEM.contains(&name)
        || STANDARD_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn is_name(text: &&str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The texts in quotes that could be names of variables.
fn quoted(code: &str) -> Vec<&str> {
    code.split('"').filter(is_name).collect()
}

fn files(below: &str) -> Vec<(String, String)> {
    let root = repository();
    let walk = WalkDir::new(root.join(below)).into_iter();
    let entries = walk
        .filter_entry(|entry| entry.file_name() != "target" && entry.file_name() != "fixtures")
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file());
    let texts = entries.filter_map(|entry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        let path = entry.path().strip_prefix(&root).unwrap();
        Some((path.display().to_string(), text))
    });
    texts.collect()
}

fn is_test(path: &str) -> bool {
    let crate_of_tests =
        |part: &str| part.ends_with("-fixture") || ["tests", "release-tests"].contains(&part);
    path.split('/').any(crate_of_tests) || path.ends_with("/tests.rs")
}

fn sources() -> Vec<(String, String)> {
    let mut sources = files("src");
    sources.retain(|(path, _)| Path::new(path).extension() == Some("rs".as_ref()));
    assert!(sources.len() > 300, "only {} sources", sources.len());
    sources
}

/// What a file has before its tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
}

#[test]
fn programs_read_the_environment_in_one_file_each() {
    let known = FILES.map(|(file, ..)| file);
    let mut readers = BTreeSet::new();
    for (path, text) in sources().iter().filter(|(path, _)| !is_test(path)) {
        let read = READS.iter().find(|read| code(text).contains(**read));
        if let Some(read) = read.filter(|_| path != NAMES_NONE) {
            assert!(
                known.contains(&path.as_str()),
                "{path} has `{read}`: the variables of a program stand in one file, one of {known:?}"
            );
            readers.insert(path.clone());
        }
    }
    assert_eq!(readers, known.map(str::to_owned).into());
}

#[test]
fn a_variable_of_a_program_is_standard_or_has_its_prefix_and_stands_nowhere_else() {
    let sources = sources();
    for (file, prefix, page) in FILES {
        let (_, text) = sources.iter().find(|(path, _)| path == file).unwrap();
        let page = fs::read_to_string(repository().join(page)).unwrap();
        let names = quoted(code(text));
        assert!(names.len() > 2, "{file}: {names:?}");
        for name in names {
            if !name.starts_with(prefix) {
                assert!(
                    is_standard(name),
                    "{file}: call it {prefix}{name}, unless it is standard"
                );
                continue;
            }
            assert!(page.contains(&format!("`{name}")), "no page names {name}");
            for (path, text) in &sources {
                assert!(
                    path == file || is_test(path) || !quoted(code(text)).contains(&name),
                    "{path} names {name}, too: call {file}"
                );
            }
        }
    }
}

#[test]
fn the_variables_of_tests_have_the_prefix_of_the_house() {
    let mut seen = 0;
    for (path, text) in sources().iter().filter(|(path, _)| is_test(path)) {
        for read in text.split("env::var").skip(1) {
            // the name, or a constant of the same file that holds it
            let argument = read.split([')', ';']).next().unwrap_or_default();
            let of_a_constant = text.split("const VARIABLE: &str = ").nth(1);
            let named = if argument.ends_with("(VARIABLE") {
                of_a_constant.and_then(|rest| rest.split(';').next())
            } else {
                Some(argument)
            };
            for name in named.map(quoted).unwrap_or_default() {
                seen += 1;
                assert!(
                    is_standard(name) || name.starts_with(OF_THE_HOUSE),
                    "{path}: call it {OF_THE_HOUSE}{name}"
                );
            }
        }
    }
    assert!(seen > 10, "only {seen} were found");
}

/// `$NAME` and `${NAME…` of a script.
fn of_script(text: &str) -> BTreeSet<String> {
    let after = text.split('$').skip(1);
    let names = after.map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        rest.split(ends).next().unwrap_or_default()
    });
    names.filter(is_name).map(str::to_owned).collect()
}

/// The keys of a task's `params`.
fn of_task(text: &str) -> Vec<String> {
    let task: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    let params = task["params"].as_mapping().cloned().unwrap_or_default();
    let names = params.keys().map(|name| name.as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn the_variables_of_the_scripts_have_the_prefix_of_the_house() {
    let mut seen = BTreeSet::new();
    for (path, text) in files("ci") {
        let is_task = path.starts_with("ci/tasks/");
        if ["#!/bin/bash", "# shellcheck shell=bash"]
            .iter()
            .any(|first| text.starts_with(first))
        {
            seen.extend(
                of_script(&text)
                    .into_iter()
                    .map(|name| (name, path.clone())),
            );
        } else if is_task && PathBuf::from(&path).extension() == Some("yml".as_ref()) {
            seen.extend(of_task(&text).into_iter().map(|name| (name, path.clone())));
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
    for (name, path) in seen {
        assert!(
            is_standard(&name) || name.starts_with(OF_THE_HOUSE),
            "{path}: call it {OF_THE_HOUSE}{name}"
        );
    }
}
