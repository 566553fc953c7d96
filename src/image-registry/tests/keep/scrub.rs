//! Scrub: a blob that lost a bit is found before a client does, and one push heals it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Registry;
use crate::pushed::{assert_whole, content, is_there, push_image, said, with};

/// Changes one bit in the middle of a blob.
fn flip(registry: &Registry, digest: &str) {
    let file = content(registry, digest);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
}

fn aside(registry: &Registry, digest: &str) -> std::path::PathBuf {
    registry.store(&format!("damaged/{}", digest.replace(':', "/")))
}

/// A registry that reads again only when it is told to.
fn without_schedule() -> Registry {
    with(json!({"scrub": {"every_hours": 0}}))
}

#[test]
fn a_flipped_bit_is_found_and_set_aside_and_a_push_heals_it() {
    let registry = without_schedule();
    let (image, layer) = push_image(&registry, "app", Some("1"), "a layer of which a bit flips");
    let whole = said(&registry, &["scrub"]);
    assert!(
        whole.starts_with("3 blobs (") && whole.ends_with("0 faults\n"),
        "{whole}"
    );
    for damaged in [&layer, &image] {
        flip(&registry, damaged);
        let (code, told) = registry.command(&["scrub"]);
        assert_eq!(code, 4, "{told}");
        let line = format!("blob {damaged}: damaged, and set aside below `damaged`");
        assert!(told.lines().any(|said| said == line), "{told}");
        assert!(aside(&registry, damaged).exists() && !content(&registry, damaged).exists());
        let log = registry.log();
        let logged = log.lines().find(|line| line.contains("was set aside"));
        assert!(logged.is_some_and(|line| line.contains("ERROR")), "{log}");
        assert_eq!(registry.verify().0, 4);
        push_image(&registry, "app", Some("1"), "a layer of which a bit flips");
        assert_whole(&registry);
        said(&registry, &["scrub"]);
    }
    let path = format!("/v2/app/blobs/{layer}");
    assert_eq!(
        registry.get(&path).assert(200).body,
        b"a layer of which a bit flips"
    );
    let counts: Value = serde_json::from_str(&said(&registry, &["upkeep"])).unwrap();
    assert_eq!(
        (&counts["scrub_faults"], &counts["scrubs"]["ended"]),
        (&json!(2), &json!(5))
    );
    assert_eq!(counts["scrubbed_blobs"], 15);
}

#[test]
fn a_damaged_blob_that_is_pushed_again_is_whole_also_without_a_scrub() {
    let registry = without_schedule();
    let (image, layer) = push_image(&registry, "app", Some("1"), "layer");
    for damaged in [&layer, &image] {
        flip(&registry, damaged);
        assert_eq!(registry.verify().0, 4);
        push_image(&registry, "app", Some("1"), "layer");
        assert_whole(&registry);
        std::fs::write(content(&registry, damaged), b"").unwrap();
        push_image(&registry, "app", Some("1"), "layer");
        assert_whole(&registry);
    }
}

/// Waits until the scrub of the schedule came to its end.
fn scrubbed(registry: &Registry) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let counts: Value = serde_json::from_str(&said(registry, &["upkeep"])).unwrap();
        if counts["scrubs"]["ended"] == 1 {
            return counts;
        }
        assert!(Instant::now() < deadline, "{counts}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_schedule_finds_it_too_and_goes_on_where_a_restart_interrupted_it() {
    let mut registry = with(json!({"scrub": {"every_hours": 168}}));
    assert_eq!(scrubbed(&registry)["scrubbed_blobs"], 0);
    let (_, layer) = push_image(&registry, "app", Some("1"), "layer");
    let blobs: Vec<String> = (0..40)
        .map(|number| registry.push_blob("app", format!("blob {number}").as_bytes()))
        .collect();
    flip(&registry, &layer);
    let run = registry.store("runs/scrub");
    assert_eq!(std::fs::read(&run).unwrap(), b"");
    // it was done just now
    registry.die_and_start();
    assert!(content(&registry, &layer).exists());
    crate::pushed::age(&run, Duration::from_hours(169));
    registry.die_and_start();
    let counts = scrubbed(&registry);
    assert_eq!(
        (&counts["scrubbed_blobs"], &counts["scrub_faults"]),
        (&json!(43), &json!(1))
    );
    assert!(!content(&registry, &layer).exists() && is_there(&registry, "app", "1"));
    registry.get(&format!("/v2/app/blobs/{layer}")).assert(404);

    std::fs::write(&run, "sha256/80").unwrap();
    registry.die_and_start();
    let counts = scrubbed(&registry)["scrubbed_blobs"].as_u64().unwrap();
    let above = blobs
        .iter()
        .filter(|digest| digest.as_str() >= "sha256:80")
        .count() as u64;
    assert!(
        (above..=above + 2).contains(&counts) && above < 40,
        "{above} {counts}"
    );
    assert_eq!(std::fs::read(&run).unwrap(), b"");
}

#[test]
fn it_reads_no_faster_than_it_may() {
    let registry = without_schedule();
    registry.push_blob("app", &vec![7; 600_000]);
    let began = Instant::now();
    said(&registry, &["scrub", "--bytes-per-second", "400000"]);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert_ne!(registry.command(&["scrub", "--bytes-per-second", "0"]).0, 0);
}
