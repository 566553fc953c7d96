//! Docker's `config.json`, after a line `REGISTRY REPOSITORY`: errors name the file and what is wrong, and quote no secret.
#![no_main]

use std::path::Path;

use fuzz::check_error;
use libfuzzer_sys::fuzz_target;
use registry_client::{Credentials, fuzzing::docker_config};
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let end = text
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let text = rest.get(1..).unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let (registry, repository) = first.split_once(' ').unwrap_or((&first, ""));
    for file in ["/home/anna/.docker/config.json", "/home/anna/.dockercfg"] {
        let found = docker_config(text, Path::new(file), registry, repository);
        let (credentials, helper) = match found {
            Ok(found) => found,
            Err(error) => {
                check_error(&error, file);
                quotes_nothing(text, &format!("{error} {error:?}"), true);
                continue;
            }
        };
        match credentials {
            Ok(Some((credentials, secret))) => {
                let shown = format!("{credentials:?}");
                assert!(
                    secret.len() < 8 || !shown.contains(&secret) || is_user(&credentials, &secret),
                    "{shown}"
                );
                if let Credentials::Password { user, .. } = credentials {
                    assert!(!user.is_empty());
                }
            }
            Ok(None) => {}
            Err(error) => {
                check_error(&error, file);
                quotes_nothing(text, &format!("{error} {error:?}"), false);
            }
        }
        match helper {
            Ok(helper) => assert_ne!(helper.as_deref(), Some("")),
            Err(error) => check_error(&error, file),
        }
    }
});

fn is_user(credentials: &Credentials, secret: &str) -> bool {
    matches!(credentials, Credentials::Password { user, .. } if user.contains(secret))
}

/// No string in the file but a key is in the message.
fn quotes_nothing(text: &[u8], message: &str, also_keys: bool) {
    let Ok(value) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    let mut left = vec![&value];
    let mut strings: Vec<&str> = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    while let Some(value) = left.pop() {
        match value {
            Value::String(string) => strings.push(string),
            Value::Array(list) => left.extend(list),
            Value::Object(map) => {
                keys.extend(map.keys().map(String::as_str));
                left.extend(map.values());
            }
            _ => {}
        }
    }
    let own = "Setting File Docker's configuration as Docker writes it entry for auths credHelpers credsStore identitytoken registrytoken username password";
    let is_quoted =
        |string: &&&str| string.len() >= 8 && message.contains(**string) && !own.contains(**string);
    let in_keys = |string: &str| keys.iter().any(|key| key.contains(string));
    if let Some(quoted) = strings.iter().find(is_quoted) {
        assert!(!also_keys && in_keys(quoted), "{message} quotes {quoted:?}");
    }
}
