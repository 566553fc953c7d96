//! One fetch for all who want it, along which they read.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{CI, Registry};
use crate::upstream::{Action, Upstream, mirror, noise, roomy, wait_for};

#[test]
fn twenty_clients_cause_one_fetch_from_a_real_registry_and_read_along() {
    let everything = json!([{"rights": ["pull", "push"]}]);
    let upstream = Registry::with(
        json!({"users": [{"name": "ci", "password": "hunter2", "grants": everything}]}),
    );
    let layers: Vec<Vec<u8>> = (0..3).map(|seed| noise(3_000_000, seed)).collect();
    let digests: Vec<String> = layers
        .iter()
        .map(|layer| upstream.push_blob("library/redis", layer))
        .collect();
    let config = upstream.push_blob("library/redis", b"{}");
    let media_type = crate::upstream::MANIFEST;
    let entries: Vec<_> = digests
        .iter()
        .map(|digest| json!({"mediaType": "x/y", "digest": digest, "size": 3_000_000}))
        .collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": {"mediaType": "x/y", "digest": config, "size": 2}, "layers": entries});
    upstream.push_manifest("library/redis", "7", &manifest);
    let url = format!("http://{}", upstream.address);
    let login = json!({"username": "ci", "password": "hunter2"});
    let registry = mirror(&url, json!({"max_size": "100M"}), login);
    let asked_before = upstream.log().matches("method=GET").count();
    std::thread::scope(|scope| {
        for client in 0..20 {
            let (registry, digests, layers) = (&registry, &digests, &layers);
            scope.spawn(move || {
                registry
                    .get("/v2/docker.io/library/redis/manifests/7")
                    .assert(200);
                for at in 0..3 {
                    let at = (at + client) % 3;
                    let blob = registry.get(&format!(
                        "/v2/docker.io/library/redis/blobs/{}",
                        digests[at]
                    ));
                    assert!(blob.assert(200).body == layers[at]);
                }
            });
        }
    });
    let log = upstream.log();
    let gets = log.matches("method=GET").count() - asked_before;
    let unauthorized = log.matches("status=401").count();
    assert_eq!(
        gets - unauthorized,
        4,
        "one manifest and three layers: {log}"
    );
    assert!(!registry.log().contains("hunter2"));
}

#[test]
fn bytes_of_twenty_cold_clients_are_those_of_the_image() {
    let upstream = Upstream::start(|_| Action::Slow(100_000, Duration::from_millis(10)));
    let layer = noise(2_000_000, 1);
    let (_, layers) = upstream.image("a", "1", std::slice::from_ref(&layer));
    let registry = roomy(&upstream);
    let path = format!("/v2/docker.io/a/blobs/{}", layers[0]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert!(registry.get(&path).assert(200).body == layer));
        }
    });
    assert_eq!(upstream.sent(), 2_000_000);
    assert_eq!(upstream.asked().len(), 1);
}

fn begin(registry: &Registry, path: &str, more: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(registry.address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {CI}\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0);
    }
    reader
}

#[test]
fn the_first_bytes_come_while_the_rest_does_not_and_a_client_that_leaves_ends_nothing() {
    let released = Arc::new(AtomicBool::new(false));
    let gate = released.clone();
    let upstream = Upstream::start(move |_| Action::Hold(gate.clone()));
    let layer = noise(1_000_000, 2);
    let digest = upstream.blob("a", &layer);
    let registry = mirror(
        &upstream.url(),
        json!({"max_size": "10M"}),
        json!({"timeout_seconds": 20}),
    );
    let path = format!("/v2/docker.io/a/blobs/{digest}");
    let began = Instant::now();
    let mut first = begin(&registry, &path, "");
    let mut half = vec![0; 500_000];
    first.read_exact(&mut half).unwrap();
    assert!(half == layer[..500_000]);
    let mut part = begin(&registry, &path, "Range: bytes=1000-400999\r\n");
    let mut middle = Vec::new();
    part.read_to_end(&mut middle).unwrap();
    assert!(middle == layer[1000..401_000]);
    let mut second = begin(&registry, &path, "");
    let mut some = vec![0; 1000];
    second.read_exact(&mut some).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    drop(first);
    released.store(true, Ordering::SeqCst);
    second.read_to_end(&mut some).unwrap();
    assert!(some == layer);
    drop(second);
    assert!(registry.get(&path).assert(200).body == layer);
    assert_eq!(upstream.gets(&path.replace("/docker.io", "")), 1);
    assert_eq!(upstream.sent(), 1_000_000);
}

#[test]
fn a_fetch_goes_on_when_all_of_its_clients_left() {
    let upstream = Upstream::start(|_| Action::Slow(50_000, Duration::from_millis(20)));
    let layer = noise(1_000_000, 3);
    let (_, layers) = upstream.image("a", "1", std::slice::from_ref(&layer));
    let registry = roomy(&upstream);
    registry.get("/v2/docker.io/a/manifests/1").assert(200);
    let path = format!("/v2/docker.io/a/blobs/{}", layers[0]);
    drop(begin(&registry, &path, ""));
    wait_for(&registry, &layers[0]);
    upstream.script(|_| Action::Status(500, Vec::new()));
    assert!(registry.get(&path).assert(200).body == layer);
    assert_eq!(upstream.gets(&path.replace("/docker.io", "")), 1);
}
