//! Pushes to registries that break off, forget, limit, lie, or take blobs in one way only.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use image_archive::{Descriptor, Reference};
use registry_client::{Client, Content, Error, Limits, Mount, Result, Settings};

use common::server::{Body, Reply, Server};
use common::site::anna;
use common::upload::Good;
use common::{LAYER, descriptor, everything_of, fast, hint_of};

const CHUNK: u64 = 1000;
const UPLOADS: &str = "/v2/team/app/blobs/uploads/";

/// A blob that is text, as the test's server wants it.
fn blob(length: usize) -> String {
    let mut generator = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| generator.alphanumeric())
        .take(length)
        .collect()
}

fn settings() -> Settings {
    Settings {
        limits: Limits {
            chunk: CHUNK,
            ..Limits::default()
        },
        ..fast()
    }
}

fn repository(server: &Server) -> Reference {
    format!("{}/team/app:1", server.address()).parse().unwrap()
}

fn upload_with(settings: Settings, server: &Server, bytes: &str) -> Result<u64> {
    let blob = descriptor(LAYER, bytes.as_bytes());
    let client = Client::new(settings).unwrap();
    let content = Content::Bytes(bytes.as_bytes());
    client.upload_blob(&repository(server), &blob, content, None, &|_| ())
}

fn upload(server: &Server, bytes: &str) -> Result<u64> {
    upload_with(settings(), server, bytes)
}

fn methods(server: &Server) -> String {
    let asked = server.asked();
    let methods: Vec<&str> = asked.iter().map(|asked| asked.method.as_str()).collect();
    methods.join(" ")
}

#[test]
fn sends_a_small_blob_whole_and_a_large_one_in_chunks() {
    for (length, expected) in [
        (0, "POST PUT"),
        (1000, "POST PUT"),
        (1001, "POST PATCH PATCH PUT"),
        (3000, "POST PATCH PATCH PATCH PUT"),
    ] {
        let good = Good::default();
        let server = Server::start(move |asked| good.reply(asked));
        assert_eq!(upload(&server, &blob(length)).unwrap(), length as u64);
        assert_eq!(methods(&server), expected, "{length}");
        assert_eq!(server.asked()[0].path, UPLOADS);
    }
}

#[test]
fn goes_on_where_the_registry_says_that_it_was() {
    let good = Good::default();
    let failed = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        // Half of the second chunk arrives.
        if asked.method == "PATCH" && failed.fetch_add(1, Ordering::SeqCst) == 1 {
            let mut half = asked.clone();
            half.body.truncate(500);
            good.reply(&half);
            return Reply::new(502);
        }
        good.reply(asked)
    });
    let bytes = blob(3000);
    assert_eq!(
        upload(&server, &bytes).unwrap(),
        3500,
        "half a chunk is sent twice"
    );
    let ranges: Vec<String> = (server.asked().iter())
        .filter_map(|asked| asked.header("content-range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, ["0-999", "1000-1999", "1500-2499", "2500-2999"]);
}

#[test]
fn begins_again_when_the_registry_has_forgotten_the_upload() {
    for status in [404, 416] {
        let good = Good::default();
        let calls = AtomicUsize::new(0);
        let server = Server::start(move |asked| {
            if asked.method == "PATCH" && calls.fetch_add(1, Ordering::SeqCst) == 1 {
                return Reply::new(status);
            }
            good.reply(asked)
        });
        upload(&server, &blob(2000)).unwrap();
        assert_eq!(methods(&server), "POST PATCH PATCH POST PATCH PATCH PUT");
    }
}

#[test]
fn gives_up_on_a_registry_that_forgets_every_upload() {
    let good = Good::default();
    let server = Server::start(move |asked| match asked.method.as_str() {
        "PATCH" => Reply::new(404),
        _ => good.reply(asked),
    });
    let error = upload(&server, &blob(2000)).unwrap_err();
    assert!(
        everything_of(&error).contains("does not know the upload any more (404)"),
        "{error:?}"
    );
    assert_eq!(methods(&server), ["POST PATCH"; 4].join(" "));
}

#[test]
fn sends_a_blob_whole_where_chunks_are_not_taken() {
    for status in [400, 405, 411, 501] {
        let good = Good::default();
        let server = Server::start(move |asked| match asked.method.as_str() {
            "PATCH" => Reply::new(status),
            _ => good.reply(asked),
        });
        upload(&server, &blob(2000)).unwrap();
        assert_eq!(methods(&server), "POST PATCH POST PUT", "{status}");
    }
}

#[test]
fn sends_smaller_chunks_where_bodies_are_limited() {
    let good = Good::default();
    let limit = 1 << 20;
    let server = Server::start(move |asked| match asked.body.len() {
        length if length > limit => Reply::new(413),
        _ => good.reply(asked),
    });
    let bytes = blob(3 << 20);
    upload_with(fast(), &server, &bytes).unwrap();
    assert_eq!(methods(&server), "POST PUT POST PATCH PATCH PATCH PUT");
}

#[test]
fn takes_larger_chunks_where_the_registry_wants_them() {
    let good = Good::default();
    let server = Server::start(move |asked| match asked.method.as_str() {
        "POST" => good.reply(asked).header("OCI-Chunk-Min-Length", "1500"),
        _ => good.reply(asked),
    });
    upload(&server, &blob(3000)).unwrap();
    assert_eq!(methods(&server), "POST PATCH PATCH PUT");
}

#[test]
fn waits_as_long_as_a_registry_that_limits_requests_asks_for() {
    let good = Good::default();
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |asked| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(429).header("Retry-After", "1"),
        _ => good.reply(asked),
    });
    let started = Instant::now();
    upload(&server, &blob(10)).unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn says_what_failed_where_and_what_to_do() {
    for (status, says, hint) in [
        (
            401,
            "refused access to team/app@sha256:",
            "log in with `docker login",
        ),
        (
            403,
            "denied access to team/app@sha256:",
            "log in with `docker login",
        ),
        (
            404,
            "has no team/app@sha256:",
            "want a project or repository",
        ),
        (413, "status 413", "client_max_body_size"),
        (
            500,
            "status 500 (attempts: 4)",
            "what has arrived is not sent again",
        ),
        (507, "status 507 (attempts: 4)", "disk is full"),
        (307, "is not sent on", ""),
    ] {
        let server = Server::start(move |_| Reply::new(status).header("Location", "/v2/other"));
        let error = upload(&server, &blob(10)).unwrap_err();
        assert!(matches!(error, Error::Push { .. }), "{error:?}");
        let text = everything_of(&error);
        let doing = "pushing blob sha256:";
        assert!(
            text.contains(doing) && text.contains(says),
            "{status}: {text}"
        );
        assert!(
            hint_of(&error).contains(hint),
            "{status}: {}",
            hint_of(&error)
        );
    }
}

#[test]
fn compares_the_digests_that_a_registry_says() {
    let other = format!("sha256:{}", "0".repeat(64));
    let header = other.clone();
    let good = Good::default();
    let server = Server::start(move |asked| match asked.method.as_str() {
        "PUT" => Reply::new(201).header("Docker-Content-Digest", &header),
        _ => good.reply(asked),
    });
    let error = upload(&server, &blob(10)).unwrap_err();
    assert!(
        error.is_verification() && everything_of(&error).contains(&other),
        "{error:?}"
    );
    let document = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;
    let manifest: Descriptor = descriptor("application/vnd.oci.image.manifest.v1+json", document);
    let client = Client::new(fast()).unwrap();
    let error = client.push_manifest(&repository(&server), "1", &manifest, document);
    assert!(error.unwrap_err().is_verification());
}

#[test]
fn uploads_where_a_blob_is_not_mounted() {
    let bytes = blob(10);
    let blob = descriptor(LAYER, bytes.as_bytes());
    let good = Good::default();
    let server = Server::start(move |asked| match asked.path.rsplit_once("from=") {
        Some((_, "refused/x")) => Reply::new(403),
        Some((_, "there/x")) => Reply::new(201),
        _ => good.reply(asked),
    });
    let client = Client::new(fast()).unwrap();
    let to = repository(&server);
    let mount = |from| client.mount_blob(&to, blob.digest, from).unwrap();
    assert!(matches!(mount("refused/x"), Mount::Refused));
    assert!(matches!(mount("there/x"), Mount::Mounted));
    let Mount::Opened(opened) = mount("none/x") else {
        panic!("an upload is opened")
    };
    let content = Content::Bytes(bytes.as_bytes());
    client
        .upload_blob(&to, &blob, content, Some(opened), &|_| ())
        .unwrap();
    assert_eq!(methods(&server), "POST POST POST PUT");
    let wanted = format!("{UPLOADS}?mount={}&from=none/x", blob.digest);
    assert_eq!(server.asked()[2].path, wanted);
}

#[test]
fn asks_for_a_token_that_may_push_and_shows_no_secret() {
    let tokens = Server::start(|asked| {
        let may_push = asked.path.contains("pull%2Cpush");
        let token = if may_push { "may-push" } else { "may-pull" };
        Reply::ok(format!(r#"{{"token":"{token}"}}"#).as_bytes())
    });
    let challenge = format!(
        r#"Bearer realm="{}/token",service="registry.example""#,
        tokens.url()
    );
    let good = Good::default();
    let server = Server::start(move |asked| {
        let token = asked.header("authorization").unwrap_or_default();
        match (asked.method.as_str(), token) {
            ("HEAD", "Bearer may-pull" | "Bearer may-push") => Reply::new(404),
            ("POST" | "GET", "Bearer may-push") => good.reply(asked),
            ("PUT", "Bearer may-push") => Reply::new(500).body(Body::Whole(
                br#"{"errors":[{"message":"may-push geheim"}]}"#.to_vec(),
            )),
            _ => Reply::new(401).header("WWW-Authenticate", &challenge),
        }
    });
    let settings = Settings {
        credentials: BTreeMap::from([(server.address().to_owned(), anna())]),
        ..settings()
    };
    let client = Client::new(settings.clone()).unwrap();
    let bytes = blob(10);
    let digest = descriptor(LAYER, bytes.as_bytes()).digest;
    assert!(!client.has_blob(&repository(&server), digest).unwrap());
    let error = upload_with(settings, &server, &bytes).unwrap_err();
    let text = everything_of(&error);
    for secret in ["may-push", "geheim", "_state"] {
        assert!(!text.contains(secret), "{text}");
    }
    let scopes: Vec<String> = tokens.asked().into_iter().map(|asked| asked.path).collect();
    assert!(
        scopes[0].contains("scope=repository%3Ateam%2Fapp%3Apull&"),
        "{scopes:?}"
    );
    assert!(
        scopes[1].contains("scope=repository%3Ateam%2Fapp%3Apull%2Cpush&"),
        "{scopes:?}"
    );
}
