//! Requests of somebody who looks for a way in: an answer of 4xx, the memory bounded, and not a file changed.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::client::{CI, Registry, sha256};
use crate::observed::{assert_whole, manifest, most_resident, store};
use crate::random::Random;

const REQUESTS: usize = 10_000;
/// What a registry has at most while it is asked all this.
const MEMORY: u64 = 64 << 20;
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The status of the answer to bytes; none if there was no answer. With `ends` nothing comes after them.
fn status(registry: &Registry, request: &[u8], ends: bool) -> Option<u16> {
    let mut stream = TcpStream::connect(registry.address).unwrap();
    // a registry that refuses reads no further
    let _ = stream.write_all(request);
    if ends {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let line = String::from_utf8_lossy(answer.get(..12)?).into_owned();
    line.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

fn name(random: &mut Random) -> String {
    let long = "a/".repeat(200);
    let parts = [
        "..",
        ".",
        "a",
        "app",
        "%2e%2e",
        "%2f",
        "a%00",
        "\u{e4}",
        "_blobs",
        "_tags",
        "A",
        "-",
        "",
        "a..b",
        "tags",
        "blobs",
        "uploads",
        "manifests",
        "%",
        "%zz",
        "\\..\\",
        "a b",
        "?",
        "#",
        &long,
    ];
    let count = 1 + random.below(4);
    let chosen: Vec<&str> = (0..count).map(|_| random.of(&parts)).collect();
    chosen.join("/")
}

fn reference(random: &mut Random) -> String {
    let (digest, long) = (sha256(b"not there"), "t".repeat(200));
    let all = [
        "1",
        "..",
        ".x",
        "%2e",
        "latest",
        "a:b",
        "sha256:",
        "sha256:..",
        "sha512:00",
        "md5:00",
        "",
        "%00",
        &digest,
        &digest[..70],
        &long,
    ];
    random.of(&all).to_owned()
}

/// A request that changes nothing: what would be pushed has another digest, or is no manifest.
fn request(random: &mut Random) -> (bool, Vec<u8>) {
    let methods = [
        "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "CONNECT", "get", "X",
    ];
    let method = random.of(&methods);
    let mut name = name(random);
    if random.below(3) == 0 {
        "kept".clone_into(&mut name);
    }
    if method == "POST" {
        // an address that ends earlier could be that of a new upload
        name = name.replace(['?', '#'], "x");
    }
    let reference = reference(random);
    let other = sha256(b"something else");
    let path = match random.below(13) {
        0 => format!("/v2/{name}/manifests/{reference}"),
        1 => format!("/v2/{name}/blobs/{reference}"),
        2 => format!("/v2/{name}/blobs/uploads/?digest={other}"),
        3 => format!("/v2/{name}/blobs/uploads/{reference}?digest={other}"),
        4 => format!(
            "/v2/{name}/tags/list?n={}&last={reference}",
            random.below(1 << 40)
        ),
        5 => format!("/v2/{name}/referrers/{reference}"),
        6 => format!("/v2/{name}"),
        7 => format!("/v2/_catalog?n={reference}&last={name}"),
        8 => format!("/ui/{name}?page={reference}"),
        9 => format!("/ui/{name}/_/{reference}"),
        10 => format!("/ui/_/{name}"),
        11 => format!("/ui?search={name}&page={}", random.below(1 << 40)),
        _ => format!("/{name}"),
    };
    let length = random.below(300);
    let body = random.bytes(length);
    let range = [
        "0-1",
        "5-1",
        "bytes=0-",
        "bytes=9-1",
        "x",
        "bytes=-0",
        "0-18446744073709551615",
    ];
    let types = [
        IMAGE,
        "",
        "application/json",
        "\u{fc}",
        "text/html",
        "application/vnd.docker.distribution.manifest.v1+json",
    ];
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (header, value) in [
        ("Authorization", CI),
        ("Range", random.of(&range)),
        ("Content-Range", random.of(&range)),
        ("Content-Type", random.of(&types)),
        ("Accept", random.of(&types)),
    ] {
        if random.below(3) > 0 {
            let _ = write!(head, "{header}: {value}\r\n");
        }
    }
    let framing = match random.below(6) {
        0 => "Transfer-Encoding: chunked\r\n".to_owned(),
        1 => format!("Content-Length: {}\r\n", random.below(1 << 40)),
        2 => format!(
            "Content-Length: {length}\r\nContent-Length: {}\r\n",
            length + 1
        ),
        3 => "Content-Length: -1\r\n".to_owned(),
        _ => format!("Content-Length: {length}\r\n"),
    };
    head += &framing;
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    // some have another byte somewhere; in a POST it could be that of the digest, without which an upload begins
    if method != "POST" && random.below(4) == 0 {
        let at = random.below(path.len() + 4);
        bytes[at] = u8::try_from(random.below(256)).unwrap();
    }
    let reads = bytes.starts_with(b"GET ") || bytes.starts_with(b"HEAD ");
    (reads, bytes)
}

#[test]
fn ten_thousand_random_requests_change_nothing() {
    let mut registry = Registry::start();
    let blob = registry.push_blob("kept", b"x");
    registry.push_manifest("kept", "7", &manifest(&blob, &[]));
    let before = store(&registry);
    let (mut refused, mut shown) = (0, 0);
    let mut random = Random::new(3);
    for _ in 0..REQUESTS {
        let (reads, bytes) = request(&mut random);
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let Some(status) = status(&registry, &bytes, true) else {
            continue;
        };
        let is_answered = reads && matches!(status, 200 | 206 | 303);
        assert!(
            is_answered || (400..500).contains(&status),
            "{status}: {}",
            text()
        );
        refused += usize::from(status >= 400);
        shown += usize::from(is_answered);
    }
    assert!(refused > REQUESTS / 2 && shown > 10, "{refused}, {shown}");
    assert_eq!(store(&registry), before);
    let resident = most_resident(&mut registry);
    assert!(resident < MEMORY, "{resident}");
    assert_whole(&registry);
}

#[test]
fn guessed_and_broken_logins_are_refused_and_open_nothing() {
    let hash = "$2b$04$wVHHM1W/bMSpTU.3GoLDnu3TDyUbBcT9j7ijFvFzWrDcI3E5i5a8m";
    let mut registry = Registry::with(json!({"users": [
        {"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "push", "delete"]}]},
        {"name": "dave", "password": hash, "grants": [{"rights": ["pull"]}]},
    ]}));
    registry.push_blob("kept", b"x");
    let before = store(&registry);
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let registry = &registry;
            scope.spawn(move || {
                let mut random = Random::new(100 + thread);
                for _ in 0..40 {
                    let length = random.below(200);
                    let mut login = random.bytes(length);
                    let user = ["ci:", "dave:", "ci", "", ":", "nobody:", "\0:"];
                    login.splice(0..0, random.of(&user).bytes());
                    let value = match random.below(4) {
                        0 => format!("Basic {}", STANDARD.encode(&login)),
                        1 => format!("basic   {}", STANDARD.encode(&login)),
                        2 => format!("Bearer {}", STANDARD.encode(&login)),
                        _ => format!("Basic {}", hex::encode(&login)),
                    };
                    let head = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {value}\r\n\r\n");
                    let status = status(registry, head.as_bytes(), false);
                    assert!(matches!(status, Some(401 | 429)), "{status:?}: {value}");
                }
            });
        }
    });
    let log = registry.log();
    assert!(!log.contains("hunter2") && !log.contains(hash), "{log}");
    assert_eq!(store(&registry), before);
    let resident = most_resident(&mut registry);
    assert!(resident < MEMORY, "{resident}");
}

#[test]
fn manifests_of_a_hundred_megabytes_get_413_and_the_memory_stays() {
    let mut registry = Registry::start();
    let before = store(&registry);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let registry = &registry;
            scope.spawn(move || {
                let mut head = format!("PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {CI}\r\nContent-Type: {IMAGE}\r\n");
                let is_chunked = thread % 2 == 0;
                head.push_str(if is_chunked {
                    "Transfer-Encoding: chunked\r\n\r\n6400000\r\n"
                } else {
                    "Content-Length: 104857600\r\n\r\n"
                });
                let mut stream = TcpStream::connect(registry.address).unwrap();
                stream.write_all(head.as_bytes()).unwrap();
                let piece = vec![b'['; 1 << 20];
                // it stops reading when it has enough
                let sent = (0..100).take_while(|_| stream.write_all(&piece).is_ok());
                assert!(sent.count() < 100);
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                let text = String::from_utf8_lossy(&answer);
                assert!(text.starts_with("HTTP/1.1 413") && text.contains("4194304 bytes"), "{text}");
            });
        }
    });
    let deep = vec![b'['; 4 << 20];
    let path = "/v2/app/manifests/1";
    registry
        .ask("PUT", path, &[("Content-Type", IMAGE)], &deep)
        .assert(400);
    assert_eq!(store(&registry), before);
    let resident = most_resident(&mut registry);
    assert!(resident < MEMORY + (32 << 20), "{resident}");
}
