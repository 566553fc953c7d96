//! What a registry says in headers, one a line: challenges, redirects, digests, waits.
#![no_main]

use fuzz::{check_error, check_message};
use libfuzzer_sys::fuzz_target;
use registry_client::fuzzing::{challenges, location, rate_limit, said_digest};

const FROM: &str = "https://registry.example:5000/v2/a/blobs/x?y=1";

fuzz_target!(|text: &str| {
    // others are no text for `http`, and passed over
    let is_header = |line: &&str| line.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let headers: Vec<&str> = text.lines().filter(is_header).collect();
    check_challenges(&headers);
    for header in headers {
        check_location(header);
        check_digest(header);
        if let Some((_, Some(limit))) = rate_limit(header) {
            check_message(&limit, " requests");
        }
    }
});

/// A realm with something in it or a scheme without parameters; written again, a challenge is read again as the same.
fn check_challenges(headers: &[&str]) {
    let (found, preferred) = challenges(headers);
    assert_eq!(found.is_empty(), preferred.is_none());
    let has_bearer = found.iter().any(Option::is_some);
    assert_eq!(
        preferred.is_some_and(|place| found[place].is_some()),
        has_bearer
    );
    let mut written = Vec::new();
    for challenge in &found {
        let Some((realm, service, scope)) = challenge else {
            written.push("Basic realm=\"x\"".to_owned());
            continue;
        };
        assert!(!realm.is_empty());
        let mut parameters = Vec::new();
        for (name, value) in [
            ("realm", Some(realm)),
            ("service", service.as_ref()),
            ("scope", scope.as_ref()),
        ] {
            if let Some(value) = value {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                parameters.push(format!("{name}=\"{value}\""));
            }
        }
        written.push(format!("Bearer {}", parameters.join(",")));
    }
    let separate: Vec<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(challenges(&separate).0, found, "{written:?}");
    assert_eq!(challenges(&[&written.join(", ")]).0, found, "{written:?}");
}

/// A redirect leads to a server by http, without a user and without a fragment, and from there to itself.
fn check_location(header: &str) {
    match location(FROM, header).expect("a URL") {
        Ok(url) => {
            assert!(
                url.starts_with("https://") || url.starts_with("http://"),
                "{url}"
            );
            let (_, rest) = url.split_once("://").expect("a scheme");
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            assert!(!authority.is_empty() && !authority.contains('@'), "{url}");
            assert!(!url.contains('#') && url.is_ascii(), "{url}");
            assert_eq!(location(&url, &url), Some(Ok(url.clone())));
        }
        Err(why) => check_message(why, "its Location"),
    }
}

fn check_digest(header: &str) {
    match said_digest(header) {
        Ok(Some(digest)) => assert_eq!(digest.to_string(), header.trim()),
        Ok(None) => assert!(!header.trim().starts_with("sha256:")),
        Err(error) => check_error(&error, "https://registry.example/v2/"),
    }
}
