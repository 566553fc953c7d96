//! `image-registry catalog`: what was pushed, all of it, and fast.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Registry, sha256};
use crate::pushed::{
    CONFIG, INDEX, MANIFEST, descriptor, push, push_about, push_image, said, with,
};

fn catalog(registry: &Registry) -> Value {
    serde_json::from_str(&said(registry, &["catalog", "--json"])).unwrap()
}

#[test]
fn every_tag_has_its_platforms_size_times_and_referrers() {
    let registry = Registry::start();
    let (amd64, layer) = push_image(&registry, "team/app", None, "shared layer");
    let config = r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#;
    let config_digest = registry.push_blob("team/app", config.as_bytes());
    let arm64 = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config_digest, config.len()),
        "layers": [descriptor("x/y", &layer, 12)],
    });
    let arm64_digest = push(&registry, "team/app", Some("arm"), &arm64);
    let mut children = [
        descriptor(MANIFEST, &amd64, 7),
        descriptor(MANIFEST, &arm64_digest, 7),
    ];
    children[0]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    children[1]["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let mut attestation = descriptor(MANIFEST, &sha256(b"attestation"), 7);
    attestation["platform"] = unknown;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [children[0], children[1], attestation]});
    let index_digest = push(&registry, "team/app", Some("1"), &index);
    push_about(&registry, "team/app", None, &index_digest);
    push_about(&registry, "team/app", Some("sbom"), &index_digest);
    let (alone, _) = push_image(&registry, "alone", None, "without a tag");

    let listed = catalog(&registry);
    let images = listed["images"].as_array().unwrap();
    let find = |tag: &str| images.iter().find(|image| image["tag"] == tag).unwrap();
    let of_index = find("1");
    assert_eq!(of_index["repository"], "team/app");
    assert_eq!(
        (&of_index["digest"], &of_index["kind"]),
        (&json!(index_digest), &json!("index"))
    );
    assert_eq!(
        of_index["platforms"],
        json!(["linux/amd64", "linux/arm64/v8"])
    );
    assert_eq!(
        (&of_index["referrers"], &of_index["pulled"]),
        (&json!(2), &Value::Null)
    );
    let bytes = |digest: &str| {
        let path = format!("/v2/team/app/manifests/{digest}");
        registry
            .ask("HEAD", &path, &[], b"")
            .header("content-length")
            .parse::<u64>()
            .unwrap()
    };
    let amd64_config = json!({"os": "linux", "architecture": "amd64", "about": "shared layer"});
    let amd64_config = amd64_config.to_string().len() as u64;
    let own = bytes(&arm64_digest) + config.len() as u64 + 12;
    assert_eq!(find("arm")["size"], own);
    assert_eq!(find("arm")["platforms"], json!(["linux/arm64/v8"]));
    // the layer is there once
    assert_eq!(
        of_index["size"],
        bytes(&index_digest) + own + bytes(&amd64) + amd64_config
    );
    let sbom = find("sbom");
    assert_eq!(
        (&sbom["kind"], &sbom["artifact_type"]),
        (&json!("artifact"), &json!("application/x.sbom"))
    );
    let without: Vec<_> = images
        .iter()
        .filter(|image| image["tag"].is_null())
        .collect();
    assert_eq!(without.len(), 1, "{without:?}");
    assert_eq!(
        (&without[0]["digest"], &without[0]["repository"]),
        (&json!(alone), &json!("alone"))
    );
    let pushed: jiff::Timestamp = of_index["pushed"].as_str().unwrap().parse().unwrap();
    assert!(pushed.duration_until(jiff::Timestamp::now()).as_secs() < 60);
    let app = listed["repositories"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&app["repository"], &app["tags"], &app["manifests"]),
        (&json!("team/app"), &json!(3), &json!(5))
    );

    registry.get("/v2/team/app/manifests/1").assert(200);
    let deadline = Instant::now() + Duration::from_secs(20);
    let table = loop {
        let table = said(&registry, &["catalog"]);
        if !table
            .lines()
            .any(|line| line.starts_with("team/app") && line.contains(" 1 ") && line.ends_with('-'))
        {
            break table;
        }
        assert!(Instant::now() < deadline, "{table}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(
        table.starts_with("REPOSITORY") && table.lines().count() == 5,
        "{table}"
    );
    assert!(
        table.contains(&index_digest[..19]) && !table.contains(&index_digest[..20]),
        "{table}"
    );
    assert!(
        table
            .lines()
            .any(|line| line.contains("  linux/amd64,linux/arm64/v8  ") && line.ends_with('Z')),
        "{table}"
    );
}

#[test]
fn what_changed_since_the_last_look_shows() {
    let registry = Registry::start();
    let tags = |registry: &Registry| {
        let listed = catalog(registry);
        let images = listed["images"].as_array().unwrap().clone();
        images
            .iter()
            .map(|it| format!("{} {}", it["tag"], it["digest"]))
            .collect::<Vec<_>>()
    };
    for round in 0..30 {
        let (digest, _) = push_image(&registry, "app", Some("1"), &format!("layer {}", round % 2));
        let expected = format!("\"1\" \"{digest}\"");
        assert!(tags(&registry).contains(&expected), "{round}");
        // also when a listing was remembered
        std::thread::sleep(Duration::from_millis(if round % 5 == 0 { 250 } else { 5 }));
        assert!(tags(&registry).contains(&expected), "{round}");
    }
    registry
        .ask("DELETE", "/v2/app/manifests/1", &[], b"")
        .assert(202);
    assert!(!tags(&registry).iter().any(|tag| tag.starts_with("\"1\"")));
}

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
    // the goal is half a second; what is not optimized may take four times as long
    let goal = Duration::from_millis(if cfg!(debug_assertions) { 2000 } else { 500 });
    let best = times[1..].iter().min().unwrap();
    assert!(*best < goal, "{times:?}");
}
