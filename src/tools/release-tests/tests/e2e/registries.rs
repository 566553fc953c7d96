//! Images out of registries that want an authority, a login, or nothing; by the recipe, on either image store.

use std::fs;
use std::net::Ipv4Addr;

use registry_fixture::{Options, Registry};
use release_tests::{Deployment, repository};
use serde_json::{Value, json};

use crate::sleeper;

const PASSWORD: &str = "hunter2-of-the-registry";
/// `puller:hunter2-of-the-registry`
const PASSWORD_IN_BASE64: &str = "cHVsbGVyOmh1bnRlcjItb2YtdGhlLXJlZ2lzdHJ5";
const CONFIG: &str = "/var/vcap/jobs/docker/config/config.json";

/// A process of the instance, as this machine sees it, and the instance's address: there a registry is in dockerd's reach,
/// and not on its loopback, where it never checks a certificate.
fn inside(deployment: &Deployment) -> (u32, Ipv4Addr) {
    let network = deployment.ssh("readlink /proc/self/ns/net").ok();
    let process = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find(|entry| {
            fs::read_link(entry.path().join("ns/net"))
                .is_ok_and(|found| found.to_string_lossy() == network)
        })
        .and_then(|entry| entry.file_name().to_str()?.parse().ok())
        .unwrap_or_else(|| panic!("no process is in {network}"));
    let config: Value = serde_json::from_str(&deployment.read(CONFIG)).unwrap();
    let address = config["instance"]["ip"].as_str().unwrap().parse().unwrap();
    (process, address)
}

/// Files of the instance, logs and all, that hold a text.
fn files_with(deployment: &Deployment, text: &str) -> Vec<String> {
    let places = "/var/vcap /etc /root /run /tmp /var/log";
    let command = format!(
        "grep --recursive --files-with-matches --fixed-strings --devices=skip --exclude-dir=packages '{text}' {places} 2>/dev/null | xargs -r realpath | sort -u"
    );
    let found = deployment.ssh(&command).stdout;
    found.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_recipe_pulls_from_registries_of_every_kind_on_both_image_stores_and_no_secret_shows() {
    let first = std::env::var("CONTAINERS_TEST_IMAGE_STORE").unwrap_or("graphdriver".to_owned());
    let second = if first == "graphdriver" {
        "containerd"
    } else {
        "graphdriver"
    };
    let mut deployment = Deployment::new("e2e-registries").property("image_store", json!(first));
    deployment.deploy_ok();
    let (process, address) = inside(&deployment);
    let start = |options: Options| Registry::start_with(options.network_of(process, address));
    let plain = start(Options::default());
    let unchecked = start(Options::default().tls());
    let locked = start(Options::default().tls().account("puller", PASSWORD));
    let mirror = start(Options::default().tls());
    let layout = repository().join("ci/fixtures/release/src/busybox/layout");
    for registry in [&plain, &unchecked, &locked] {
        registry.push_layout(&layout, "team/app:1");
    }
    mirror.push_layout(&layout, "library/mirrored:1");

    let authority = |registry: &Registry| fs::read_to_string(registry.ca_file()).unwrap();
    let image = |registry: &Registry| {
        sleeper(json!({"image": format!("{}/team/app:1", registry.address())}))
    };
    deployment.set(
        "recipe",
        json!({"services": {
            "plain": image(&plain), "unchecked": image(&unchecked), "locked": image(&locked),
            "mirrored": sleeper(json!({"image": "mirrored:1"})),
        }}),
    );
    deployment.set("insecure-registries", json!([plain.address()]));
    deployment.set(
        "registries",
        json!([
            {"address": unchecked.address(), "insecure": true},
            {"address": locked.address(), "username": "puller", "password": PASSWORD},
            {"address": locked.address(), "ca_cert": authority(&locked)},
            {"address": mirror.address(), "ca_cert": authority(&mirror)},
        ]),
    );
    deployment.set(
        "registry_mirrors",
        json!([format!("https://{}", mirror.address())]),
    );
    // nobody listens there; the instance's own address is reached without it
    deployment.set("env", json!({"https_proxy": "http://proxy.invalid:3128"}));
    deployment.set("container_proxies", json!(true));
    deployment.deploy_ok();

    let environment = deployment.docker("exec running-locked-1 env").ok();
    for line in [
        "HTTPS_PROXY=http://proxy.invalid:3128".to_owned(),
        format!(".bosh,{address}"),
    ] {
        assert!(environment.contains(&line), "{environment}");
    }
    let config = deployment.ssh(&format!("realpath {CONFIG}")).ok();
    assert_eq!(files_with(&deployment, PASSWORD), [config]);
    assert_eq!(
        files_with(&deployment, PASSWORD_IN_BASE64),
        ["/var/vcap/data/docker/cli/config.json"]
    );
    let modes = deployment
        .ssh("cd /var/vcap/data/docker && stat --format '%a %U' cli cli/config.json")
        .ok();
    assert_eq!(modes, "700 root\n600 root");
    let told = deployment
        .ssh(". /var/vcap/jobs/docker/envrc; ps axww; docker info; docker inspect $(docker ps --all --quiet); docker-ctl status --json")
        .ok();
    assert!(!told.contains(PASSWORD) && !told.contains(PASSWORD_IN_BASE64));

    let version = deployment
        .docker("version --format '{{.Server.Version}}'")
        .ok();
    if version.starts_with("20.") {
        return; // it has one image store
    }
    deployment.set("image_store", json!(second));
    deployment.deploy_ok();
    assert_eq!(deployment.containers("locked").len(), 1);
    assert!(deployment.started_at("mirrored").contains("true"));
}
