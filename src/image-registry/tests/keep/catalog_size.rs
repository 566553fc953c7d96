//! `image-registry catalog` of a large registry: half a second is the goal.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::sha256;
use crate::pushed::{CONFIG, MANIFEST, descriptor, said, with};

/// Writes a store as pushes would leave it.
fn fill(store: &Path, repositories: usize, tags: usize) {
    let write = |path: String, bytes: &[u8]| {
        let path = store.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let blob = |bytes: &[u8]| {
        let digest = sha256(bytes);
        let hex = digest.replace("sha256:", "");
        write(format!("blobs/sha256/{}/{hex}", &hex[..2]), bytes);
        (digest, hex)
    };
    let config = json!({"os": "linux", "architecture": "amd64"}).to_string();
    let (config_digest, config_hex) = blob(config.as_bytes());
    for repository in 0..repositories {
        let here = format!("repositories/team{}/app{repository}", repository % 20);
        write(format!("{here}/_blobs/sha256/{config_hex}"), b"");
        for tag in 0..tags {
            let layers = (0..5).map(|layer| {
                let digest = sha256(format!("{repository} {tag} {layer}").as_bytes());
                descriptor(
                    "application/vnd.oci.image.layer.v1.tar+gzip",
                    &digest,
                    1_000_000,
                )
            });
            let manifest = json!({
                "schemaVersion": 2, "mediaType": MANIFEST,
                "config": descriptor(CONFIG, &config_digest, config.len()), "layers": layers.collect::<Vec<_>>(),
            });
            let (digest, hex) = blob(manifest.to_string().as_bytes());
            write(
                format!("{here}/_manifests/sha256/{hex}"),
                MANIFEST.as_bytes(),
            );
            write(format!("{here}/_pulled/sha256/{hex}"), b"");
            write(format!("{here}/_tags/{tag}"), digest.as_bytes());
        }
    }
}

#[test]
fn a_thousand_repositories_of_twenty_tags_are_listed_at_once() {
    let registry = with(json!({"scrub": {"every_hours": 0}}));
    fill(&registry.store(""), 1000, 20);
    let mut times = Vec::new();
    for _ in 0..6 {
        let began = Instant::now();
        let listed = said(&registry, &["catalog", "--json"]);
        times.push(began.elapsed());
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed["images"].as_array().unwrap().len(), 20_000);
        assert_eq!(listed["repositories"].as_array().unwrap().len(), 1000);
        // directories that were just written are not yet relied on
        std::thread::sleep(Duration::from_millis(100));
    }
    println!(
        "catalog of 1,000 x 20: first {:?}, then {:?}",
        times[0],
        &times[1..]
    );
    let began = Instant::now();
    assert_eq!(said(&registry, &["catalog"]).lines().count(), 20_001);
    println!("as a table: {:?}", began.elapsed());
    // the goal is half a second; what is not optimized, beside other tests, may take eight times as long
    let goal = Duration::from_millis(if cfg!(debug_assertions) { 4000 } else { 500 });
    let best = times[1..].iter().min().unwrap();
    assert!(*best < goal, "{times:?}");
}
