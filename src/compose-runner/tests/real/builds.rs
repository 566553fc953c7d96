//! Images that a recipe builds: by what the engine has for it, which Compose 5 reaches through the CLI plugin `docker-buildx` alone.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    recipes::{sleeper, with},
    vm::Vm,
};

const TOKEN: &str = "build-secret-7f3a";

/// No `# syntax=` line: a VM without a way out has no frontend but the engine's own.
const DOCKERFILE: &str = "FROM test:1
ARG VERSION
RUN --mount=type=cache,target=/cache echo $VERSION >>/cache/builds && cat /cache/builds >/builds
RUN --mount=type=secret,id=token busybox rev /run/secrets/token >/reversed && echo $VERSION >/version
";

/// A service whose image is built of the context beside the recipe.
fn built(version: &str) -> Value {
    let mut service = with(
        sleeper(),
        &json!({
            "build": {"context": "app", "args": {"VERSION": version}, "secrets": ["token"]},
            "image": format!("app:{version}"), "pull_policy": "build",
        }),
    );
    service["stop_grace_period"] = "1s".into();
    service
}

fn recipe(services: &Value) -> Value {
    json!({"services": services, "secrets": {"token": {"environment": "TOKEN"}}})
}

fn read(vm: &Vm, file: &str) -> String {
    vm.exec("running-app-1", &["cat", file])
}

/// Files below a directory that hold the text, and that others than root may read.
fn readable_files_with(directory: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        let path = entry.path();
        if kind.is_dir() {
            // below a directory that others cannot enter, they read nothing
            if entry.metadata().unwrap().permissions().mode() & 0o001 != 0 {
                readable_files_with(&path, text, found);
            }
        } else if kind.is_file()
            && entry.metadata().unwrap().permissions().mode() & 0o004 != 0
            && fs::read(&path)
                .unwrap_or_default()
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
}

#[test]
fn a_recipe_builds_images_with_cache_and_secret_mounts() {
    let vm = Vm::start();
    let more = json!({"files": {"app/Dockerfile": DOCKERFILE}, "variables": {"TOKEN": TOKEN}});
    for (number, version) in ["1", "2"].into_iter().enumerate() {
        let verdict = vm.deploy(&recipe(&json!({"app": built(version)})), &more);
        assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
        assert_eq!(read(&vm, "/version"), format!("{version}\n"));
        assert_eq!(
            read(&vm, "/builds").lines().count(),
            number + 1,
            "the cache is kept"
        );
    }
    let reversed: String = TOKEN.chars().rev().collect();
    assert_eq!(read(&vm, "/reversed").trim(), reversed);
    assert!(!vm.log().contains(TOKEN), "{}", vm.log());
    // what Compose and Buildx wrote
    let mut leaks = Vec::new();
    readable_files_with(&vm.root().join("data"), TOKEN, &mut leaks);
    assert_eq!(leaks, Vec::<PathBuf>::new());
}

#[test]
fn neither_a_builder_that_an_operator_has_chosen_nor_the_legacy_one_builds_the_recipe() {
    let vm = Vm::start();
    operators_docker(
        &vm,
        &[
            "buildx",
            "create",
            "--name",
            "gone",
            "--use",
            "tcp://192.0.2.1:1",
        ],
    );
    let more = json!({
        "files": {"app/Dockerfile": DOCKERFILE, ".env": "DOCKER_BUILDKIT=0\n"}, "variables": {"TOKEN": TOKEN},
    });
    let verdict = vm.deploy(&recipe(&json!({"app": built("1")})), &more);
    assert_eq!(verdict["state"], "up", "{verdict:#}\n{}", vm.log());
}

#[test]
fn the_docker_client_on_the_vm_builds_with_buildx() {
    let vm = Vm::start();
    let version = operators_docker(&vm, &["buildx", "version"]);
    assert!(version.contains("docker/buildx"), "{version}");
    let context = vm.root().join("context");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("Dockerfile"), DOCKERFILE).unwrap();
    let token = vm.root().join("token");
    fs::write(&token, TOKEN).unwrap();
    let secret = format!("id=token,src={}", token.display());
    let context = context.to_str().unwrap();
    // before 23 the client's own word for the legacy builder is `build`
    let version = vm.engine().version().unwrap().version;
    let major: u32 = version.split('.').next().unwrap().parse().unwrap();
    let build: &[&str] = if major < 23 {
        &["buildx", "build"]
    } else {
        &["build"]
    };
    let settings = [
        "--build-arg",
        "VERSION=9",
        "--secret",
        &secret,
        "--tag",
        "by-hand:1",
        context,
    ];
    operators_docker(&vm, &[build, &settings].concat());
    let version = vm.docker(&[
        "run",
        "--rm",
        "--network=none",
        "by-hand:1",
        "cat",
        "/version",
    ]);
    assert_eq!(version.stdout, b"9\n");
}

/// The `docker` client as an operator has it after sourcing `envrc`; what it said.
fn operators_docker(vm: &Vm, arguments: &[&str]) -> String {
    let mut command: Command = vm.command(&vm.paths.docker_bin("docker"));
    let socket = format!("unix://{}", vm.paths.socket().display());
    command
        .env("DOCKER_HOST", socket)
        .env("DOCKER_CONFIG", vm.paths.cli_dir())
        .args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {said}");
    said
}
