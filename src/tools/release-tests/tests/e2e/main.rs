//! End to end: the release, deployed by bosh-solo with its own packaging scripts, ERB, monit, dockerd and Compose, with no registry
//! in reach. Each test has a deployment of its own; `ci/test` builds what they need and runs them.

mod daemon;
mod delete;
mod faults;
mod files;
mod frozen;
mod health;
mod images;
mod lifecycle;
mod logs;
mod recipes;
mod redis;
mod refusals;
mod remote;
mod security;
mod shell_release;
mod smoke;
mod stemcells;
mod rollback;
mod update;
mod verdict;

use serde_json::{Value, json};

/// A recipe of services that sleep until they are stopped, quickly.
fn sleepers(services: &[&str]) -> Value {
    let services: serde_json::Map<String, Value> = services
        .iter()
        .map(|&name| (name.to_owned(), sleeper(json!({}))))
        .collect();
    json!({ "services": services })
}

/// A service that sleeps, with further settings merged in.
fn sleeper(settings: Value) -> Value {
    let mut service = json!({
        "image": "fixture/busybox:1",
        "restart": "always",
        "init": true,
        "command": ["sleep", "1000000"],
    });
    if let (Some(service), Value::Object(settings)) = (service.as_object_mut(), settings) {
        service.extend(settings);
    }
    service
}
