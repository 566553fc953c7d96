//! A large registry: 1,000 repositories of 20 tags.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Registry, sha256};
use crate::images::MANIFEST;

/// What a page may take: of a release build that which was promised, of others ten times as much.
const LONGEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5000 } else { 500 });

/// Writes a store as pushes leave it: 20,000 of them would take minutes.
fn fill(store: &Path) {
    let write = |path: &str, content: &[u8]| {
        let file = store.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    };
    let blob = |content: &str| {
        let digest = sha256(content.as_bytes());
        let hex = digest.trim_start_matches("sha256:").to_owned();
        write(
            &format!("blobs/sha256/{}/{hex}", &hex[..2]),
            content.as_bytes(),
        );
        hex
    };
    let config = json!({"os": "linux", "architecture": "amd64"}).to_string();
    let config_hex = blob(&config);
    for number in 0..1000 {
        let repository = format!("folder{}/group{}/app{number}", number % 10, number % 100);
        write(
            &format!("repositories/{repository}/_blobs/sha256/{config_hex}"),
            b"",
        );
        for tag in 0..20 {
            let layers: Vec<_> = (0..6)
                .map(|layer| {
                    let shared = if layer < 3 { 0 } else { number * 20 + tag };
                    let digest = sha256(format!("{layer} {shared}").as_bytes());
                    json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": 1_000_000})
                })
                .collect();
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{config_hex}"), "size": config.len()},
                "layers": layers,
            });
            let hex = blob(&manifest.to_string());
            write(
                &format!("repositories/{repository}/_manifests/sha256/{hex}"),
                MANIFEST.as_bytes(),
            );
            write(
                &format!("repositories/{repository}/_tags/1.{tag}"),
                format!("sha256:{hex}").as_bytes(),
            );
        }
    }
}

#[test]
fn a_thousand_repositories_of_twenty_tags_are_shown_at_once() {
    let registry = Registry::start();
    fill(&registry.store(""));
    let timed = |path: &str| {
        let began = Instant::now();
        let answer = registry.get(path);
        let elapsed = began.elapsed();
        (
            String::from_utf8(answer.assert(200).body.clone()).unwrap(),
            elapsed,
        )
    };
    let (_, cold) = timed("/");
    println!("the first look after a start: {cold:?}");
    for path in [
        "/",
        "/?q=app7",
        "/ui/folder3",
        "/ui/folder1/group11/app11",
        "/ui/folder1/group11/app11/_/1.7",
    ] {
        let (_, elapsed) = timed(path);
        println!("{path}: {elapsed:?}");
        assert!(elapsed <= LONGEST, "{path}: {elapsed:?}");
    }
    let (top, _) = timed("/");
    assert!(
        top.contains("100 repositories") && top.contains("2,000"),
        "{top}"
    );
    let (found, _) = timed("/?q=app");
    assert!(found.contains("1,000 repositories found") && found.contains("1–50 of 1,000"));
    let (image, _) = timed("/ui/folder1/group11/app11/_/1.7");
    assert!(
        image.contains("19,999 images") && image.contains("no other"),
        "{image}"
    );
}
