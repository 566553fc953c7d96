//! Pulls and pushes of a real dockerd from and to real registries of every kind, on both image stores.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, also in its helpers"
)]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/pulls.rs"]
mod pulls;
#[path = "support/registry.rs"]
mod registry;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use job_properties::JobConfig;
use proxy::Proxy;
use pulls::{docker, load, prepare, push_and_pull, refuses};
use registry::{CA, Certificate, PASSWORD, Registry, USER};
use serde_json::{Value, json};
use support::{Run, Vm, inside, run};

/// `puller:hunter2-$x`
const PASSWORD_IN_BASE64: &str = "cHVsbGVyOmh1bnRlcjItJHg=";
const PROXY_PASSWORD: &str = "hunter3";
/// `u:hunter3`
const PROXY_LOGIN: &str = "dTpodW50ZXIz";

/// Compose in the environment that compose-runner gives it, on a recipe of one service.
fn compose(vm: &Vm, image: &str, arguments: &[&str]) -> Run {
    let paths = vm.paths();
    let recipe =
        json!({"services": {"web": {"image": image, "network_mode": "none", "command": "x"}}});
    let file = paths.root().join("recipe.yml");
    std::fs::write(&file, recipe.to_string()).unwrap();
    let config = JobConfig::load(&paths.job_config()).unwrap();
    let mut command = Command::new(paths.docker_bin("docker-compose"));
    command
        .env_clear()
        .envs(recipe::instance_environment(&paths, &config.instance))
        .args(["--project-name", "running", "--file"])
        .arg(file)
        .args(arguments);
    run(&mut command)
}

/// Every file below a directory whose content holds the text.
fn files_with(dir: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        let path = entry.path();
        if kind.is_dir() {
            files_with(&path, text, found);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(path);
            }
        }
    }
}

fn relative(vm: &Vm, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let root = vm.paths().root().to_owned();
    for dir in ["jobs", "data", "store", "sys", "etc", "run"] {
        if root.join(dir).is_dir() {
            files_with(&root.join(dir), text, &mut found);
        }
    }
    let mut names: Vec<_> = found
        .iter()
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
        .collect();
    names.sort();
    names
}

fn pulls_from_every_kind(store: &str) {
    let vm = Vm::with_engine();
    prepare(&vm);
    let plain = Registry::start(5001, Certificate::None, false);
    let listed = Registry::start(5002, Certificate::None, false);
    let own = Registry::start(5003, Certificate::SelfSigned, false);
    let signed = Registry::start(5004, Certificate::Signed, false);
    let locked = Registry::start(5005, Certificate::Signed, true);
    let locked_plain = Registry::start(5006, Certificate::None, true);
    let mirror = Registry::start(5007, Certificate::Signed, false);
    let unknown = Registry::start(5008, Certificate::Signed, false);
    let unlisted = Registry::start(5009, Certificate::None, false);
    let registries = json!([
        {"address": plain.address(), "insecure": true},
        {"address": own.address(), "insecure": true},
        {"address": locked.address(), "username": USER, "password": PASSWORD, "ca_cert": CA},
        {"address": locked_plain.address(), "username": USER, "password": PASSWORD},
        {"address": locked_plain.address(), "insecure": true},
        {"address": mirror.address(), "ca_cert": CA},
    ]);
    let properties = |registries: &Value| {
        [
            ("image_store", json!(store)),
            ("insecure-registries", json!([listed.address()])),
            ("registries", registries.clone()),
            (
                "registry_ca_cert",
                json!([{"domain_name": signed.address(), "ca_cert": CA}]),
            ),
            (
                "registry_mirrors",
                json!([format!("https://{}", mirror.address())]),
            ),
        ]
    };
    vm.set(&properties(&registries));
    vm.run(&["start"]).ok();
    if store == "containerd" && vm.engine_major() < 24 {
        // this engine has one store alone, and `docker-ctl wait` says so
        assert_eq!(vm.run(&["wait"]).code, 2);
        vm.run(&["stop"]).ok();
        return;
    }
    load(&vm);

    for registry in [&plain, &listed, &own, &signed, &locked, &locked_plain] {
        push_and_pull(&vm, &format!("{}/team/app:1", registry.address()));
    }
    let behind_a_login = format!("{}/team/app:1", locked.address());
    compose(&vm, &behind_a_login, &["pull"]).ok();
    docker(&vm, &["rmi", &behind_a_login]).ok();
    let on_mirror = format!("{}/library/mirrored:1", mirror.address());
    push_and_pull(&vm, &on_mirror);
    docker(&vm, &["pull", "mirrored:1"]).ok();

    // what nobody vouches for is refused, so that the tests above mean something
    refuses(&vm, &format!("{}/team/app:1", unknown.address()), &["x509"]);
    refuses(
        &vm,
        &format!("{}/team/app:1", unlisted.address()),
        &["HTTP response to HTTPS client"],
    );
    assert_eq!(
        relative(&vm, PASSWORD),
        ["jobs/docker/config/config.json"],
        "the password is where nobody expects it"
    );
    assert_eq!(
        relative(&vm, PASSWORD_IN_BASE64),
        ["data/docker/cli/config.json"]
    );

    // an update that takes login and authority away
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["stop"]).ok();
    vm.set(&properties(
        &json!([{"address": locked_plain.address(), "insecure": true}]),
    ));
    vm.run(&["start"]).ok();
    refuses(&vm, &format!("{}/team/app:1", locked.address()), &["x509"]);
    refuses(
        &vm,
        &format!("{}/team/app:1", locked_plain.address()),
        &["no basic auth credentials", "authorization failed", "401"],
    );
    assert_eq!(relative(&vm, PASSWORD_IN_BASE64), Vec::<String>::new());
    vm.run(&["stop"]).ok();
}

#[test]
fn pulls_from_every_kind_of_registry_with_graph_drivers() {
    if inside("pulls_from_every_kind_of_registry_with_graph_drivers") {
        pulls_from_every_kind("graphdriver");
    }
}

#[test]
fn pulls_from_every_kind_of_registry_with_the_containerd_store() {
    if inside("pulls_from_every_kind_of_registry_with_the_containerd_store") {
        pulls_from_every_kind("containerd");
    }
}

fn environment_of_dockerd(vm: &Vm) -> String {
    let pid = support::pid(&vm.paths().docker_pidfile()).as_raw_nonzero();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    String::from_utf8(environment).unwrap().replace('\0', "\n")
}

/// Of one that the client makes.
fn environment_of_a_container(vm: &Vm) -> String {
    docker(vm, &["rm", "--force", "probe"]);
    let create = ["create", "--name", "probe", "--network", "none"];
    docker(vm, &[&create[..], &["fixture:1", "x"]].concat()).ok();
    let inspect = ["inspect", "--format", "{{.Config.Env}}", "probe"];
    docker(vm, &inspect).ok().stdout
}

/// Of one that Compose makes.
fn environment_by_compose(vm: &Vm) -> String {
    compose(vm, "fixture:1", &["create"]).ok();
    let filter = "label=com.docker.compose.service=web";
    let ids = docker(vm, &["ps", "--all", "--quiet", "--filter", filter]).ok();
    let id = ids.stdout.trim();
    let seen = docker(vm, &["inspect", "--format", "{{.Config.Env}}", id]).ok();
    docker(vm, &["rm", id]).ok();
    seen.stdout
}

#[test]
fn proxies_carry_pulls_are_shown_to_nobody_and_stay_when_settings_are_refused() {
    if !inside("proxies_carry_pulls_are_shown_to_nobody_and_stay_when_settings_are_refused") {
        return;
    }
    let vm = Vm::with_engine();
    prepare(&vm);
    let signed = Registry::start(5001, Certificate::Signed, false);
    let direct = Registry::start(5002, Certificate::Signed, false);
    let proxy = Proxy::start();
    let url = format!("http://u:{PROXY_PASSWORD}@{}", proxy.address());
    let authorities = json!([
        {"address": signed.address(), "ca_cert": CA}, {"address": direct.address(), "ca_cert": CA},
    ]);
    let with = |containers: bool| {
        let env = json!({"http_proxy": url, "https_proxy": url, "no_proxy": direct.address()});
        [
            ("registries", authorities.clone()),
            ("env", env),
            ("container_proxies", json!(containers)),
        ]
    };
    vm.set(&with(false));
    vm.run(&["start"]).ok();
    load(&vm);
    push_and_pull(&vm, &format!("{}/team/app:1", signed.address()));
    let asked = proxy.asked();
    let wanted = format!("CONNECT {} HTTP/1.1", signed.address());
    assert!(
        asked.contains(&wanted) && asked.contains(PROXY_LOGIN),
        "{asked}"
    );
    push_and_pull(&vm, &format!("{}/team/app:1", direct.address()));
    assert!(
        !proxy.asked().contains(&direct.address()),
        "{}",
        proxy.asked()
    );

    let info = docker(&vm, &["info"]).ok();
    assert!(info.stdout.contains(&proxy.address()), "{info:?}");
    assert!(!info.stdout.contains(PROXY_PASSWORD), "{info:?}");
    let settings = [
        "data/docker/etc/daemon.json.env",
        "data/docker/etc/daemon.json.good.env",
    ];
    let wanted = settings
        .into_iter()
        .chain(["jobs/docker/config/config.json"]);
    assert_eq!(relative(&vm, PROXY_PASSWORD), wanted.collect::<Vec<_>>());
    assert!(!environment_of_a_container(&vm).contains("PROXY"));

    // refused settings leave dockerd with the proxies that it has
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["stop"]).ok();
    vm.set(&[("daemon", json!({"no-such-setting": true}))]);
    vm.run(&["start"]).ok();
    let wait = vm.run(&["wait"]);
    assert!(
        wait.code != 0 && wait.stderr.contains("no-such-setting"),
        "{wait:?}"
    );
    let proxied = format!("HTTPS_PROXY={url}");
    assert!(environment_of_dockerd(&vm).contains(&proxied));
    vm.run(&["stop"]).ok();

    vm.set(&with(true));
    vm.run(&["start"]).ok();
    assert!(!vm.paths().refused().exists());
    let seen = environment_of_a_container(&vm);
    assert!(seen.contains(&proxied) && seen.contains(".bosh"), "{seen}");
    let seen = environment_by_compose(&vm);
    assert!(seen.contains(&proxied), "{seen}");
    vm.run(&["stop"]).ok();

    vm.set(&[]);
    vm.run(&["start"]).ok();
    docker(&vm, &["rm", "probe"]).ok();
    assert!(!environment_of_dockerd(&vm).contains("PROXY"));
    assert_eq!(relative(&vm, PROXY_PASSWORD), Vec::<String>::new());
    vm.run(&["stop"]).ok();
}
