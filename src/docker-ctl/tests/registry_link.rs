//! Pulls of a real dockerd through the registry of the BOSH link, which lets in nobody but clients with a certificate, on both
//! image stores.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, also in its helpers"
)]

#[path = "support/pulls.rs"]
mod pulls;
#[path = "support/registry.rs"]
#[allow(dead_code, reason = "this test has no logins")]
mod registry;
mod support;

use pulls::{docker, load, prepare, push_and_pull, refuses};
use registry::{CA, Certificate, HOST, Registry};
use serde_json::{Value, json};
use support::{Vm, inside};

const CLIENT: &str = include_str!("data/registry-client-cert.pem");
const KEY: &str = include_str!("data/registry-client-key.pem");

/// Renders the job's configuration, with a link or without.
fn render(vm: &Vm, store: &str, link: &Value, with_certificate: bool, registries: &Value) {
    let mut value = job_fixture::rendered();
    value["links"]["registry"] = link.clone();
    let properties = &mut value["properties"];
    properties["image_store"] = json!(store);
    properties["registries"] = registries.clone();
    if with_certificate {
        properties["registry_client"]["certificate"] = json!(CLIENT);
        properties["registry_client"]["private_key"] = json!(KEY);
    }
    vm.render(&serde_json::to_vec(&value).unwrap());
}

fn restart(vm: &Vm) {
    vm.run(&["drain", "job_changed", "hash_changed"]).ok();
    vm.run(&["stop"]).ok();
    vm.run(&["start"]).ok();
}

/// Whether the engine reads `hosts.toml`.
fn mirrors_every_host(vm: &Vm, store: &str) -> bool {
    store == "containerd" && vm.engine_major() >= 28
}

/// All files below `certs.d`.
fn files(vm: &Vm) -> Vec<String> {
    let dir = vm.paths().registry_authorities();
    let mut found = Vec::new();
    for registry in std::fs::read_dir(dir).unwrap().flatten() {
        for file in std::fs::read_dir(registry.path()).unwrap().flatten() {
            let registry = registry.file_name().into_string().unwrap();
            found.push(format!("{registry}/{}", file.file_name().to_str().unwrap()));
        }
    }
    found.sort();
    found
}

fn pulls_through_the_link(store: &str) {
    let vm = Vm::with_engine();
    prepare(&vm);
    let linked = Registry::start_for_client(5001, CLIENT);
    let upstream = Registry::start(5002, Certificate::Signed, false);
    let link = json!({
        "address": HOST, "instances": [HOST], "port": 5001, "ca": CA,
        "upstreams": [upstream.address()], "frozen": true,
    });
    let authority = json!([{"address": upstream.address(), "ca_cert": CA}]);
    render(&vm, store, &link, true, &authority);
    vm.run(&["start"]).ok();
    if store == "containerd" && vm.engine_major() < 24 {
        // this engine has one store alone, and `docker-ctl wait` says so
        assert_eq!(vm.run(&["wait"]).code, 2);
        vm.run(&["stop"]).ok();
        return;
    }
    load(&vm);

    // the registry itself
    let own = format!("{}/library/mirrored:1", linked.address());
    push_and_pull(&vm, &own);
    // Docker Hub, which cannot be reached here
    docker(&vm, &["pull", "mirrored:1"]).ok();
    docker(&vm, &["rmi", "mirrored:1"]).ok();
    // what the registry does not have, its host has
    let missing = format!("{}/team/app:1", upstream.address());
    push_and_pull(&vm, &missing);
    // what its host does not have, the registry has
    let mirrored = format!("{}/library/mirrored:1", upstream.address());
    if mirrors_every_host(&vm, store) {
        docker(&vm, &["pull", &mirrored]).ok();
        docker(&vm, &["rmi", &mirrored]).ok();
    } else {
        refuses(&vm, &mirrored, &["not found", "manifest unknown"]);
    }

    // nobody is let in without a certificate
    render(&vm, store, &link, false, &authority);
    restart(&vm);
    refuses(&vm, &own, &["certificate required", "bad certificate"]);
    refuses(&vm, "mirrored:1", &["lookup", "dial", "certificate"]);
    // images of other hosts are pulled all the same
    docker(&vm, &["pull", &missing]).ok();
    docker(&vm, &["rmi", &missing]).ok();

    // the link goes
    render(&vm, store, &Value::Null, false, &authority);
    restart(&vm);
    let left = format!("{}/bosh-job-docker.crt", upstream.address());
    assert_eq!(files(&vm), [left]);
    refuses(&vm, &own, &["x509"]);
    vm.run(&["stop"]).ok();
}

#[test]
fn pulls_through_the_registry_of_the_link_with_graph_drivers() {
    if inside("pulls_through_the_registry_of_the_link_with_graph_drivers") {
        pulls_through_the_link("graphdriver");
    }
}

#[test]
fn pulls_through_the_registry_of_the_link_with_the_containerd_store() {
    if inside("pulls_through_the_registry_of_the_link_with_the_containerd_store") {
        pulls_through_the_link("containerd");
    }
}
