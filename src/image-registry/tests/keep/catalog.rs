//! `image-registry catalog`: what was pushed, all of it, and fast.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Registry, sha256};
use crate::pushed::{CONFIG, INDEX, MANIFEST, descriptor, push, push_about, push_image, said};

fn catalog(registry: &Registry) -> Value {
    serde_json::from_str(&said(registry, &["catalog", "--json"])).unwrap()
}

/// What is pushed for a look at it: an index of two images, one of them with a tag, and what is about it.
struct Pushed {
    registry: Registry,
    index: String,
    amd64: String,
    arm64: String,
    /// A manifest that nothing else names, in a repository of its own.
    alone: String,
}

const ARM64: &str = r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#;

fn pushed() -> Pushed {
    let registry = Registry::start();
    let (amd64, layer) = push_image(&registry, "team/app", None, "shared layer");
    let config_digest = registry.push_blob("team/app", ARM64.as_bytes());
    let image = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config_digest, ARM64.len()),
        "layers": [descriptor("x/y", &layer, 12)],
    });
    let arm64 = push(&registry, "team/app", Some("arm"), &image);
    let mut children = [
        descriptor(MANIFEST, &amd64, 7),
        descriptor(MANIFEST, &arm64, 7),
    ];
    children[0]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    children[1]["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let mut attestation = descriptor(MANIFEST, &sha256(b"attestation"), 7);
    attestation["platform"] = unknown;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [children[0], children[1], attestation]});
    let index = push(&registry, "team/app", Some("1"), &index);
    push_about(&registry, "team/app", None, &index);
    push_about(&registry, "team/app", Some("sbom"), &index);
    let (alone, _) = push_image(&registry, "alone", None, "without a tag");
    Pushed {
        registry,
        index,
        amd64,
        arm64,
        alone,
    }
}

#[test]
fn every_tag_has_its_platforms_size_times_and_referrers() {
    let pushed = pushed();
    let registry = &pushed.registry;
    let listed = catalog(registry);
    let images = listed["images"].as_array().unwrap();
    let find = |tag: &str| images.iter().find(|image| image["tag"] == tag).unwrap();
    let of_index = find("1");
    assert_eq!(of_index["repository"], "team/app");
    assert_eq!(
        (&of_index["digest"], &of_index["kind"]),
        (&json!(pushed.index), &json!("index"))
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
    let own = bytes(&pushed.arm64) + ARM64.len() as u64 + 12;
    assert_eq!(find("arm")["size"], own);
    assert_eq!(find("arm")["platforms"], json!(["linux/arm64/v8"]));
    // the layer is there once
    assert_eq!(
        of_index["size"],
        bytes(&pushed.index) + own + bytes(&pushed.amd64) + amd64_config
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
        (&json!(pushed.alone), &json!("alone"))
    );
    let time: jiff::Timestamp = of_index["pushed"].as_str().unwrap().parse().unwrap();
    assert!(time.duration_until(jiff::Timestamp::now()).as_secs() < 60);
    let app = listed["repositories"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&app["repository"], &app["tags"], &app["manifests"]),
        (&json!("team/app"), &json!(3), &json!(5))
    );
}

#[test]
fn a_table_is_short_and_shows_when_something_was_pulled() {
    let Pushed {
        registry,
        index: index_digest,
        ..
    } = pushed();
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
