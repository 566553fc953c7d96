//! What it counts, as Prometheus scrapes it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{CI, Registry, sha256};

/// The series of a scrape.
fn scrape(registry: &Registry) -> BTreeMap<String, f64> {
    let answer = registry.get("/metrics");
    let text = String::from_utf8(answer.assert(200).body.clone()).unwrap();
    let mut series = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let before = series.insert(name.to_owned(), value.parse().unwrap());
        assert_eq!(before, None, "{name} is there twice");
    }
    series
}

/// A series, once it has this value: what is sent is counted when it has left.
#[track_caller]
fn assert_comes_to(registry: &Registry, name: &str, expected: f64) {
    let began = Instant::now();
    loop {
        let found = scrape(registry).get(name).copied();
        if found.is_some_and(|found| (found - expected).abs() < 0.5) {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{name}: {found:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_scrape_has_what_was_asked_answered_and_sent() {
    let registry = Registry::start();
    let blob = vec![7; 300_000];
    let digest = registry.push_blob("team/app", &blob);
    registry
        .get(&format!("/v2/team/app/blobs/{digest}"))
        .assert(200);
    registry
        .get(&format!("/v2/team/app/blobs/{digest}"))
        .assert(200);
    registry.get("/v2/team/app/manifests/none").assert(404);
    registry.ask("BREW", "/v2/", &[], b"").assert(405);
    let requests = |method: &str, kind: &str, status: u16| {
        format!(
            "image_registry_requests_total{{method=\"{method}\",kind=\"{kind}\",status=\"{status}\"}}"
        )
    };
    assert_comes_to(&registry, &requests("POST", "upload", 201), 1.0);
    assert_comes_to(&registry, &requests("GET", "blob", 200), 2.0);
    assert_comes_to(&registry, &requests("GET", "manifest", 404), 1.0);
    assert_comes_to(&registry, &requests("other", "ping", 405), 1.0);
    assert_comes_to(
        &registry,
        "image_registry_answered_bytes_total{kind=\"blob\"}",
        600_000.0,
    );
    assert_comes_to(
        &registry,
        "image_registry_request_duration_seconds_count{kind=\"blob\"}",
        2.0,
    );
    let series = scrape(&registry);
    assert!(series["image_registry_received_bytes_total"] > 300_000.0);
    assert!(series["image_registry_sent_bytes_total"] > 600_000.0);
    let (free, size) = (
        series["image_registry_store_free_bytes"],
        series["image_registry_store_size_bytes"],
    );
    assert!(0.0 < free && free < size, "{free} {size}");
}

#[test]
fn uploads_connections_and_failed_logins_are_counted() {
    let registry = Registry::start();
    assert_comes_to(&registry, "image_registry_open_uploads", 0.0);
    let upload = registry.begin("team/app");
    assert_comes_to(&registry, "image_registry_open_uploads", 1.0);
    registry.ask("DELETE", &upload, &[], b"").assert(204);
    assert_comes_to(&registry, "image_registry_open_uploads", 0.0);
    // the scrape's own
    assert_comes_to(&registry, "image_registry_connections", 1.0);
    let idle = TcpStream::connect(registry.address).unwrap();
    assert_comes_to(&registry, "image_registry_connections", 2.0);
    drop(idle);
    assert_comes_to(&registry, "image_registry_connections", 1.0);
    let wrong = [("Authorization", "Basic Y2k6eA==")];
    registry
        .ask_as_it_is("GET", "/v2/", &wrong, b"")
        .assert(401);
    registry
        .ask_as_it_is("GET", "/metrics", &wrong, b"")
        .assert(401);
    assert_comes_to(
        &registry,
        "image_registry_failed_logins_total{outcome=\"wrong\"}",
        2.0,
    );
}

#[test]
fn a_collection_is_counted_with_what_it_freed_and_a_dry_run_is_not() {
    let registry = Registry::start();
    registry.push_blob("team/app", &[1; 5000]);
    let trial = ["collect-garbage", "--grace", "0", "--dry-run"];
    assert_eq!(registry.command(&trial).0, 0);
    let before = scrape(&registry);
    assert!(before["image_registry_collections_total"] < 0.5);
    assert_eq!(registry.command(&trial[..3]).0, 0);
    assert_comes_to(&registry, "image_registry_collections_total", 1.0);
    let series = scrape(&registry);
    assert!((series["image_registry_collected_bytes_total"] - 5000.0).abs() < 0.5);
    assert!((series["image_registry_collected_blobs_total"] - 1.0).abs() < 0.5);
    assert!(series["image_registry_last_collection_timestamp_seconds"] > 1_700_000_000.0);
}

#[test]
fn metrics_need_a_login_unless_anything_may_be_pulled_without_one() {
    let registry = Registry::start();
    let refused = registry.ask_as_it_is("GET", "/metrics", &[], b"");
    assert!(
        refused
            .assert(401)
            .header("www-authenticate")
            .starts_with("Basic ")
    );
    registry.ask("DELETE", "/metrics", &[], b"").assert(405);
    let head = registry.ask("HEAD", "/metrics", &[], b"");
    assert!(head.assert(200).body.is_empty());
    let open =
        Registry::with(json!({"anonymous": [{"repositories": "public", "rights": ["pull"]}]}));
    open.ask_as_it_is("GET", "/metrics", &[], b"").assert(200);
}

#[test]
fn who_asks_for_open_metrics_gets_it() {
    let registry = Registry::start();
    let plain = registry.get("/metrics");
    assert!(
        plain
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let accept = [(
        "Accept",
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    )];
    let open = registry.ask("GET", "/metrics", &accept, b"");
    assert!(
        open.header("content-type")
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(open.body.ends_with(b"# EOF\n"));
}

#[test]
fn no_client_makes_series_of_its_own() {
    let registry = Registry::start();
    for round in 0..50 {
        registry.get(&format!("/v2/x{round}/tags/list")).assert(404);
        registry.get(&format!("/x{round}")).assert(404);
        registry
            .ask(&format!("M{round}"), "/v2/", &[], b"")
            .assert(405);
    }
    let digest = sha256(b"x");
    // one that goes away with its answer half read
    registry.push_blob("a", &vec![0; 5_000_000]);
    let path = format!("/v2/a/blobs/{}", sha256(&vec![0; 5_000_000]));
    let mut stream = TcpStream::connect(registry.address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {CI}\r\n\r\n");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    assert_comes_to(
        &registry,
        "image_registry_request_duration_seconds_count{kind=\"blob\"}",
        1.0,
    );
    let series = scrape(&registry);
    assert!(series["image_registry_answered_bytes_total{kind=\"blob\"}"] < 5_000_000.0);
    let text = format!("{series:?}");
    assert!(
        !text.contains("x1") && !text.contains("M1") && !text.contains(&digest),
        "{text}"
    );
    assert!(series.len() < 120, "{}", series.len());
}
