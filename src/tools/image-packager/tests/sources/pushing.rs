//! `push` into Debian's docker-registry, with the bytes on the wire counted, and back out of it by skopeo.

use image_fixture::Packing;
use registry_client::{Client, Settings};
use registry_fixture::{Options, Registry, digest};
use serde_json::json;

use crate::common::{INDEX, MANIFEST, Place, image, push, tool};
use crate::counting::Counting;
use crate::platforms::index;

/// A release with one image of a layer of 2 MB and one of 1 kB, and the digest of its manifest.
pub fn frozen() -> (Place, Registry, String, String) {
    let registry = Registry::start();
    let image = image(&[(1, 2_000_000), (2, 1000)]);
    let pushed = push(&registry, &image, "team/app:1", Packing::Gzip);
    let place = Place::new();
    place.run(&["freeze", &pushed.reference]).good();
    (place, registry, pushed.reference, pushed.digest)
}

/// Methods of requests that change something.
pub fn changes(registry: &Registry) -> Vec<String> {
    (registry.requests().into_iter())
        .map(|request| request.method)
        .filter(|method| method != "GET" && method != "HEAD")
        .collect()
}

/// What a tag stands for.
pub fn tagged(reference: &str) -> Option<String> {
    let client = Client::new(Settings::default()).unwrap();
    let found = client.head(&reference.parse().unwrap()).unwrap();
    found.map(|digest| digest.to_string())
}

/// Pulls with skopeo, which verifies every digest, and gives the manifest's.
pub fn pulled(place: &Place, reference: &str, options: &[&str]) -> String {
    let copy = place.beside("pulled");
    let _ = std::fs::remove_dir_all(&copy);
    let (from, to) = (
        format!("docker://{reference}"),
        format!("dir:{}", copy.display()),
    );
    let fixed = [
        "copy",
        "--quiet",
        "--insecure-policy",
        "--src-tls-verify=false",
    ];
    tool("skopeo", &[&fixed, options, &[&from, &to]].concat());
    digest(&std::fs::read(copy.join("manifest.json")).unwrap())
}

#[test]
fn skopeo_pulls_what_was_pushed_through_tls_and_login_and_a_second_push_changes_nothing() {
    let (place, _source, reference, expected) = frozen();
    let registry = Registry::start_with(Options::default().tls().account("anna", "hunter2"));
    let auth = format!(
        r#"{{"auths":{{"{}":{{"auth":"YW5uYTpodW50ZXIy"}}}}}}"#,
        registry.address()
    );
    let auth = place.file("auth.json", &auth);
    let ca = registry.ca_file().display().to_string();
    let to = format!("{}/mirror/", registry.address());
    let arguments = [
        "push",
        &reference,
        "--to",
        &to,
        "--authfile",
        &auth,
        "--ca",
        &ca,
    ];
    let said = place.json(&arguments);
    let there = format!("{}/mirror/team/app:1", registry.address());
    let first = &said["images"][0];
    assert_eq!(first["destination"], json!(there));
    assert_eq!(first["digest"], json!(expected));
    assert_eq!(first["tag"], json!("pushed"));
    assert_eq!(first["pushed"]["blobs"], json!(3), "{said}");
    assert_eq!(
        pulled(&place, &there, &["--src-creds=anna:hunter2"]),
        expected
    );

    let before = changes(&registry).len();
    let said = place.json(&arguments);
    let second = &said["images"][0];
    assert_eq!(second["tag"], json!("unchanged"), "{said}");
    assert_eq!(
        (&second["pushed"]["bytes"], &second["skipped"]["blobs"]),
        (&json!(0), &json!(3))
    );
    assert_eq!(changes(&registry).len(), before, "nothing was sent");

    let anonymous = place.run(&["push", &reference, "--to", &to, "--ca", &ca]);
    anonymous.bad(
        1,
        &[
            "refused access to mirror/team/app",
            "hint: log in with `docker login",
        ],
    );
    let wrong = place.file(
        "wrong.json",
        &std::fs::read_to_string(&auth)
            .unwrap()
            .replace("YW5uYTpodW50ZXIy", "YW5uYTpnZWhlaW0="),
    );
    let refused = place.run(&[
        "push",
        &reference,
        "--to",
        &to,
        "--ca",
        &ca,
        "--authfile",
        &wrong,
    ]);
    assert!(!refused.stderr().contains("geheim") && !refused.stderr().contains("YW5uYTpn"));
    refused.bad(1, &["may push to this repository"]);
}

#[test]
fn a_second_push_and_one_to_another_repository_send_no_blob_over_the_wire() {
    let (place, _source, reference, expected) = frozen();
    let registry = Registry::start();
    let wire = Counting::start(registry.address());
    let push = |to: &str, more: &[&str]| {
        let item = format!("{reference}={}/{to}", wire.address());
        let before = wire.sent();
        let said = place.json(&[&["push", &item], more].concat());
        assert_eq!(said["failed"], json!([]), "{said}");
        (said["images"][0].clone(), wire.sent() - before)
    };
    let (first, bytes) = push("a/app:1", &[]);
    assert!((2_000_000..2_200_000).contains(&bytes), "{bytes}");
    assert_eq!(first["mounted"]["blobs"], json!(0));
    let (_, bytes) = push("a/app:1", &[]);
    assert!(bytes < 10_000, "{bytes}");
    let (said, bytes) = push("b/app:1", &["--mount-from", "a/app"]);
    assert!(bytes < 20_000, "{bytes}");
    assert_eq!(
        (&said["mounted"]["blobs"], &said["pushed"]["blobs"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(
        pulled(&place, &format!("{}/b/app:1", registry.address()), &[]),
        expected
    );

    // Within one run nobody has to say where the blobs are.
    let (c, d) = (
        format!("{reference}={}/c/app", wire.address()),
        format!("{reference}={}/d/app:2", wire.address()),
    );
    let before = wire.sent();
    let said = place.json(&["push", &c, &d]);
    assert!((2_000_000..2_200_000).contains(&(wire.sent() - before)));
    assert_eq!(said["images"][1]["mounted"]["blobs"], json!(3), "{said}");
    assert_eq!(
        tagged(&format!("{}/d/app:2", registry.address())),
        Some(expected)
    );
}

#[test]
fn a_registry_takes_from_the_repository_that_an_image_was_frozen_from() {
    let (place, registry, reference, expected) = frozen();
    let item = format!("{reference}={}/mirror/app:1", registry.address());
    let would = place.json(&["push", &item, "--dry-run"]);
    assert_eq!(would["images"][0]["mounted"]["blobs"], json!(3), "{would}");
    assert_eq!(
        tagged(&format!("{}/mirror/app:1", registry.address())),
        None
    );
    let said = place.json(&["push", &item]);
    assert_eq!(said["images"][0]["mounted"]["blobs"], json!(3), "{said}");
    assert_eq!(
        pulled(&place, &format!("{}/mirror/app:1", registry.address()), &[]),
        expected
    );
}

#[test]
fn a_dry_run_only_asks() {
    let (place, _source, reference, expected) = frozen();
    let registry = Registry::start();
    let ran = place
        .run(&["push", "--to", registry.address(), "--dry-run"])
        .good();
    let there = format!("{}/team/app:1", registry.address());
    assert!(
        ran.stdout()
            .contains(&format!("would push {reference} to {there}@{expected}")),
        "{}",
        ran.stdout()
    );
    assert!(
        ran.stdout().contains("sent: 3 blobs, 2.1 MB"),
        "{}",
        ran.stdout()
    );
    assert_eq!(changes(&registry), [""; 0]);
    assert_eq!(tagged(&there), None);
}

#[test]
fn an_index_goes_with_its_images_or_is_replaced_by_this_platforms_manifest() {
    let source = Registry::start();
    let pushed = index(&source, &[("amd64", None), ("arm64", Some("v8"))]);
    let registry = Registry::start();
    let there = format!("{}/mirror/app:1", registry.address());
    let place = Place::new();
    place.run(&["freeze", &pushed.reference]).good();
    let item = format!("{}={there}", pushed.reference);

    // Frozen, it is for one platform; the index cannot be there, and is refused if somebody insists.
    place
        .run(&["push", &item, "--incomplete-index"])
        .bad(1, &["1 image was not pushed", "pushing manifest 1 to"]);
    assert_eq!(tagged(&there), None, "a failed push leaves no tag");
    let ran = place.run(&["push", &item]).good();
    let note = format!("the index {} names images for others", pushed.digest);
    assert!(ran.stderr().contains(&note), "{}", ran.stderr());
    let manifest = pulled(&place, &there, &[]);
    assert_ne!(manifest, pushed.digest);
    assert!(place.lock().contains(&format!("manifest: {manifest}")));

    // A layout with all of them is pushed as it is, and then the index of the release goes, too.
    let layout = format!("oci:{}:app", place.beside("layout").display());
    let from = format!("docker://{}", pushed.reference);
    tool(
        "skopeo",
        &[
            "copy",
            "--quiet",
            "--insecure-policy",
            "--all",
            "--src-tls-verify=false",
            &from,
            &layout,
        ],
    );
    let whole = format!("{}/mirror/whole", registry.address());
    let said = place.json(&["push", &format!("{layout}={whole}:1")]);
    assert_eq!(said["images"][0]["digest"], json!(pushed.digest), "{said}");
    assert_eq!(
        pulled(&place, &format!("{whole}:1"), &["--all"]),
        pushed.digest
    );
    let said = place.json(&["push", &format!("{}={whole}:2", pushed.reference)]);
    assert_eq!(said["images"][0]["digest"], json!(pushed.digest), "{said}");
}

#[test]
fn a_tarball_and_an_image_that_is_stored_as_one_are_pushed() {
    let (place, _source, reference, expected) = frozen();
    let registry = Registry::start();
    let file = place.beside("app.tar").display().to_string();
    place.run(&["export", &reference, "--output", &file]).good();
    let there = format!("{}/x/y:1", registry.address());
    let said = place.json(&["push", &format!("docker-archive:{file}={there}")]);
    let pushed = said["images"][0]["digest"]
        .as_str()
        .unwrap_or_else(|| panic!("{said}"));
    assert_eq!(pulled(&place, &there, &[]), pushed);

    let single = Place::new();
    single
        .run(&["freeze", &reference, "--layout", "archive"])
        .good();
    let there = format!("{}/z:1", registry.address());
    single
        .run(&["push", &format!("{reference}={there}")])
        .good();
    assert_eq!(pulled(&place, &there, &[]), expected);
}

/// Referrers of nobody, and manifests of no image, are not what `push` is for; but an index that holds one is.
#[test]
fn an_attestation_in_a_layout_goes_with_its_index() {
    let source = Registry::start();
    let image = push(
        &source,
        &image(&[(3, 700)]),
        "team/app:amd64",
        Packing::Gzip,
    );
    let (config, statement) = (
        b"{}".as_slice(),
        br#"{"_type":"https://in-toto.io/Statement/v0.1"}"#.as_slice(),
    );
    let blob = |bytes: &[u8], media_type: &str| json!({"mediaType": media_type, "digest": source.push_blob("team/app", bytes), "size": bytes.len()});
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(statement, "application/vnd.in-toto+json")],
    })
    .to_string();
    let attestation = source.push_manifest(
        "team/app",
        &digest(attestation.as_bytes()),
        MANIFEST,
        attestation.as_bytes(),
    );
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": image.digest, "size": image.size, "platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": MANIFEST, "digest": attestation.digest, "size": attestation.size, "platform": {"os": "unknown", "architecture": "unknown"},
         "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    ]})
    .to_string();
    let index = source.push_manifest("team/app", "1", INDEX, index.as_bytes());
    let place = Place::new();
    let layout = format!("oci:{}:app", place.beside("layout").display());
    tool(
        "skopeo",
        &[
            "copy",
            "--quiet",
            "--insecure-policy",
            "--all",
            "--src-tls-verify=false",
            &format!("docker://{}", index.reference),
            &layout,
        ],
    );
    let registry = Registry::start();
    let there = format!("{}/app:1", registry.address());
    let said = place.json(&["push", &format!("{layout}={there}")]);
    assert_eq!(said["images"][0]["digest"], json!(index.digest), "{said}");
    assert_eq!(pulled(&place, &there, &["--all"]), index.digest);
}
