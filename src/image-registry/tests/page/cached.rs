//! What is cached of other registries.

use crate::client::Registry;
use crate::upstream::{Upstream, roomy};

fn get(registry: &Registry, path: &str) -> String {
    String::from_utf8(registry.get(path).assert(200).body.clone()).unwrap()
}

#[test]
fn what_is_cached_is_shown_with_the_room_that_it_takes_and_nothing_is_fetched_for_it() {
    let upstream = Upstream::serving();
    let (digest, layers) = upstream.image("library/redis", "7", &[vec![1; 50_000], vec![2; 10]]);
    let registry = roomy(&upstream);
    let empty = get(&registry, "/");
    assert!(
        empty.contains("<h2 id=\"cache\">Cache</h2>") && !empty.contains("/ui/docker.io"),
        "{empty}"
    );
    registry
        .get("/v2/docker.io/library/redis/manifests/7")
        .assert(200);
    let blob = format!("/v2/docker.io/library/redis/blobs/{}", layers[0]);
    registry.get(&blob).assert(200);
    registry.get(&blob).assert(200);
    let asked = upstream.asked().len();
    let top = get(&registry, "/");
    assert!(
        top.contains("href=\"/ui/docker.io\"") && top.contains("<strong>docker.io</strong>"),
        "{top}"
    );
    let place = get(&registry, "/ui/docker.io/library/redis");
    assert!(
        place.contains("the cache of another registry") && place.contains("/_/7\""),
        "{place}"
    );
    for reference in ["7", &digest] {
        let image = get(
            &registry,
            &format!("/ui/docker.io/library/redis/_/{reference}"),
        );
        assert!(
            image.contains("docker pull registry/docker.io/library/redis"),
            "{image}"
        );
        assert!(
            image.contains(&layers[0][..19]) && image.contains("50.0 kB"),
            "{image}"
        );
    }
    registry.get("/ui/docker.io/library/redis/_/8").assert(404);
    registry.get("/ui/docker.io/library/postgres").assert(404);
    assert_eq!(upstream.asked().len(), asked);
}
