//! Blobs of servers that lie, stall and never end.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::time::{Duration, Instant};

use registry_client::{Error, Settings};

use common::server::{Asked, Body, Reply, Server};
use common::trial::Trial;
use common::{LAYER, bytes, descriptor, fast, hasty};

#[test]
fn refuses_other_bytes_and_leaves_none_of_them() {
    let blob = bytes(500_000);
    let layer = descriptor(LAYER, &blob);
    let mut wrong = blob.clone();
    wrong[400_000] ^= 1;
    let server = Server::start(move |asked| Reply::blob(asked, &wrong));
    let trial = Trial::new(&server, fast());
    let error = trial.fetch(&layer).unwrap_err();
    assert!(
        matches!(error, Error::WrongDigest { expected, .. } if expected == layer.digest),
        "{error:?}"
    );
    assert!(error.is_verification());
    assert_eq!(trial.got(), b"");
    assert_eq!(server.asked().len(), 1, "asking again would not help");
}

#[test]
fn refuses_another_size_before_a_byte_is_read() {
    let blob = bytes(100_000);
    for other in [99_999, 100_001, 10_000_000] {
        let server = Server::start(move |asked| Reply::blob(asked, &bytes(other)));
        let trial = Trial::new(&server, fast());
        let error = trial.fetch(&descriptor(LAYER, &blob)).unwrap_err();
        let Error::WrongSize {
            actual,
            expected,
            at_least: false,
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((actual, expected), (other as u64, 100_000));
        assert_eq!(trial.got(), b"");
    }
}

#[test]
fn stops_an_endless_stream_at_the_blobs_size() {
    let server = Server::start(|_| Reply::new(200).body(Body::Endless));
    let trial = Trial::new(&server, fast());
    let error = trial
        .fetch(&descriptor(LAYER, &bytes(1_000_000)))
        .unwrap_err();
    assert!(
        matches!(error, Error::WrongSize { at_least: true, .. }),
        "{error:?}"
    );
    assert_eq!(trial.got(), b"");
    assert!(server.sent() < 20_000_000, "{}", server.sent());
}

#[test]
fn gives_up_on_a_trickle_and_on_silence_in_bounded_time() {
    let blob = bytes(100_000);
    let trickled = blob.clone();
    let trickle = move |asked: &Asked| {
        let from = asked.from().unwrap_or(0);
        Reply::part(&trickled, from).body(Body::Trickle(
            trickled[from..].to_vec(),
            20,
            Duration::from_millis(20),
        ))
    };
    let from_start = move |asked: &Asked| match asked.from() {
        Some(_) => trickle(asked),
        None => Reply::new(200).body(Body::Trickle(bytes(100_000), 20, Duration::from_millis(20))),
    };
    let silence = |_: &Asked| {
        Reply::new(200)
            .body(Body::Silence)
            .header("Content-Length", "100000")
    };
    for server in [Server::start(from_start), Server::start(silence)] {
        let trial = Trial::new(&server, hasty());
        let started = Instant::now();
        let error = trial.fetch(&descriptor(LAYER, &blob)).unwrap_err();
        assert!(
            matches!(error, Error::Stalled { attempts: 4, .. }),
            "{error:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(8));
    }
}

#[test]
fn a_mirror_that_lies_is_passed_over() {
    let blob = bytes(300_000);
    let mut wrong = blob.clone();
    wrong[299_999] ^= 1;
    let mirror = Server::start(move |asked| Reply::blob(asked, &wrong));
    let source = blob.clone();
    let registry = Server::start(move |asked| Reply::blob(asked, &source));
    let settings = Settings {
        mirrors: [(registry.address().to_owned(), vec![mirror.url()])].into(),
        ..fast()
    };
    let trial = Trial::new(&registry, settings);
    trial.fetch(&descriptor(LAYER, &blob)).unwrap();
    assert_eq!(trial.got(), blob);
    assert_eq!((mirror.asked().len(), registry.asked().len()), (1, 1));
}

#[test]
fn says_what_mirror_and_registry_each_did() {
    let mirror = Server::start(|_| Reply::new(404));
    let registry = Server::start(|_| Reply::new(403));
    let settings = Settings {
        mirrors: [(registry.address().to_owned(), vec![mirror.url()])].into(),
        ..fast()
    };
    let error = Trial::new(&registry, settings)
        .fetch(&descriptor(LAYER, b"x"))
        .unwrap_err();
    let text = common::everything_of(&error);
    assert!(
        text.contains(&format!("neither mirror {}", mirror.address())),
        "{text}"
    );
    assert!(
        text.contains(&format!("{} denied access", registry.address())),
        "{text}"
    );
}
