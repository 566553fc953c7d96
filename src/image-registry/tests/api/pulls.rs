//! Blobs given out, whole and in part, and lists in pages.

use serde_json::json;

use crate::client::Registry;

#[test]
fn a_blob_is_given_whole_and_in_part() {
    let registry = Registry::start();
    let content: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = registry.push_blob("app", &content);
    let path = format!("/v2/app/blobs/{digest}");
    let whole = registry.get(&path);
    assert!(whole.assert(200).body == content);
    assert_eq!(
        (
            whole.header("docker-content-digest"),
            whole.header("accept-ranges")
        ),
        (digest.as_str(), "bytes")
    );
    let head = registry.ask("HEAD", &path, &[], b"");
    assert_eq!(
        (head.assert(200).header("content-length"), head.body.len()),
        ("1600000", 0)
    );
    for (range, expected) in [
        ("bytes=500-1499", 500..1500),
        ("bytes=1599999-", 1_599_999..1_600_000),
        ("bytes=-300000", 1_300_000..1_600_000),
        ("bytes=1000000-9999999", 1_000_000..1_600_000),
    ] {
        let part = registry.ask("GET", &path, &[("Range", range)], b"");
        assert!(
            part.assert(206).body == content[expected.clone()],
            "{range}"
        );
        let said = format!("bytes {}-{}/1600000", expected.start, expected.end - 1);
        assert_eq!(part.header("content-range"), said);
    }
    for range in ["bytes=1600000-", "bytes=500-0"] {
        let none = registry.ask("GET", &path, &[("Range", range)], b"");
        assert_eq!(none.assert(416).header("content-range"), "bytes */1600000");
    }
}

#[test]
fn tags_and_repositories_are_listed_in_pages() {
    let registry = Registry::start();
    let config = registry.push_blob("team/app", b"{}");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": {"mediaType": "x/y", "digest": config, "size": 2}, "layers": []});
    for tag in ["b", "a", "d", "c"] {
        registry.push_manifest("team/app", tag, &manifest);
    }
    registry.push_blob("another", b"x");
    registry.push_blob("team", b"x");
    let tags = registry.get("/v2/team/app/tags/list");
    assert_eq!(
        tags.assert(200).json(),
        json!({"name": "team/app", "tags": ["a", "b", "c", "d"]})
    );
    let page = registry.get("/v2/team/app/tags/list?n=3");
    assert_eq!(page.json()["tags"], json!(["a", "b", "c"]));
    assert_eq!(
        page.header("link"),
        "</v2/team/app/tags/list?n=3&last=c>; rel=\"next\""
    );
    let page = registry.get("/v2/team/app/tags/list?n=3&last=c");
    assert_eq!(
        (page.json()["tags"].clone(), page.header("link")),
        (json!(["d"]), "")
    );
    registry.get("/v2/team/app/tags/list?n=many").assert(400);
    let unknown = registry.get("/v2/none/tags/list");
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "NAME_UNKNOWN")
    );
    let all = registry.get("/v2/_catalog");
    assert_eq!(
        all.assert(200).json(),
        json!({"repositories": ["another", "team", "team/app"]})
    );
    assert_eq!(
        registry.get("/v2/_catalog?n=1").header("link"),
        "</v2/_catalog?n=1&last=another>; rel=\"next\""
    );
}
