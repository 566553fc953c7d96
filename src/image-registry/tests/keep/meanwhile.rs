//! Pushes that go on while retention and collection run lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::client::Registry;
use crate::pushed::{
    INDEX, MANIFEST, assert_whole, descriptor, image, is_there, push, push_about, push_image, with,
};

/// Pushes images, indexes and referrers under tags that move, and looks for each at once. How many there were.
fn push_and_look(registry: &Registry, repository: &str, ends: &AtomicBool) -> u32 {
    let mut rounds = 0;
    while !ends.load(Ordering::SeqCst) {
        // what was removed before is pushed again
        let (first, layer) =
            push_image(registry, repository, None, &format!("layer {}", rounds % 7));
        let (second, _) = push_image(
            registry,
            repository,
            None,
            &format!("layer {}", rounds % 5 + 10),
        );
        let children = [&first, &second].map(|it| descriptor(MANIFEST, it, 7));
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
        let tag = format!("t{}", rounds % 6);
        let index = push(registry, repository, Some(&tag), &index);
        let sbom = push_about(registry, repository, None, &index);
        for reference in [&tag, &index, &first, &second, &sbom] {
            assert!(
                is_there(registry, repository, reference),
                "{rounds} {reference}"
            );
        }
        let path = format!("/v2/{repository}/blobs/{layer}");
        registry.get(&path).assert(200);
        rounds += 1;
    }
    rounds
}

#[test]
fn what_is_pushed_while_tags_and_content_go_is_there() {
    let registry = Arc::new(with(json!({
        "retention": [{"repositories": "**", "keep_tags": 2}],
    })));
    let ends = Arc::new(AtomicBool::new(false));
    let pushers: Vec<_> = (0..3)
        .map(|pusher| {
            let (registry, ends) = (registry.clone(), ends.clone());
            std::thread::spawn(move || push_and_look(&registry, &format!("r{pusher}"), &ends))
        })
        .collect();
    let mut removed = 0;
    for _ in 0..30 {
        // long enough for one round of a pusher, short enough for what was pushed before
        let (code, report) = registry.command(&["retention", "--json", "--grace", "2"]);
        assert_eq!(code, 0, "{report}");
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        removed += report["manifests"].as_u64().unwrap();
        let (code, report) = registry.command(&["collect-garbage", "--grace", "2"]);
        assert_eq!(code, 0, "{report}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    ends.store(true, Ordering::SeqCst);
    for pusher in pushers {
        let rounds = pusher.join().unwrap();
        assert!(rounds > 10, "{rounds}");
    }
    assert!(removed > 0, "nothing went meanwhile");
    assert_whole(&registry);
}

#[test]
fn a_tag_that_moves_on_while_what_it_stood_for_is_deleted_is_there() {
    let registry = Arc::new(with(json!({})));
    let (stays, _) = push_image(&registry, "app", None, "stays");
    let goes = crate::client::sha256(image("goes").to_string().as_bytes());
    let ends = Arc::new(AtomicBool::new(false));
    let deleters: Vec<_> = (0..2)
        .map(|_| {
            let (registry, ends, goes) = (registry.clone(), ends.clone(), goes.clone());
            std::thread::spawn(move || {
                let path = format!("/v2/app/manifests/{goes}");
                let mut deleted = 0;
                while !ends.load(Ordering::SeqCst) {
                    deleted += u32::from(registry.ask("DELETE", &path, &[], b"").status == 202);
                }
                deleted
            })
        })
        .collect();
    for round in 0..200 {
        push(&registry, "app", Some("1"), &image("goes"));
        push(&registry, "app", Some("1"), &image("stays"));
        let found = registry.ask("HEAD", "/v2/app/manifests/1", &[], b"");
        assert_eq!(
            found.assert(200).header("docker-content-digest"),
            stays,
            "{round}"
        );
    }
    ends.store(true, Ordering::SeqCst);
    let deleted: u32 = deleters.into_iter().map(|it| it.join().unwrap()).sum();
    assert!(deleted > 10, "{deleted}");
    assert_whole(&registry);
}
