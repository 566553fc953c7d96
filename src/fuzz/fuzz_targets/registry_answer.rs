//! What a registry says in a body, after a line with its media type: manifests, errors, tokens.
#![no_main]

use fuzz::{check_error, check_message};
use image_archive::MediaType;
use libfuzzer_sys::fuzz_target;
use registry_client::fuzzing::{media_type, messages, token};
use serde::de::IgnoredAny;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let end = text
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(text.len());
    let (declared, rest) = text.split_at(end);
    let body = rest.get(1..).unwrap_or_default();
    check_manifest(&String::from_utf8_lossy(declared), body);
    check_token(body);
    for message in messages(body, &["hunter2", "geheim"]).into_iter().flatten() {
        check_message(&message, "");
        assert!(message.chars().count() <= 201, "{message:?} is long");
        assert!(
            !message.contains("hunter2") && !message.contains("geheim"),
            "{message:?}"
        );
    }
});

/// A document is an index or a manifest, by its media type and by its fields, and never both.
fn check_manifest(declared: &str, body: &[u8]) {
    let kind = match media_type(declared, body) {
        Ok(kind) => kind,
        Err(error) => return check_error(&error, "registry.example"),
    };
    // what is passed over need not be text
    serde_json::from_slice::<IgnoredAny>(body).expect("what was taken is JSON");
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let has = |field: &str| !document[field].is_null();
    let is_manifest = has("layers") || has("config");
    match MediaType::of(&kind) {
        MediaType::Index => assert!(has("manifests") && !is_manifest, "{kind}"),
        MediaType::Manifest => assert!(is_manifest && !has("manifests"), "{kind}"),
        other => panic!("{kind} is {other:?}"),
    }
    assert_eq!(
        media_type(&kind, body).ok(),
        Some(kind),
        "as what it was taken"
    );
}

/// A token is one that a header can carry, for a minute at least and a day at most.
fn check_token(body: &[u8]) {
    match token(body) {
        Ok((header, life)) => {
            let token = header.strip_prefix("Bearer ").expect("a bearer token");
            assert!(
                !token.is_empty()
                    && !token.contains(|letter: char| letter.is_ascii_control() && letter != '\t')
            );
            assert!((60..=86_400).contains(&life.as_secs()));
        }
        Err(why) => check_message(why, "its "),
    }
}
