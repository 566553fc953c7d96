//! Recipes for the tests, and what verdicts say.

use serde_json::{Value, json};

/// A service that runs until it is told to end, and then ends at once.
pub fn sleeper() -> Value {
    json!({"image": "test:1", "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]})
}

/// A service with more settings.
pub fn with(mut service: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        service[key] = value.clone();
    }
    service
}

/// What the verdict's errors say, a line each.
pub fn words(verdict: &Value) -> String {
    verdict["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["what"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}
