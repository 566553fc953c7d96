//! Registries that break off, lie and turn in circles: no client takes a part for the whole, and nothing wrong is kept.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{CI, Registry};
use crate::upstream::{Action, Upstream, mirror, noise, roomy};

/// The bytes of a body that came, and whether they are as many as its head says.
fn received(registry: &Registry, path: &str) -> (u16, Vec<u8>, bool) {
    let mut stream = TcpStream::connect(registry.address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {CI}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut all = Vec::new();
    // one that is cut may end with a reset
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(all[..end].to_vec())
        .unwrap()
        .to_lowercase();
    let length: usize = head
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split('\r')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = all.split_off(end);
    let is_whole = body.len() == length;
    (status, body, is_whole)
}

fn files(registry: &Registry, directory: &str) -> Vec<std::path::PathBuf> {
    let found = std::fs::read_dir(registry.store(directory)).unwrap();
    found.map(|entry| entry.unwrap().path()).collect()
}

/// Nothing of a fetch is left, after a while.
fn assert_nothing_kept(registry: &Registry) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !files(registry, "cache/tmp").is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(files(registry, "cache/tmp").is_empty());
    assert!(files(registry, "cache/blobs/sha256").is_empty());
}

#[test]
fn a_transfer_that_is_cut_at_every_tenth_goes_on_where_it_was() {
    let layer = noise(1_000_000, 1);
    for can_range in [true, false] {
        let upstream = Upstream::serving();
        let digest = upstream.blob("a", &layer);
        upstream.script(move |asked| {
            let cut = (asked.before + 1) * 100_000;
            if asked.before < 10 && can_range {
                Action::Cut(cut)
            } else if asked.before < 3 {
                // one that knows no ranges sends it from its beginning
                Action::Cut(usize::min(cut, 900_000))
            } else {
                Action::ServeWhole
            }
        });
        let registry = roomy(&upstream);
        let (status, body, is_whole) =
            received(&registry, &format!("/v2/docker.io/a/blobs/{digest}"));
        assert!(
            status == 200 && is_whole && body == layer,
            "{can_range}: {} of it",
            body.len()
        );
        if can_range {
            let ranges: Vec<String> = upstream
                .asked()
                .iter()
                .filter_map(|asked| asked.headers.get("range").cloned())
                .collect();
            let expected: Vec<String> = (1..10)
                .map(|tenth| format!("bytes={}-", tenth * 100_000))
                .collect();
            assert_eq!(ranges, expected);
            assert_eq!(upstream.sent(), 1_000_000);
        }
    }
}

#[test]
fn a_transfer_that_cannot_go_on_is_cut_and_nothing_of_it_is_kept() {
    let layer = noise(300_000, 1);
    let upstream = Upstream::serving();
    let digest = upstream.blob("a", &layer);
    upstream.script(|asked| {
        if asked.before == 0 {
            Action::Cut(100_000)
        } else {
            Action::Status(404, Vec::new())
        }
    });
    let registry = roomy(&upstream);
    let path = format!("/v2/docker.io/a/blobs/{digest}");
    let (status, body, is_whole) = received(&registry, &path);
    assert!(
        status == 200 && !is_whole && body == layer[..100_000],
        "{}",
        body.len()
    );
    assert_nothing_kept(&registry);
    upstream.script(|_| Action::Serve);
    assert!(registry.get(&path).assert(200).body == layer);
}

#[test]
fn wrong_bytes_never_come_to_their_end_and_wrong_lengths_are_not_begun() {
    let layer = noise(300_000, 1);
    for max_size in ["10M", "100K"] {
        let upstream = Upstream::serving();
        let (_, layers) = upstream.image("a", "1", std::slice::from_ref(&layer));
        let registry = mirror(&upstream.url(), json!({"max_size": max_size}), json!({}));
        registry.get("/v2/docker.io/a/manifests/1").assert(200);
        let path = format!("/v2/docker.io/a/blobs/{}", layers[0]);
        let mut wrong = layer.clone();
        wrong[150_000] ^= 1;
        upstream.script(move |_| Action::Other(wrong.clone()));
        let (status, body, is_whole) = received(&registry, &path);
        assert!(
            status == 200 && !is_whole && body.len() < layer.len(),
            "{}",
            body.len()
        );
        assert_nothing_kept(&registry);
        let deadline = Instant::now() + Duration::from_secs(5);
        while !registry.log().contains("came with the digest sha256:") {
            assert!(Instant::now() < deadline, "{}", registry.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        for length in [299_999, 300_001, 0] {
            upstream.script(move |_| Action::Other(noise(length, 1)));
            let (status, _, is_whole) = received(&registry, &path);
            assert_eq!((status, is_whole), (502, true), "{length}");
        }
        assert_nothing_kept(&registry);
        upstream.script(|_| Action::Serve);
        assert!(registry.get(&path).assert(200).body == layer);
    }
}

#[test]
fn a_manifest_that_is_another_one_is_not_given_out() {
    let upstream = Upstream::serving();
    let (digest, _) = upstream.image("a", "1", &[]);
    let registry = roomy(&upstream);
    upstream.script(|_| Action::Other(b"{\"schemaVersion\":2}".to_vec()));
    registry
        .get(&format!("/v2/docker.io/a/manifests/{digest}"))
        .assert(502);
    upstream.script(|_| Action::Other(vec![b' '; 5 << 20]));
    registry
        .get(&format!("/v2/docker.io/a/manifests/{digest}"))
        .assert(502);
    upstream.script(|_| Action::Document(json!({"schemaVersion": 2})));
    registry.get("/v2/docker.io/a/manifests/1").assert(502);
    upstream.script(|_| Action::Serve);
    registry
        .get(&format!("/v2/docker.io/a/manifests/{digest}"))
        .assert(200);
}

#[test]
fn redirects_are_followed_a_few_times_and_storms_end() {
    let upstream = Upstream::serving();
    let digest = upstream.blob("a", b"x");
    let registry = roomy(&upstream);
    let path = format!("/v2/docker.io/a/blobs/{digest}");
    upstream.script(|asked| Action::Status(307, vec![("Location", asked.path.clone())]));
    let looped = registry.get(&path);
    assert!(String::from_utf8_lossy(&looped.assert(502).body).contains("redirects more than"));
    assert_eq!(upstream.asked().len(), 6);
    for location in ["ftp://x/y", "", "file:///etc/passwd"] {
        upstream.script(move |_| Action::Status(302, vec![("Location", location.to_owned())]));
        registry.get(&path).assert(502);
    }
    for (status, expected) in [
        (401, 502),
        (403, 502),
        (429, 429),
        (500, 502),
        (503, 502),
        (400, 502),
    ] {
        upstream.script(move |_| Action::Status(status, Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| registry.get(&path).assert(expected).status);
            }
        });
    }
    upstream.script(|asked| {
        let realm = format!("Bearer realm=\"http://{}/token\"", asked.headers["host"]);
        Action::Status(401, vec![("WWW-Authenticate", realm)])
    });
    registry.get(&path).assert(502);
    upstream.script(|_| Action::Serve);
    registry.get(&path).assert(200);
    assert!(upstream.asked().len() < 200, "{}", upstream.asked().len());
}

#[test]
fn a_slow_trickle_is_read_along_and_silence_is_not_waited_for() {
    let upstream = Upstream::start(|_| Action::Slow(1000, Duration::from_millis(50)));
    let layer = noise(20_000, 1);
    let digest = upstream.blob("a", &layer);
    let registry = mirror(
        &upstream.url(),
        json!({"max_size": "10M"}),
        json!({"timeout_seconds": 1}),
    );
    assert!(
        registry
            .get(&format!("/v2/docker.io/a/blobs/{digest}"))
            .assert(200)
            .body
            == layer
    );
    let digest = upstream.blob("b", &layer);
    upstream.script(|_| Action::Silent(Duration::from_secs(20)));
    let began = Instant::now();
    let silent = registry.get(&format!("/v2/docker.io/b/blobs/{digest}"));
    let text = String::from_utf8_lossy(&silent.assert(504).body).into_owned();
    assert!(
        text.contains("docker.io") && began.elapsed() < Duration::from_secs(10),
        "{text}"
    );
}
