//! Streams of the Engine API: wherever they are cut, the same is read; a failure in them is one.
#![no_main]

use docker_engine::fuzzing::{demultiplexed, error_message, events, frames, load_report};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    check_output(bytes);
    check_events(bytes);
    check_load(bytes);
    let message = error_message(bytes);
    assert!(message.len() <= bytes.len() * 3, "{message:?} is made up");
});

/// Output is heard the same however it is cut, and is what is read of it whole.
fn check_output(bytes: &[u8]) {
    let whole = frames([bytes].into_iter());
    assert!(whole.len() <= bytes.len());
    for size in [1, 3, 8] {
        assert_eq!(frames(bytes.chunks(size)), whole, "in parts of {size}");
    }
    if let Some(text) = demultiplexed(bytes) {
        assert_eq!(text, whole);
    }
}

/// Each value of the stream is an event; what is left is less than one.
fn check_events(bytes: &[u8]) {
    let (found, rest, is_broken) = events(bytes.to_vec());
    assert!(bytes.ends_with(&rest));
    let read = &bytes[..bytes.len() - rest.len()];
    // what is passed over need not be text
    let values = serde_json::Deserializer::from_slice(read).into_iter::<IgnoredAny>();
    assert_eq!(values.map_while(Result::ok).count(), found.len());
    let again = events(rest.clone());
    assert_eq!((again.0.len(), again.1, again.2), (0, rest, is_broken));
}

/// A report without a failure is JSON to its end, and tells of no error.
fn check_load(bytes: &[u8]) {
    let (report, failure) = load_report(bytes);
    assert!(report.lines.len() <= 1000);
    assert!(
        report
            .lines
            .iter()
            .all(|line| !line.is_empty() && !line.contains('\n'))
    );
    if let Some(why) = failure {
        assert!(!why.is_empty());
    } else {
        let values: Result<Vec<IgnoredAny>, _> = serde_json::Deserializer::from_slice(bytes)
            .into_iter()
            .collect();
        values.expect("a whole reply");
        let values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
        for value in values.map_while(Result::ok) {
            assert!(
                value["error"].as_str().unwrap_or_default().is_empty(),
                "{value}"
            );
            assert!(value["errorDetail"].is_null(), "{value}");
        }
        assert!(!report.lines.iter().any(|line| line.starts_with("Error ")));
    }
}
