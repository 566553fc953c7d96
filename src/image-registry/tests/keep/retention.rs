//! `image-registry retention`: what goes, what stays, and why.

use serde_json::{Value, json};

use crate::client::{Registry, sha256};
use crate::pushed::{
    age_link, age_tag, assert_whole, content, is_there, push_image, said, with_rules,
};

/// Five tags of team/app, the first the oldest, and one of another team.
fn five_tags(registry: &Registry) -> Vec<(String, String)> {
    let mut pushed = Vec::new();
    for (tag, days) in [("1", 50), ("v1", 40), ("2", 30), ("3", 20), ("4", 10)] {
        let image = push_image(registry, "team/app", Some(tag), &format!("layer {tag}"));
        age_tag(registry, "team/app", tag, days);
        age_link(registry, "team/app", "_manifests", &image.0, days);
        pushed.push(image);
    }
    push_image(registry, "other/app", Some("1"), "layer 1");
    age_tag(registry, "other/app", "1", 500);
    pushed
}

#[test]
fn a_dry_run_gives_a_reason_a_line_and_a_run_removes_just_that_and_frees_the_disk() {
    let rules =
        json!([{"repositories": "team/", "keep_tags": 2, "keep_matching": ["v*", "latest"]}]);
    let registry = with_rules(&rules);
    let images = five_tags(&registry);
    let dry = said(&registry, &["retention", "--dry-run"]);
    for line in [
        "remove  team/app:1: number 4, of which 2 stay, pushed 50 days ago, never pulled",
        "keep    team/app:v1: matches \"v*\"",
        "remove  team/app:2: number 3, of which 2 stay, pushed 30 days ago, never pulled",
        "keep    team/app:3: number 2 of the 2 newest",
        "keep    team/app:4: number 1 of the 2 newest",
        &format!("keep    team/app@{}: tag 3 stands for it", images[3].0),
        &format!(
            "remove  team/app@{}: no tag and no index that stays needs it, pushed 50 days ago, never pulled",
            images[0].0
        ),
        "would remove 2 tags and 2 manifests; 1 repositories have no rule",
    ] {
        assert!(dry.lines().any(|said| said == line), "{line}\n{dry}");
    }
    assert_eq!(dry.lines().count(), 11, "{dry}");
    for tag in ["1", "v1", "2", "3", "4"] {
        assert!(is_there(&registry, "team/app", tag), "{tag}");
    }

    let real = said(&registry, &["retention", "--grace", "0"]);
    let without = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.contains("remove") && !line.contains("freed"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without(&real), without(&dry));
    assert!(real.contains("removed 2 tags and 2 manifests"), "{real}");
    let freed = real.lines().last().unwrap();
    assert!(
        freed.starts_with("freed ") && freed.contains("3 blobs"),
        "{freed}"
    );
    for (tag, stays) in [
        ("1", false),
        ("v1", true),
        ("2", false),
        ("3", true),
        ("4", true),
    ] {
        assert_eq!(is_there(&registry, "team/app", tag), stays, "{tag}");
    }
    assert!(!content(&registry, &images[2].1).exists());
    assert!(
        content(&registry, &images[0].1).exists(),
        "other/app has the layer, too"
    );
    assert!(is_there(&registry, "other/app", "1"));
    assert_whole(&registry);

    let counts: Value = serde_json::from_str(&said(&registry, &["upkeep"])).unwrap();
    assert_eq!(counts["retentions"]["ended"], 1);
    assert_eq!(counts["collections"]["ended"], 1);
    assert_eq!(
        (&counts["removed_tags"], &counts["collected_blobs"]),
        (&json!(2), &json!(3))
    );
    assert!(counts["collected_bytes"].as_u64().unwrap() > 300);
}

#[test]
fn what_is_young_or_was_pulled_lately_stays() {
    let rules = json!([
        {"repositories": "team/app", "older_than": "25d", "not_pulled_for": "7d"},
        {"repositories": "team", "older_than": "0s"},
    ]);
    let registry = with_rules(&rules);
    let images = five_tags(&registry);
    for at in [0, 1] {
        let path = format!("/v2/team/app/manifests/{}", images[at].0);
        registry.get(&path).assert(200);
    }
    // a look at it is no pull
    assert!(is_there(&registry, "team/app", "2"));
    let pulled = |at: usize| {
        let hex = images[at].0.replace("sha256:", "");
        registry.store(&format!("repositories/team/app/_pulled/sha256/{hex}"))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !(pulled(0).exists() && pulled(1).exists()) {
        assert!(std::time::Instant::now() < deadline, "no pull was noted");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(!pulled(2).exists());
    age_link(&registry, "team/app", "_pulled", &images[1].0, 8);
    let dry = said(&registry, &["retention", "--dry-run"]);
    for (start, end) in [
        ("keep    team/app:1: pulled ", " seconds ago, within 7 days"),
        (
            "remove  team/app:v1: ",
            "pushed 40 days ago, pulled 8 days ago",
        ),
        ("remove  team/app:2: ", "pushed 30 days ago, never pulled"),
        ("keep    team/app:3: ", "pushed 20 days ago, within 25 days"),
    ] {
        let mut lines = dry.lines();
        let is_said = lines.any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(is_said, "{start}…{end}\n{dry}");
    }
    said(&registry, &["retention", "--grace", "0"]);
    for (tag, stays) in [
        ("1", true),
        ("v1", false),
        ("2", false),
        ("3", true),
        ("4", true),
    ] {
        assert_eq!(is_there(&registry, "team/app", tag), stays, "{tag}");
    }
    assert_whole(&registry);
}

#[test]
fn manifests_without_a_tag_go_when_they_are_without_use_and_not_before() {
    let registry = with_rules(&json!([{"repositories": "**", "keep_tags": 1}]));
    let (old, _) = push_image(&registry, "app", Some("latest"), "old");
    let (new, _) = push_image(&registry, "app", Some("latest"), "new");
    let said_first = said(&registry, &["retention"]);
    let why = format!("keep    app@{old}: pushed ");
    assert!(
        said_first.contains(&why) && said_first.contains("within 60 minutes"),
        "{said_first}"
    );
    assert!(is_there(&registry, "app", &old));
    said(&registry, &["retention", "--grace", "0"]);
    assert!(!is_there(&registry, "app", &old) && is_there(&registry, "app", &new));
    assert_whole(&registry);
}

#[test]
fn a_repository_in_which_something_is_broken_is_left_alone_and_others_are_not() {
    let registry = with_rules(&json!([{"repositories": "**", "older_than": "0s"}]));
    let (broken, layer) = push_image(&registry, "a", Some("1"), "of a broken image");
    push_image(&registry, "a", Some("2"), "second");
    push_image(&registry, "b", Some("1"), "third");
    let file = content(&registry, &broken);
    let bytes = std::fs::read_to_string(&file).unwrap();
    // still a manifest, but not the one that was pushed
    std::fs::write(&file, bytes.replace(&layer, &sha256(b"another"))).unwrap();
    let dry = said(&registry, &["retention", "--grace", "0"]);
    let why = format!(
        "manifest {broken} of this repository is broken: nothing goes before that is fixed"
    );
    assert_eq!(dry.matches(&why).count(), 4, "{dry}");
    assert!(
        dry.contains(&format!("a@{broken} is broken: all blobs")),
        "{dry}"
    );
    assert!(is_there(&registry, "a", "2") && !is_there(&registry, "b", "1"));
    registry.get(&format!("/v2/a/blobs/{layer}")).assert(200);
    assert!(
        registry.log().contains("a manifest is broken"),
        "{}",
        registry.log()
    );
}

#[test]
fn without_a_rule_nothing_goes_and_bad_rules_are_named() {
    let registry = with_rules(&json!([]));
    push_image(&registry, "app", Some("1"), "layer");
    let told = said(&registry, &["retention", "--grace", "0"]);
    assert!(
        told.contains("has no rules: nothing is removed") && told.contains("0 tags and 0"),
        "{told}"
    );
    let config = registry.store("../config.json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    document["retention"] = json!([{"repositories": "a/", "older_than": "soon"}]);
    std::fs::write(&config, document.to_string()).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_image-registry"))
        .arg("--config")
        .arg(&config)
        .arg("check-config")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("property `retention[0].older_than`") && error.contains("hint: "),
        "{error}"
    );
}
