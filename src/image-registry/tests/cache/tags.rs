//! How long a tag counts as what it was, and what is given when nobody can say.

use std::time::Duration;

use serde_json::json;

use crate::upstream::{Action, Upstream, mirror};

const PATH: &str = "/v2/docker.io/library/redis/manifests/7";
const THERE: &str = "/v2/library/redis/manifests/7";

#[test]
fn a_tag_is_asked_for_again_after_its_time_and_an_immutable_one_never() {
    let upstream = Upstream::serving();
    let (old, _) = upstream.image("library/redis", "7", &[vec![1; 10]]);
    let (fixed, _) = upstream.image("library/redis", "7.0.1", &[vec![1; 10]]);
    let cache = json!({"max_size": "10M", "tag_seconds": 1, "immutable_tags": ["docker.io/library/*:*.*.*"]});
    let registry = mirror(&upstream.url(), cache, json!({}));
    let digest = |path: &str| {
        registry
            .get(path)
            .assert(200)
            .header("docker-content-digest")
            .to_owned()
    };
    assert_eq!(
        (digest(PATH), digest(&format!("{PATH}.0.1"))),
        (old.clone(), fixed.clone())
    );
    let (new, _) = upstream.image("library/redis", "7", &[vec![2; 10]]);
    upstream.image("library/redis", "7.0.1", &[vec![2; 10]]);
    assert_eq!(digest(PATH), old);
    assert_eq!(upstream.asked().len(), 2);
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(
        (digest(PATH), digest(&format!("{PATH}.0.1"))),
        (new.clone(), fixed)
    );
    assert_eq!(upstream.gets(THERE), 2);
    std::thread::sleep(Duration::from_millis(1100));
    // confirmed by HEAD alone, and good for a while again
    assert_eq!((digest(PATH), digest(PATH)), (new.clone(), new));
    assert_eq!(upstream.gets(THERE), 2);
    assert_eq!(upstream.asked().len(), 5);
    // what is gone there is gone here
    upstream.script(|_| Action::Status(404, Vec::new()));
    std::thread::sleep(Duration::from_millis(1100));
    registry.get(PATH).assert(404);
    registry.get(&format!("{PATH}.0.1")).assert(200);
}

#[test]
fn what_is_here_is_given_with_a_warning_when_its_registry_fails() {
    for (status, headers) in [
        (401, vec![]),
        (403, vec![]),
        (429, vec![("Retry-After", "77".to_owned())]),
        (500, vec![]),
        (503, vec![]),
    ] {
        let upstream = Upstream::serving();
        let (digest, layers) = upstream.image("library/redis", "7", &[vec![1; 10]]);
        let cache = json!({"max_size": "10M", "tag_seconds": 0});
        let registry = mirror(&upstream.url(), cache, json!({}));
        registry.get(PATH).assert(200);
        let blob = format!("/v2/docker.io/library/redis/blobs/{}", layers[0]);
        registry.get(&blob).assert(200);
        let said = headers.clone();
        upstream.script(move |_| Action::Status(status, said.clone()));
        let stale = registry.get(PATH);
        assert_eq!(stale.assert(200).header("docker-content-digest"), digest);
        let warning = stale.header("warning").to_owned();
        assert!(
            warning.starts_with("110 ")
                && warning.contains("docker.io")
                && warning.contains(&status.to_string()),
            "{warning}"
        );
        registry.get(&blob).assert(200);
        let log = registry.log();
        assert!(
            log.contains("WARN") && log.contains("cannot be confirmed"),
            "{log}"
        );
        let missing = registry.get("/v2/docker.io/library/other/manifests/1");
        let expected = if status == 429 { 429 } else { 502 };
        assert_eq!(
            missing.assert(expected).header("retry-after"),
            if status == 429 { "77" } else { "" }
        );
        let text = String::from_utf8_lossy(&missing.body).into_owned();
        assert!(
            text.contains("docker.io") && text.contains(&status.to_string()),
            "{text}"
        );
    }
}

#[test]
fn a_registry_that_is_gone_or_silent_is_not_waited_for_each_time() {
    let upstream = Upstream::serving();
    let (digest, _) = upstream.image("library/redis", "7", &[]);
    let cache = json!({"max_size": "10M", "tag_seconds": 0});
    let registry = mirror(&upstream.url(), cache, json!({"timeout_seconds": 1}));
    registry.get(PATH).assert(200);
    upstream.script(|_| Action::Silent(Duration::from_secs(30)));
    let began = std::time::Instant::now();
    for _ in 0..5 {
        let stale = registry.get(PATH);
        assert_eq!(stale.assert(200).header("docker-content-digest"), digest);
        assert!(stale.header("warning").starts_with("110 "));
    }
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    registry
        .get("/v2/docker.io/library/other/manifests/1")
        .assert(504);

    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let registry = mirror(
        &format!("http://{gone}"),
        json!({"max_size": "10M"}),
        json!({}),
    );
    let refused = registry.get(PATH);
    let text = String::from_utf8_lossy(&refused.assert(502).body).into_owned();
    assert!(
        text.contains("docker.io") && text.contains("refused"),
        "{text}"
    );
}

#[test]
fn the_second_address_is_asked_when_the_first_fails() {
    let (broken, good) = (
        Upstream::start(|_| Action::Status(503, Vec::new())),
        Upstream::serving(),
    );
    good.image("library/redis", "7", &[]);
    let registry = mirror(
        "",
        json!({"max_size": "10M"}),
        json!({"addresses": [broken.url(), good.url()]}),
    );
    registry.get(PATH).assert(200);
    assert_eq!((broken.asked().len(), good.asked().len()), (1, 1));
}
