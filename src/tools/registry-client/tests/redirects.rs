//! Redirects: from registries to object stores, in circles, and to where they may not lead.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::sync::Arc;
use std::sync::OnceLock;

use image_archive::Reference;
use registry_client::{Client, Credentials, Error, Result, Secret, Settings};

use common::server::{Body, Reply, Server};
use common::{LAYER, bytes, descriptor, everything_of, fast};

fn fetch(server: &Server, settings: Settings, blob: &[u8]) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let part = directory.path().join("part");
    let reference: Reference = format!("{}/team/app:1", server.address()).parse().unwrap();
    Client::new(settings)?.blob(&reference, &descriptor(LAYER, blob), &part, &|_| ())?;
    Ok(std::fs::read(part).unwrap())
}

fn redirect(status: u16, location: &str) -> Reply {
    Reply::new(status).header("Location", location)
}

#[test]
fn follows_a_registry_to_its_object_store_without_the_credentials() {
    let blob = bytes(200_000);
    let source = blob.clone();
    let store = Server::start(move |asked| Reply::blob(asked, &source).cut(120_000));
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/bucket/x?X-Amz-Signature=geheim", store.url());
        let registry = Server::start(move |asked| match asked.header("authorization") {
            Some("Basic YW5uYTpnZWhlaW0=") => redirect(status, &location),
            _ => Reply::new(401).header("WWW-Authenticate", "Basic realm=x"),
        });
        let settings = Settings {
            credentials: [(
                registry.address().to_owned(),
                Credentials::Password {
                    user: "anna".into(),
                    password: Secret::new("geheim"),
                },
            )]
            .into(),
            ..fast()
        };
        let before = store.asked().len();
        assert_eq!(fetch(&registry, settings, &blob).unwrap(), blob);
        let asked = &store.asked()[before..];
        // Cut once: the rest is asked for through the registry again, since signatures expire.
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].from(), Some(120_000));
        for asked in asked {
            assert_eq!(asked.header("authorization"), None);
            assert_eq!(asked.path, "/bucket/x?X-Amz-Signature=geheim");
        }
    }
}

#[test]
fn keeps_the_credentials_within_the_same_server() {
    let blob = bytes(1000);
    let source = blob.clone();
    let registry = Server::start(move |asked| match asked.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=x"),
        Some(_) if asked.path.ends_with("elsewhere") => Reply::blob(asked, &source),
        Some(_) => redirect(307, "/v2/elsewhere"),
    });
    let settings = Settings {
        credentials: [(
            registry.address().to_owned(),
            Credentials::Password {
                user: "anna".into(),
                password: Secret::new("geheim"),
            },
        )]
        .into(),
        ..fast()
    };
    assert_eq!(fetch(&registry, settings, &blob).unwrap(), blob);
}

#[test]
fn a_server_that_was_redirected_to_gets_no_credentials_by_asking_for_them() {
    let thief = Server::start(|_| Reply::new(401).header("WWW-Authenticate", "Basic realm=x"));
    let location = format!("{}/x", thief.url());
    let registry = Server::start(move |_| redirect(307, &location));
    let settings = Settings {
        credentials: [(
            registry.address().to_owned(),
            Credentials::Password {
                user: "anna".into(),
                password: Secret::new("geheim"),
            },
        )]
        .into(),
        ..fast()
    };
    let error = fetch(&registry, settings, b"x").unwrap_err();
    assert!(
        matches!(error, Error::Store { status: 401, .. }),
        "{error:?}"
    );
    for asked in thief.asked() {
        assert_eq!(asked.header("authorization"), None);
    }
}

#[test]
fn a_store_that_refuses_is_asked_again_by_a_fresh_url() {
    let blob = bytes(1000);
    let source = blob.clone();
    let store = Server::start(move |asked| match asked.path.as_str() {
        "/x?signature=fresh" => Reply::blob(asked, &source),
        _ => Reply::new(403),
    });
    let url = store.url();
    let first = std::sync::atomic::AtomicBool::new(true);
    let registry = Server::start(move |_| {
        let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let signature = if is_first { "expired" } else { "fresh" };
        redirect(307, &format!("{url}/x?signature={signature}"))
    });
    assert_eq!(fetch(&registry, fast(), &blob).unwrap(), blob);
    assert_eq!(store.asked().len(), 2);
}

#[test]
fn a_store_that_goes_on_refusing_is_named_with_what_it_says_and_no_login_is_asked_for() {
    for status in [400, 401, 403, 404] {
        let body = b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        let store = Server::start(move |_| Reply::new(status).body(Body::Whole(body.to_vec())));
        let location = format!("{}/bucket/x?X-Amz-Signature=verborgen", store.url());
        let registry = Server::start(move |_| redirect(307, &location));
        let error = fetch(&registry, fast(), b"x").unwrap_err();
        let text = everything_of(&error);
        let place = format!("{}/bucket/x", store.url());
        for part in [
            registry.address(),
            &place,
            &format!("status {status}"),
            "Request has expired",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        let hint = error.hint().unwrap_or_default();
        assert!(!hint.contains("login") && hint.contains("clock"), "{hint}");
        assert!(!text.contains("verborgen"), "{text}");
        assert!(!error.is_not_found() && !error.is_verification());
        assert!(registry.asked().len() > 1);
    }
}

#[test]
fn stops_in_a_circle() {
    let own: Arc<OnceLock<String>> = Arc::default();
    let known = Arc::clone(&own);
    let registry =
        Server::start(move |_| redirect(302, &format!("{}/round", known.get().unwrap())));
    own.set(registry.url()).unwrap();
    let error = fetch(&registry, fast(), b"x").unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error:?}");
    assert!(
        error.to_string().contains("more than 5 redirects"),
        "{error}"
    );
    assert_eq!(registry.asked().len(), 6);
}

#[test]
fn refuses_redirects_to_nowhere_and_shows_no_signature() {
    for location in [
        "",
        "ftp://store.example/x?sig=verborgen",
        "file:///etc/passwd",
        "https://anna:verborgen@store.example/x",
        "http://[/x?sig=verborgen",
    ] {
        let registry = Server::start(move |_| match location {
            "" => Reply::new(307),
            location => redirect(307, location),
        });
        let error = fetch(&registry, fast(), b"x").unwrap_err();
        assert!(
            matches!(error, Error::Redirect { .. }),
            "{location}: {error:?}"
        );
        assert!(!everything_of(&error).contains("verborgen"), "{error:?}");
        assert_eq!(registry.asked().len(), 1);
    }
}

#[test]
fn shows_no_signature_when_an_object_store_fails() {
    for status in [403, 500] {
        let store = Server::start(move |_| Reply::new(status));
        let location = format!("{}/bucket/x?X-Amz-Signature=verborgen", store.url());
        let registry = Server::start(move |_| redirect(307, &location));
        let error = fetch(&registry, fast(), b"x").unwrap_err();
        assert!(!everything_of(&error).contains("verborgen"), "{error:?}");
    }
    let location = "http://127.0.0.1:9/bucket/x?X-Amz-Signature=verborgen";
    let registry = Server::start(move |_| redirect(307, location));
    let error = fetch(&registry, fast(), b"x").unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error:?}");
    assert!(!everything_of(&error).contains("verborgen"), "{error:?}");
}
