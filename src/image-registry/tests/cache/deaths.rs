//! A registry that is killed while it fetches and makes room: what is there afterwards is whole, and within the cap.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use serde_json::json;

use crate::client::sha256;
use crate::upstream::{Action, Upstream, mirror, noise};

#[test]
fn kills_while_it_fetches_and_makes_room_leave_whole_blobs_within_the_cap() {
    let upstream = Upstream::start(|_| Action::Slow(50_000, Duration::from_millis(1)));
    let layers: Vec<Vec<u8>> = (0..12).map(|seed| noise(200_000, seed)).collect();
    let (_, digests) = upstream.image("a", "1", &layers);
    let mut registry = mirror(&upstream.url(), json!({"max_size": "1M"}), json!({}));
    registry.get("/v2/docker.io/a/manifests/1").assert(200);
    for round in 0..10_u64 {
        let address = registry.address;
        let wanted = digests.clone();
        let puller = std::thread::spawn(move || {
            for digest in wanted {
                let Ok(mut stream) = std::net::TcpStream::connect(address) else {
                    return;
                };
                let head = format!(
                    "GET /v2/docker.io/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\n\r\n",
                    crate::client::CI
                );
                if stream.write_all(head.as_bytes()).is_err()
                    || stream.read_to_end(&mut Vec::new()).is_err()
                {
                    return;
                }
            }
        });
        std::thread::sleep(Duration::from_millis(20 + round * 17));
        registry.die_and_start();
        puller.join().unwrap();
        assert_eq!(
            std::fs::read_dir(registry.store("cache/tmp"))
                .unwrap()
                .count(),
            0
        );
        let mut held = 0;
        for entry in std::fs::read_dir(registry.store("cache/blobs/sha256")).unwrap() {
            let path = entry.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            assert_eq!(
                sha256(&content),
                format!("sha256:{}", path.file_name().unwrap().to_string_lossy())
            );
            held += content.len();
        }
        assert!(held <= 1 << 20, "{held}");
    }
    for (digest, layer) in digests.iter().zip(&layers) {
        assert!(
            registry
                .get(&format!("/v2/docker.io/a/blobs/{digest}"))
                .assert(200)
                .body
                == *layer
        );
    }
    let (code, said) = registry.verify();
    assert_eq!(code, 0, "{said}");
}
