//! Blobs that do not come in one piece: cut connections, interrupted runs, servers without ranges.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use registry_client::{Client, Error, Settings};

use common::server::{Body, Reply, Server};
use common::trial::Trial;
use common::{LAYER, bytes, descriptor, fast};

#[test]
fn goes_on_where_a_connection_broke_at_every_tenth() {
    let blob = bytes(1_000_000);
    let layer = descriptor(LAYER, &blob);
    let source = blob.clone();
    // Each answer breaks off a tenth further.
    let server = Server::start(move |asked| {
        let from = asked.from().unwrap_or(0);
        Reply::blob(asked, &source).cut(100_000 + from / 1_000_000)
    });
    let trial = Trial::new(&server, fast());
    trial.fetch(&layer).unwrap();
    assert_eq!(trial.got(), blob);
    assert_eq!(server.asked().len(), 10);
    assert_eq!(server.sent(), 1_000_000, "no byte is sent twice");
}

#[test]
fn goes_on_where_an_interrupted_run_stopped_at_every_tenth() {
    let blob = bytes(1_000_000);
    let layer = descriptor(LAYER, &blob);
    for tenth in 0..=10 {
        let source = blob.clone();
        let server = Server::start(move |asked| Reply::blob(asked, &source));
        let trial = Trial::new(&server, fast());
        std::fs::write(&trial.part, &blob[..tenth * 100_000]).unwrap();
        trial.fetch(&layer).unwrap();
        assert_eq!(trial.got(), blob);
        assert_eq!(server.sent(), 1_000_000 - tenth as u64 * 100_000);
        assert_eq!(server.asked().len(), usize::from(tenth < 10), "{tenth}");
    }
}

#[test]
fn keeps_what_came_when_a_server_cuts_too_often() {
    let blob = bytes(1_000_000);
    let source = blob.clone();
    let server = Server::start(move |asked| {
        let cut = if asked.from().is_none() { 400_000 } else { 10 };
        Reply::blob(asked, &source).cut(cut)
    });
    let trial = Trial::new(&server, fast());
    let error = trial.fetch(&descriptor(LAYER, &blob)).unwrap_err();
    assert!(
        matches!(error, Error::Connection { attempts: 4, .. }),
        "{error:?}"
    );
    assert_eq!(trial.got(), blob[..400_040 - 10]);
}

#[test]
fn reads_past_what_it_has_when_a_server_ignores_ranges() {
    let blob = bytes(1_000_000);
    let source = blob.clone();
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::ok(&source).cut(300_000),
        1 => Reply::ok(&source).cut(700_000),
        _ => Reply::ok(&source),
    });
    let trial = Trial::new(&server, fast());
    trial.fetch(&descriptor(LAYER, &blob)).unwrap();
    assert_eq!(trial.got(), blob);
    assert_eq!(server.sent(), 2_000_000);
}

#[test]
fn does_without_ranges_when_a_server_sends_wrong_ones() {
    let blob = bytes(500_000);
    for (range, from) in [
        ("bytes 0-499999/500000", 0),
        ("bytes 200001-499999/500000", 200_001),
        ("bytes 200000-499999/999999", 200_000),
        ("nonsense", 200_000),
    ] {
        let source = blob.clone();
        let server = Server::start(move |asked| match asked.from() {
            Some(_) => Reply::new(206)
                .header("Content-Range", range)
                .body(Body::Whole(source[from..].to_vec())),
            None => Reply::ok(&source),
        });
        let trial = Trial::new(&server, fast());
        std::fs::write(&trial.part, &blob[..200_000]).unwrap();
        trial.fetch(&descriptor(LAYER, &blob)).unwrap();
        assert_eq!(trial.got(), blob, "{range}");
        assert_eq!(server.asked().len(), 2, "{range}");
    }
}

#[test]
fn begins_again_when_a_server_has_no_such_range() {
    let blob = bytes(500_000);
    let source = blob.clone();
    let server = Server::start(move |asked| match asked.from() {
        Some(_) => Reply::new(416),
        None => Reply::ok(&source),
    });
    let trial = Trial::new(&server, fast());
    std::fs::write(&trial.part, &blob[..200_000]).unwrap();
    trial.fetch(&descriptor(LAYER, &blob)).unwrap();
    assert_eq!(trial.got(), blob);
}

#[test]
fn begins_again_when_what_was_left_is_damaged_or_too_long() {
    let blob = bytes(500_000);
    let mut damaged = blob[..200_000].to_vec();
    damaged[17] ^= 1;
    for left in [
        damaged,
        bytes(500_000 + 1),
        bytes(700_000),
        vec![0; 500_000],
    ] {
        let source = blob.clone();
        let server = Server::start(move |asked| Reply::blob(asked, &source));
        let trial = Trial::new(&server, fast());
        std::fs::write(&trial.part, left).unwrap();
        trial.fetch(&descriptor(LAYER, &blob)).unwrap();
        assert_eq!(trial.got(), blob);
    }
}

#[test]
fn a_mirror_that_breaks_off_is_completed_by_the_registry() {
    let blob = bytes(300_000);
    let start = blob.clone();
    let mirror = Server::start(move |asked| match asked.from() {
        None => Reply::blob(asked, &start).cut(100_000),
        Some(_) => Reply::new(500),
    });
    let source = blob.clone();
    let registry = Server::start(move |asked| Reply::blob(asked, &source));
    let settings = Settings {
        mirrors: [(registry.address().to_owned(), vec![mirror.url()])].into(),
        ..fast()
    };
    let trial = Trial::new(&registry, settings);
    trial.fetch(&descriptor(LAYER, &blob)).unwrap();
    assert_eq!(trial.got(), blob);
    assert_eq!(registry.sent(), 200_000);
}

#[test]
fn an_empty_blob_needs_no_request() {
    let server = Server::start(|_| Reply::new(500));
    let trial = Trial::new(&server, fast());
    trial.fetch(&descriptor(LAYER, b"")).unwrap();
    assert_eq!(trial.got(), b"");
    assert!(server.asked().is_empty());
}

#[test]
fn a_cancelled_download_ends_at_once_and_can_be_taken_up() {
    let blob = bytes(1_000_000);
    let source = blob.clone();
    let calls = Mutex::new(0);
    let server = Server::start(move |asked| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        match *calls {
            1 => Reply::ok(&source).body(Body::Trickle(
                source.clone(),
                100_000,
                Duration::from_millis(500),
            )),
            _ => Reply::blob(asked, &source),
        }
    });
    let trial = Trial::new(&server, fast());
    let client = trial.client.clone();
    let started = Instant::now();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(700));
            client.cancel();
        });
        trial.fetch(&descriptor(LAYER, &blob))
    });
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    assert!(
        started.elapsed() < Duration::from_millis(1500),
        "{:?}",
        started.elapsed()
    );
    let left = trial.got();
    assert!(!left.is_empty() && left.len() < blob.len());
    assert_eq!(left, blob[..left.len()]);
    let again = Client::new(fast()).unwrap();
    again
        .blob(
            &trial.reference,
            &descriptor(LAYER, &blob),
            &trial.part,
            &|_| (),
        )
        .unwrap();
    assert_eq!(trial.got(), blob);
}
