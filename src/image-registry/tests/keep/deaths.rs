//! A registry that is killed while retention or a collection runs: what stays is whole, and the next run does the rest.

use std::time::Duration;

use serde_json::{Value, json};

use crate::pushed::{
    INDEX, MANIFEST, assert_whole, content, descriptor, is_there, push, push_about, push_image,
    said, with,
};

#[test]
fn kills_during_retention_and_collection_leave_a_whole_store() {
    let mut registry = with(json!({
        "retention": [{"repositories": "app", "older_than": "0s", "keep_matching": ["stable*"]}],
        "scrub": {"every_hours": 0},
    }));
    let mut interrupted = 0;
    for round in 0..12_u64 {
        let mut stable = Vec::new();
        for number in 0..6 {
            let (child, layer) = push_image(&registry, "app", None, &format!("{round} {number}"));
            let children = [descriptor(MANIFEST, &child, 7)];
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
            let prefix = if number == 0 { "stable" } else { "old" };
            let tag = format!("{prefix}{round}.{number}");
            let index = push(&registry, "app", Some(&tag), &index);
            let sbom = push_about(&registry, "app", None, &index);
            if number == 0 {
                stable.push((tag, index, child, sbom, layer));
            }
        }
        let config = registry.store("../config.json");
        let command = if round % 3 == 2 {
            "collect-garbage"
        } else {
            "retention"
        };
        let run = std::thread::spawn(move || {
            let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_image-registry"));
            program.arg("--config").arg(config);
            program
                .args([command, "--grace", "0"])
                .output()
                .unwrap()
                .status
                .success()
        });
        std::thread::sleep(Duration::from_millis(10 + round * 7));
        registry.die_and_start();
        interrupted += u32::from(!run.join().unwrap());
        assert_whole(&registry);
        for (tag, index, child, sbom, layer) in &stable {
            for reference in [tag, index, child, sbom] {
                assert!(is_there(&registry, "app", reference), "{round} {reference}");
            }
            assert!(content(&registry, layer).exists(), "{round}");
        }
    }
    assert!(interrupted > 2, "{interrupted} runs were interrupted");
    said(&registry, &["retention", "--grace", "0"]);
    let left = said(&registry, &["catalog", "--json"]);
    let left: Value = serde_json::from_str(&left).unwrap();
    let left = left["images"].as_array().unwrap();
    assert!(
        left.iter()
            .all(|image| image["tag"].as_str().unwrap().starts_with("stable")),
        "{left:?}"
    );
    assert_eq!(left.len(), 12);
    assert_whole(&registry);
}
