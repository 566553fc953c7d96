//! Recipes of services that do nothing but run.

use serde_json::{Value, json};

/// A recipe of services that sleep until they are stopped, quickly.
#[must_use]
pub fn sleepers(services: &[&str]) -> Value {
    let services: serde_json::Map<String, Value> = services
        .iter()
        .map(|&name| (name.to_owned(), sleeper(json!({}))))
        .collect();
    json!({ "services": services })
}

/// A service that sleeps, with further settings merged in.
#[must_use]
pub fn sleeper(settings: Value) -> Value {
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
