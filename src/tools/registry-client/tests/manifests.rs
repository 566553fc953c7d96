//! Documents of servers that lie, flood and dawdle.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::time::{Duration, Instant};

use image_archive::{Digest, Reference};
use registry_client::{Client, Error, Limits, Settings};

use common::server::{Asked, Body, Reply, Server};
use common::{descriptor, fast, hasty};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCUMENT: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

fn reference(server: &Server, suffix: &str) -> Reference {
    format!("{}/team/app{suffix}", server.address())
        .parse()
        .unwrap()
}

fn client(settings: Settings) -> Client {
    Client::new(settings).unwrap()
}

fn manifest(document: &str) -> Reply {
    Reply::ok(document.as_bytes()).header("Content-Type", MANIFEST)
}

#[test]
fn asks_for_every_kind_of_manifest_and_for_no_compression() {
    let server = Server::start(|_| manifest(DOCUMENT));
    let resolved = client(fast()).resolve(&reference(&server, ":1")).unwrap();
    assert_eq!(resolved.bytes, DOCUMENT.as_bytes());
    assert_eq!(
        resolved.descriptor,
        descriptor(MANIFEST, DOCUMENT.as_bytes())
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/v2/team/app/manifests/1");
    let accept = asked[0].header("accept").unwrap();
    for kind in [
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "manifest.list.v2",
        "distribution.manifest.v2",
    ] {
        assert!(accept.contains(kind), "{accept}");
    }
    assert_eq!(asked[0].header("accept-encoding"), None);
    assert!(
        asked[0]
            .header("user-agent")
            .unwrap()
            .starts_with("containers/")
    );
}

#[test]
fn refuses_a_document_that_is_not_the_one_asked_for() {
    let server = Server::start(|_| manifest(DOCUMENT));
    let other = Digest::of(b"other");
    let client = client(fast());
    let error = client
        .resolve(&reference(&server, &format!("@{other}")))
        .unwrap_err();
    assert!(
        matches!(error, Error::WrongDigest { expected, .. } if expected == other),
        "{error:?}"
    );
    let mut wrong = descriptor(MANIFEST, DOCUMENT.as_bytes());
    wrong.digest = other;
    let error = client
        .document(&reference(&server, ""), &wrong)
        .unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error:?}");
    wrong.size -= 1;
    let error = client
        .document(&reference(&server, ""), &wrong)
        .unwrap_err();
    assert!(matches!(error, Error::WrongSize { .. }), "{error:?}");
    wrong.size += 2;
    let error = client
        .document(&reference(&server, ""), &wrong)
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::WrongSize {
                at_least: false,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn refuses_a_document_that_contradicts_its_own_header() {
    let said = Digest::of(b"other").to_string();
    let server = Server::start(move |_| manifest(DOCUMENT).header("Docker-Content-Digest", &said));
    let error = client(fast())
        .resolve(&reference(&server, ":1"))
        .unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error:?}");
    assert!(error.is_verification());
}

#[test]
fn refuses_schema_1_and_says_what_it_is() {
    let server = Server::start(|_| {
        Reply::ok(br#"{"schemaVersion":1,"fsLayers":[]}"#).header(
            "Content-Type",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
        )
    });
    let error = client(fast())
        .resolve(&reference(&server, ":1"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "team/app:1 at {} is a manifest of schema 1, which cannot be verified",
            server.address()
        )
    );
}

#[test]
fn reads_no_more_of_a_huge_document_than_the_limit() {
    let announced = Server::start(|_| manifest(&"x".repeat(100 << 20)));
    let endless = Server::start(|_| Reply::new(200).body(Body::Endless));
    for server in [announced, endless] {
        let error = client(fast())
            .resolve(&reference(&server, ":1"))
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLarge {
                    limit: 4_194_304,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(server.sent() < 16 << 20, "{}", server.sent());
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn the_limit_is_a_setting() {
    let server = Server::start(|_| manifest(DOCUMENT));
    let settings = Settings {
        limits: Limits {
            document: 10,
            ..Limits::default()
        },
        ..fast()
    };
    let client = client(settings);
    let error = client.resolve(&reference(&server, ":1")).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 10, .. }),
        "{error:?}"
    );
    let big = descriptor(
        "application/vnd.oci.image.config.v1+json",
        DOCUMENT.as_bytes(),
    );
    let error = client.document(&reference(&server, ""), &big).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 10, .. }),
        "{error:?}"
    );
    assert_eq!(
        server.asked().len(),
        1,
        "what is known to be too large is not asked for"
    );
}

#[test]
fn gives_up_on_a_slow_document_in_bounded_time() {
    let trickle = |_: &Asked| {
        manifest("").body(Body::Trickle(
            vec![b' '; 100_000],
            1,
            Duration::from_millis(10),
        ))
    };
    let silence = |_: &Asked| manifest("").body(Body::Silence);
    for server in [Server::start(trickle), Server::start(silence)] {
        let started = Instant::now();
        let error = client(hasty())
            .resolve(&reference(&server, ":1"))
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::Stalled { attempts: 4, .. } | Error::Connection { attempts: 4, .. }
            ),
            "{error:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(8));
    }
}

#[test]
fn tells_a_tags_digest_without_fetching_the_manifest() {
    let digest = Digest::of(DOCUMENT.as_bytes());
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/v2/team/app/manifests/1" => {
            manifest(DOCUMENT).header("Docker-Content-Digest", &digest.to_string())
        }
        _ => Reply::new(404),
    });
    let client = client(fast());
    // A frozen reference has both; the question is what the tag has now.
    let frozen = format!(":1@{}", Digest::of(b"old"));
    assert_eq!(
        client.head(&reference(&server, &frozen)).unwrap(),
        Some(digest)
    );
    assert_eq!(client.head(&reference(&server, ":2")).unwrap(), None);
    assert!(server.asked().iter().all(|asked| asked.method == "HEAD"));
}

#[test]
fn asks_by_get_where_head_says_nothing() {
    for head in [200, 405] {
        let server = Server::start(move |asked| match asked.method.as_str() {
            "HEAD" => Reply::new(head),
            _ => manifest(DOCUMENT),
        });
        let digest = client(fast()).head(&reference(&server, ":1")).unwrap();
        assert_eq!(digest, Some(Digest::of(DOCUMENT.as_bytes())));
    }
}

#[test]
fn fetches_configs_from_the_blobs_and_manifests_from_the_manifests() {
    let server = Server::start(|_| Reply::ok(DOCUMENT.as_bytes()));
    let client = client(fast());
    let config = descriptor(
        "application/vnd.docker.container.image.v1+json",
        DOCUMENT.as_bytes(),
    );
    client.document(&reference(&server, ""), &config).unwrap();
    let manifest = descriptor(MANIFEST, DOCUMENT.as_bytes());
    client.document(&reference(&server, ""), &manifest).unwrap();
    let digest = Digest::of(DOCUMENT.as_bytes());
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(
        paths,
        [
            format!("/v2/team/app/blobs/{digest}"),
            format!("/v2/team/app/manifests/{digest}")
        ]
    );
}
