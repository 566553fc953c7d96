//! Rules and collection on a schedule: what is due at the start happens, and not again before its time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Registry;
use crate::pushed::{
    DAY, age, age_link, age_tag, assert_whole, content, is_there, push_image, said, with,
};

fn counts(registry: &Registry) -> Value {
    serde_json::from_str(&said(registry, &["upkeep"])).unwrap()
}

/// Waits until a collection of the schedule came to its end.
fn collected(registry: &Registry) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let counts = counts(registry);
        // that is written last
        let is_noted = registry.store("runs/collection").exists();
        if counts["collections"]["ended"] == 1 && is_noted {
            return counts;
        }
        assert!(Instant::now() < deadline, "{counts}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_schedule_applies_the_rules_and_frees_the_disk() {
    let mut registry = with(json!({
        "retention": [{"repositories": "app", "keep_tags": 1}],
        "collect": {"every_hours": 24, "retention": true},
    }));
    collected(&registry);
    let (old, layer) = push_image(&registry, "app", Some("1"), "old");
    let (new, _) = push_image(&registry, "app", Some("2"), "new");
    age_tag(&registry, "app", "1", 3);
    age_link(&registry, "app", "_manifests", &old, 3);
    age_link(&registry, "app", "_blobs", &layer, 3);
    age(&content(&registry, &layer), DAY * 3);

    // it is not due
    registry.die_and_start();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(counts(&registry)["collections"]["ended"], 0);
    assert!(is_there(&registry, "app", "1"));

    age(&registry.store("runs/collection"), DAY * 2);
    registry.die_and_start();
    let counts = collected(&registry);
    assert_eq!(counts["retentions"]["ended"], 1);
    assert_eq!(
        (&counts["removed_tags"], &counts["removed_manifests"]),
        (&json!(1), &json!(1))
    );
    assert!(!is_there(&registry, "app", "1") && !is_there(&registry, "app", &old));
    assert!(is_there(&registry, "app", "2") && is_there(&registry, "app", &new));
    assert!(!content(&registry, &layer).exists());
    let log = registry.log();
    assert!(
        log.contains("removed by retention") && log.contains("tag=1"),
        "{log}"
    );
    assert_whole(&registry);
}
