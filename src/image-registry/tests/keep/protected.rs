//! What stays because of something else: children of indexes, referrers, signatures by tag, shared content.

use serde_json::json;

use crate::client::Registry;
use crate::pushed::{
    INDEX, MANIFEST, assert_whole, content, descriptor, is_there, push, push_about, push_image,
    said, with_rules,
};

fn push_index(registry: &Registry, tag: &str, children: &[&str]) -> String {
    let children: Vec<_> = children
        .iter()
        .map(|it| descriptor(MANIFEST, it, 7))
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
    push(registry, "app", Some(tag), &index)
}

#[test]
fn children_and_referrers_of_what_stays_stay_and_those_of_what_goes_go() {
    let rules = json!([{"repositories": "app", "older_than": "0s", "keep_matching": ["stable"]}]);
    let registry = with_rules(&rules);
    let (shared, shared_layer) = push_image(&registry, "app", None, "child of both");
    let (own, own_layer) = push_image(&registry, "app", None, "child of stable");
    let (other, other_layer) = push_image(&registry, "app", None, "child of old");
    let stable = push_index(&registry, "stable", &[&shared, &own]);
    let old = push_index(&registry, "old", &[&shared, &other]);
    let nested = push_index(&registry, "nested", &[&old]);
    let sbom = push_about(&registry, "app", None, &stable);
    let of_child = push_about(&registry, "app", None, &own);
    let of_sbom = push_about(&registry, "app", None, &sbom);
    let of_old = push_about(&registry, "app", None, &old);
    let of_other = push_about(&registry, "app", Some("sbom-of-other"), &other);
    let of_nothing = push_about(
        &registry,
        "app",
        None,
        &crate::client::sha256(b"never pushed"),
    );
    // as signatures are tagged for registries without referrers
    let signature_tag = format!("{}.sig", stable.replace(':', "-"));
    let (signature, _) = push_image(
        &registry,
        "app",
        Some(&signature_tag),
        "signature of stable",
    );
    let old_tag = format!("{}.sig", old.replace(':', "-"));
    let (old_signature, _) = push_image(&registry, "app", Some(&old_tag), "signature of old");

    let report = said(&registry, &["retention", "--grace", "0"]);
    for (digest, why) in [
        (&shared, format!("index {stable} lists it")),
        (&own, format!("index {stable} lists it")),
        (&sbom, format!("about {stable}, which stays")),
        (&of_child, format!("about {own}, which stays")),
        (&of_sbom, format!("about {sbom}, which stays")),
        (&signature, format!("about {stable}, which stays")),
    ] {
        let line = format!("keep    app@{digest}: {why}");
        assert!(report.lines().any(|said| said == line), "{line}\n{report}");
        assert!(is_there(&registry, "app", digest), "{line}");
    }
    let line = format!("remove  app@{of_old}: about {old}, which does not stay");
    assert!(report.contains(&line), "{line}\n{report}");
    for gone in [
        &other,
        &old,
        &nested,
        &of_old,
        &of_other,
        &of_nothing,
        &old_signature,
    ] {
        assert!(!is_there(&registry, "app", gone), "{gone}\n{report}");
    }
    assert!(is_there(&registry, "app", "stable") && is_there(&registry, "app", &signature_tag));
    assert!(!is_there(&registry, "app", &old_tag));
    for (layer, stays) in [
        (shared_layer, true),
        (own_layer, true),
        (other_layer, false),
    ] {
        assert_eq!(content(&registry, &layer).exists(), stays);
    }
    assert_whole(&registry);
    let referrers = registry.get(&format!("/v2/app/referrers/{stable}")).json();
    assert_eq!(referrers["manifests"].as_array().unwrap().len(), 1);
    let again = said(&registry, &["retention", "--grace", "0"]);
    assert!(again.contains("removed 0 tags and 0 manifests"), "{again}");
}

#[test]
fn a_signature_s_tag_is_none_of_the_newest() {
    let registry = with_rules(&json!([{"repositories": "app", "keep_tags": 1}]));
    let (image, _) = push_image(&registry, "app", Some("1"), "image");
    let tag = format!("{}.sig", image.replace(':', "-"));
    push_image(&registry, "app", Some(&tag), "signature");
    let report = said(&registry, &["retention", "--grace", "0"]);
    assert!(
        report.contains("removed 0 tags and 0 manifests"),
        "{report}"
    );
    assert!(
        report.contains("keep    app:1: number 1 of the 1 newest"),
        "{report}"
    );
}

#[test]
fn what_a_kill_left_of_a_manifest_is_forgotten() {
    let registry = with_rules(&json!([]));
    let (image, _) = push_image(&registry, "app", Some("1"), "image");
    let sbom = push_about(&registry, "app", None, &image);
    let hex = |digest: &str| digest.replace("sha256:", "");
    let below = format!("_referrers/sha256/{}/sha256", hex(&image));
    let left = |kind: &str, digest: &str| {
        let file = format!("repositories/app/{kind}/{}", hex(digest));
        registry.store(&file)
    };
    let gone = crate::client::sha256(b"gone");
    let (referrer, pulled) = (left(&below, &gone), left("_pulled/sha256", &gone));
    std::fs::create_dir_all(pulled.parent().unwrap()).unwrap();
    for file in [&referrer, &pulled] {
        std::fs::write(file, b"").unwrap();
    }
    said(&registry, &["collect-garbage", "--dry-run"]);
    assert!(referrer.exists() && pulled.exists());
    said(&registry, &["collect-garbage"]);
    assert!(!referrer.exists() && !pulled.exists());
    assert!(left(&below, &sbom).exists());
    assert_whole(&registry);
}
