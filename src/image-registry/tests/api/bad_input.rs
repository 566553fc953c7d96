//! What is no request of a client that means well: an answer of 4xx, and nothing changed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::client::{CI, Registry, sha256};

#[test]
fn names_that_lead_elsewhere_are_refused_and_nothing_is_made() {
    let registry = Registry::start();
    let digest = sha256(b"x");
    for name in [
        "..",
        "a/..",
        "a/../../b",
        "%2e%2e",
        "a%2fb",
        "a%00",
        "A",
        "a//b",
        "_blobs",
        "a/_tags",
        ".",
        "-",
        "a%0d%0ab",
    ] {
        for path in [
            format!("/v2/{name}/blobs/uploads/?digest={digest}"),
            format!("/v2/{name}/manifests/1"),
            format!("/v2/{name}/blobs/{digest}"),
        ] {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                let answer = registry.ask(method, &path, &[], b"x");
                assert!(
                    (400..500).contains(&answer.status),
                    "{method} {path}: {}",
                    answer.status
                );
            }
        }
    }
    for tag in ["..", ".x", "a%2f..", &"t".repeat(129), "sha256:x", "a:b"] {
        let answer = registry.ask("PUT", &format!("/v2/a/manifests/{tag}"), &[], b"{}");
        assert!(
            (400..500).contains(&answer.status),
            "{tag}: {}",
            answer.status
        );
    }
    for directory in ["repositories", "uploads", "blobs", "tmp"] {
        assert_eq!(
            std::fs::read_dir(registry.store(directory))
                .unwrap()
                .count(),
            0,
            "{directory}"
        );
    }
}

#[test]
fn bytes_that_are_no_http_do_not_end_the_registry() {
    let registry = Registry::start();
    let mut state = 1_u64;
    let mut random = move || {
        // xorshift: the same bytes at each run
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state % 256).unwrap()
    };
    for round in 0..300 {
        let noise: Vec<u8> = (0..round).map(|_| random()).collect();
        let mut stream = TcpStream::connect(registry.address).unwrap();
        let head = match round % 3 {
            0 => String::new(),
            1 => "GET /v2/".to_owned(),
            _ => format!(
                "PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: x\r\nAuthorization: {CI}\r\nContent-Length: {round}\r\n\r\n"
            ),
        };
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&noise);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    registry.get("/v2/").assert(200);
    assert_eq!(
        std::fs::read_dir(registry.store("repositories"))
            .unwrap()
            .count(),
        0
    );
}
