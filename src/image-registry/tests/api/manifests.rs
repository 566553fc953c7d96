//! Manifests: their types, tags, referrers, deletion.

use serde_json::{Value, json};

use crate::client::{Registry, sha256, sha512};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn image(more: &Value) -> Value {
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "layers": [],
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(b"{}"), "size": 2},
    });
    for (name, value) in more.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    manifest
}

#[test]
fn a_manifest_is_given_back_byte_for_byte_with_its_type() {
    let registry = Registry::start();
    for media_type in [
        IMAGE,
        INDEX,
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ] {
        let text =
            format!("{{ \"schemaVersion\": 2,\n \"mediaType\": \"{media_type}\", \"own\": [] }}");
        let digest = sha256(text.as_bytes());
        let header = [("Content-Type", media_type)];
        let put = registry.ask("PUT", "/v2/app/manifests/1.0", &header, text.as_bytes());
        assert_eq!(put.assert(201).header("docker-content-digest"), digest);
        assert_eq!(
            put.header("location"),
            format!("/v2/app/manifests/{digest}")
        );
        for reference in ["1.0", &digest] {
            let path = format!("/v2/app/manifests/{reference}");
            let got = registry.get(&path);
            assert_eq!(got.assert(200).body, text.as_bytes());
            assert_eq!(
                (
                    got.header("content-type"),
                    got.header("docker-content-digest")
                ),
                (media_type, digest.as_str())
            );
            let head = registry.ask("HEAD", &path, &[], b"");
            assert_eq!(
                head.assert(200).header("content-length"),
                text.len().to_string()
            );
            assert!(head.body.is_empty());
        }
    }
}

#[test]
fn one_push_by_digest_gives_several_tags_with_either_algorithm() {
    let registry = Registry::start();
    let manifest = image(&json!({})).to_string();
    for digest in [sha256(manifest.as_bytes()), sha512(manifest.as_bytes())] {
        let path = format!("/v2/app/manifests/{digest}?tag=one&tag=two");
        let put = registry.ask(
            "PUT",
            &path,
            &[("Content-Type", IMAGE)],
            manifest.as_bytes(),
        );
        assert_eq!(put.assert(201).header("oci-tag"), "one, two");
        let got = registry.get("/v2/app/manifests/two");
        assert_eq!(got.assert(200).header("docker-content-digest"), digest);
    }
    let path = format!("/v2/app/manifests/{}", sha256(b"other"));
    let wrong = registry.ask(
        "PUT",
        &path,
        &[("Content-Type", IMAGE)],
        manifest.as_bytes(),
    );
    assert_eq!(
        (wrong.status, wrong.code().as_str()),
        (400, "DIGEST_INVALID")
    );
}

#[test]
fn referrers_are_listed_by_subject_and_type_whether_it_is_there_or_not() {
    let registry = Registry::start();
    let subject = sha256(b"a manifest that comes later");
    let about = json!({"mediaType": IMAGE, "digest": subject, "size": 7});
    let path = format!("/v2/app/referrers/{subject}");
    assert_eq!(
        registry.get(&path).assert(200).json()["manifests"],
        json!([])
    );
    let signature = image(
        &json!({"subject": about, "artifactType": "application/x.signature", "annotations": {"by": "me"}}),
    );
    let plain = image(&json!({"subject": about}));
    let put = registry.ask(
        "PUT",
        "/v2/app/manifests/sig",
        &[("Content-Type", IMAGE)],
        signature.to_string().as_bytes(),
    );
    assert_eq!(put.assert(201).header("oci-subject"), subject);
    let plain_digest = registry.push_manifest("app", "plain", &plain);
    let listed = registry.get(&path);
    assert_eq!(listed.assert(200).header("content-type"), INDEX);
    assert_eq!(listed.json()["manifests"].as_array().unwrap().len(), 2);
    let filtered = registry.get(&format!("{path}?artifactType=application%2Fx.signature"));
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let text = signature.to_string();
    assert_eq!(
        filtered.json()["manifests"],
        json!([{"mediaType": IMAGE, "digest": sha256(text.as_bytes()), "size": text.len(), "artifactType": "application/x.signature", "annotations": {"by": "me"}}])
    );
    registry
        .ask("DELETE", "/v2/app/manifests/sig", &[], b"")
        .assert(202);
    assert_eq!(
        registry.get(&path).json()["manifests"]
            .as_array()
            .unwrap()
            .len(),
        2,
        "a tag is no manifest"
    );
    registry
        .ask(
            "DELETE",
            &format!("/v2/app/manifests/{plain_digest}"),
            &[],
            b"",
        )
        .assert(202);
    registry.get("/v2/app/manifests/plain").assert(404);
    assert_eq!(
        registry.get(&path).json()["manifests"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn what_is_no_manifest_that_is_taken_is_refused_with_the_reason() {
    let registry = Registry::start();
    let schema_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    for (media_type, text, said) in [
        (IMAGE, "", "no manifest"),
        (IMAGE, "{", "no manifest"),
        (IMAGE, "[]", "no manifest"),
        (IMAGE, "{}", "schemaVersion"),
        (
            IMAGE,
            r#"{"schemaVersion": 1, "name": "app", "fsLayers": []}"#,
            "schema 1",
        ),
        (schema_1, r#"{"schemaVersion": 2}"#, "schema 1"),
        ("application/x", r#"{"schemaVersion": 2}"#, "not taken"),
        ("", r#"{"schemaVersion": 2}"#, "neither"),
        (
            IMAGE,
            r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}"#,
            "Content-Type",
        ),
        (
            IMAGE,
            r#"{"schemaVersion": 2, "subject": {"digest": "sha256:1"}}"#,
            "subject",
        ),
    ] {
        let answer = registry.ask(
            "PUT",
            "/v2/app/manifests/1",
            &[("Content-Type", media_type)],
            text.as_bytes(),
        );
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "MANIFEST_INVALID"),
            "{text}"
        );
        let message = answer.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains(said), "{text}: {message}");
    }
    let long = format!(r#"{{"schemaVersion": 2, "x": "{}"}}"#, "x".repeat(4 << 20));
    let answer = registry.ask(
        "PUT",
        "/v2/app/manifests/1",
        &[("Content-Type", IMAGE)],
        long.as_bytes(),
    );
    assert_eq!(answer.status, 413);
    registry.get("/v2/app/manifests/1").assert(404);
    registry.get("/v2/app/tags/list").assert(404);
}
