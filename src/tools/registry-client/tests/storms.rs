//! Servers that are overloaded, or say so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use image_archive::Reference;
use registry_client::{Client, Error, Resolved, Result};

use common::server::{Reply, Server};
use common::{everything_of, fast, hint_of};

const DOCUMENT: &[u8] = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;

fn resolve(server: &Server) -> Result<Resolved> {
    let reference: Reference = format!("{}/team/app:1", server.address()).parse().unwrap();
    Client::new(fast()).unwrap().resolve(&reference)
}

/// Fails this often, then does not.
fn failing(times: usize, failure: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    let calls = AtomicUsize::new(0);
    Server::start(move |_| {
        if calls.fetch_add(1, Ordering::SeqCst) < times {
            failure()
        } else {
            Reply::ok(DOCUMENT)
        }
    })
}

#[test]
fn tries_again_what_may_pass() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = failing(3, move || Reply::new(status));
        resolve(&server).unwrap();
        assert_eq!(server.asked().len(), 4, "{status}");
    }
}

#[test]
fn does_not_try_again_what_will_not_pass() {
    for status in [400, 403, 404, 410, 418] {
        let server = failing(9, move || Reply::new(status));
        let error = resolve(&server).unwrap_err();
        assert_eq!(server.asked().len(), 1, "{status}");
        assert_eq!(matches!(error, Error::NotFound { .. }), status == 404);
        assert_eq!(matches!(error, Error::Denied { .. }), status == 403);
    }
}

#[test]
fn a_storm_ends_after_the_attempts_that_there_are() {
    let server = failing(usize::MAX, || Reply::new(503));
    let error = resolve(&server).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Status {
                status: 503,
                attempts: 4,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn waits_as_long_as_a_registry_asks_it_to() {
    let server = failing(1, || Reply::new(429).header("Retry-After", "1"));
    let started = Instant::now();
    resolve(&server).unwrap();
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_secs(1) && waited < Duration::from_secs(4),
        "{waited:?}"
    );
}

#[test]
fn says_what_the_limit_is_and_when_to_come_back_rather_than_wait_for_hours() {
    let server = failing(usize::MAX, || {
        Reply::new(429)
            .header("Retry-After", "18900")
            .header("RateLimit-Limit", "100;w=21600")
            .header("RateLimit-Remaining", "0;w=21600")
            .body(common::server::Body::Whole(
                br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#.to_vec(),
            ))
    });
    let started = Instant::now();
    let error = resolve(&server).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(
        error.to_string(),
        format!(
            "{} limits requests (100 requests in 6 h, 0 left): You have reached your pull rate limit.; it can be asked again in 5 h 15 min",
            server.address()
        )
    );
    assert!(hint_of(&error).contains("docker login"));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn tries_again_when_nobody_listens_and_says_so() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let reference: Reference = format!("{address}/team/app:1").parse().unwrap();
    let error = Client::new(fast())
        .unwrap()
        .resolve(&reference)
        .unwrap_err();
    assert!(
        matches!(error, Error::Connection { attempts: 4, .. }),
        "{error:?}"
    );
    assert!(everything_of(&error).contains("refused"), "{error:?}");
}

#[test]
fn puts_what_a_registry_says_on_one_line() {
    let server = failing(9, || {
        Reply::new(403).body(common::server::Body::Whole(
            br#"{"errors":[{"code":"DENIED","message":"no\n\u001b[2Jsee https://x/y?token=verborgen"}]}"#.to_vec(),
        ))
    });
    let text = everything_of(&resolve(&server).unwrap_err());
    assert!(text.contains("denied access to team/app:1"), "{text}");
    assert!(
        !text.contains('\u{1b}') && !text.contains("verborgen"),
        "{text}"
    );
}
