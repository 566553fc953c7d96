//! What the template of the job `docker` renders, for tests: every property of the job's spec, with its default or null.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "it serves tests only"
)]

use serde_json::{Map, Value, json};

/// The job's spec, in the release's tree.
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs/docker/spec");

/// The properties' values when a manifest sets none of them.
#[must_use]
pub fn defaults() -> Map<String, Value> {
    let text = std::fs::read_to_string(SPEC).expect("the job's spec can be read");
    let spec: Value = serde_yaml::from_str(&text).expect("the job's spec is YAML");
    let properties = spec["properties"].as_object().expect("it has properties");
    let mut defaults = Map::new();
    for (name, definition) in properties {
        let default = definition.get("default").cloned().unwrap_or(Value::Null);
        insert(&mut defaults, name, default);
    }
    defaults
}

/// The whole configuration, as `config.json` has it when a manifest sets no property, and no job provides a link.
#[must_use]
pub fn rendered() -> Value {
    json!({
        "instance": {
            "name": "docker", "index": 0, "id": "5f0a", "az": "z1", "ip": "10.0.0.2", "address": "10.0.0.2",
            "deployment": "containers", "bootstrap": true, "persistent_disk": 0
        },
        "properties": defaults(),
        "links": {"registry": null},
    })
}

/// A property of a dotted name is a map within a map (`raw_properties`, bosh `evaluation_context.rb`).
fn insert(map: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            map.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| json!({}));
            insert(inner.as_object_mut().expect("a map"), rest, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_defaults_nulls_and_nested_names() {
        let defaults = defaults();
        assert_eq!(defaults["project_name"], "running");
        assert_eq!(defaults["recipe"], Value::Null);
        let mut map = Map::new();
        insert(&mut map, "env.http_proxy", json!(1));
        insert(&mut map, "env.no_proxy", json!(2));
        assert_eq!(
            Value::Object(map),
            json!({"env": {"http_proxy": 1, "no_proxy": 2}})
        );
    }
}
