//! A file of the json-file driver: each entry is copied with its time and stream, and what is none is counted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use service_logs::fuzzing::copied;

fuzz_target!(|file: &[u8]| {
    let (out, left_out) = copied(file);
    assert!(left_out <= file.len());
    assert_eq!(
        out.is_empty(),
        left_out == file.len(),
        "something is copied, or all is left out"
    );
    assert!(out.is_empty() || out.ends_with(b"\n"));
    // times are filled up to nine digits, and letters of escapes become three bytes at most
    assert!(out.len() <= file.len() * 3);
    let text = String::from_utf8(out).expect("an entry is text");
    for line in file.split(|byte| *byte == b'\n') {
        let Ok(entry) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let (Some(log), Some(_), Some(_)) = (
            entry["log"].as_str(),
            entry["stream"].as_str(),
            entry["time"].as_str(),
        ) else {
            continue;
        };
        let is_entry = copied(line).1 < line.len();
        // as dockerd writes it: a name that stands there twice is none of its
        assert!(is_entry || serde_json::to_vec(&entry).is_ok_and(|written| written != line));
        let log = log.strip_suffix('\n').unwrap_or(log);
        let log = log.strip_suffix('\r').unwrap_or(log);
        assert!(
            !is_entry || text.contains(log),
            "{log:?} is not in {text:?}"
        );
    }
});
