//! Token servers (distribution, `spec/auth/token.md` and `oauth.md`), good ones and bad ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use image_archive::Reference;
use registry_client::{Client, Credentials, Error, Secret};

use common::server::{Body, Reply, Server};
use common::site::{Site, anna, token};
use common::{everything_of, fast};

#[test]
fn fetches_a_token_without_credentials_and_uses_it_again() {
    let site = Site::start(|_, _| token(0));
    let client = Client::new(fast()).unwrap();
    for _ in 0..3 {
        client.resolve(&site.reference("team/app")).unwrap();
    }
    let asked = site.tokens.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].path,
        "/token?service=registry.example&scope=repository%3Ateam%2Fapp%3Apull&client_id=containers"
    );
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(
        site.registry.asked().len(),
        4,
        "only the first request goes without the token"
    );
    client.resolve(&site.reference("team/other")).unwrap();
    assert_eq!(
        site.tokens.asked().len(),
        2,
        "a token is for one repository"
    );
}

#[test]
fn sends_the_password_to_the_token_server_only() {
    let site = Site::start(|_, _| token(0));
    let client = Client::new(site.settings(anna())).unwrap();
    client.resolve(&site.reference("team/app")).unwrap();
    let asked = &site.tokens.asked()[0];
    assert_eq!(
        asked.header("authorization"),
        Some("Basic YW5uYTpnZWhlaW0=")
    );
    assert!(asked.path.ends_with("&account=anna"), "{}", asked.path);
    for asked in site.registry.asked() {
        let sent = asked.header("authorization").unwrap_or_default();
        assert!(!sent.starts_with("Basic"), "{sent}");
    }
}

#[test]
fn changes_an_identity_token_for_an_access_token() {
    let site = Site::start(|_, _| Reply::ok(br#"{"access_token":"token-0"}"#));
    let credentials = Credentials::IdentityToken(Secret::new("long+lived"));
    let client = Client::new(site.settings(credentials)).unwrap();
    client.resolve(&site.reference("team/app")).unwrap();
    let asked = &site.tokens.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/token")
    );
    assert_eq!(
        asked.body,
        "service=registry.example&scope=repository%3Ateam%2Fapp%3Apull&client_id=containers&grant_type=refresh_token&refresh_token=long%2Blived"
    );
}

#[test]
fn sends_a_registry_token_as_it_is() {
    let site = Site::start(|_, _| Reply::new(500));
    let credentials = Credentials::RegistryToken(Secret::new("token-0"));
    let client = Client::new(site.settings(credentials)).unwrap();
    client.resolve(&site.reference("team/app")).unwrap();
    assert!(site.tokens.asked().is_empty());
}

#[test]
fn replaces_a_token_that_the_registry_no_longer_takes() {
    let site = Site::start(|_, call| token(call));
    let client = Client::new(fast()).unwrap();
    client.resolve(&site.reference("team/app")).unwrap();
    *site.good.lock().unwrap() = vec!["token-1".to_owned()];
    client.resolve(&site.reference("team/app")).unwrap();
    assert_eq!(site.tokens.asked().len(), 2);
}

#[test]
fn threads_that_need_a_token_together_fetch_one() {
    let site = Site::start(|_, _| token(0));
    let client = Client::new(fast()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.resolve(&site.reference("team/app")).unwrap());
        }
    });
    assert_eq!(site.tokens.asked().len(), 1);
}

#[test]
fn a_storm_of_refusals_ends_at_once() {
    let site = Site::start(|_, call| token(call + 1));
    let error = Client::new(site.settings(anna()))
        .unwrap()
        .resolve(&site.reference("team/app"))
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unauthorized {
                anonymous: false,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(site.registry.asked().len(), 2);
    assert_eq!(site.tokens.asked().len(), 1);
}

#[test]
fn says_when_the_token_server_refuses_the_password() {
    let site = Site::start(|_, _| {
        Reply::new(401).body(Body::Whole(
            br#"{"details":"geheim is not the password of anna"}"#.to_vec(),
        ))
    });
    let error = Client::new(site.settings(anna()))
        .unwrap()
        .resolve(&site.reference("team/app"))
        .unwrap_err();
    let text = everything_of(&error);
    assert!(
        text.contains("[secret] is not the password of anna"),
        "{text}"
    );
    assert!(text.contains(site.tokens.address()), "{text}");
    assert!(
        !text.contains("geheim") && !text.contains("YW5uYTpnZWhlaW0"),
        "{text}"
    );
}

#[test]
fn refuses_answers_that_hold_no_token() {
    for answer in [
        "",
        "<html>",
        "{}",
        r#"{"token":""}"#,
        r#"{"token":["geheim"]}"#,
        "{\"token\":\"geheim\\r\\nX-Header: y\"}",
    ] {
        let site = Site::start(move |_, _| Reply::ok(answer.as_bytes()));
        let error = Client::new(fast())
            .unwrap()
            .resolve(&site.reference("team/app"))
            .unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{answer}: {error:?}");
        assert!(!everything_of(&error).contains("geheim"));
    }
    let site = Site::start(|_, _| Reply::new(404));
    let error = Client::new(fast())
        .unwrap()
        .head(&site.reference("team/app"))
        .unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    let site = Site::start(|_, _| Reply::new(200).body(Body::Endless));
    let error = Client::new(fast())
        .unwrap()
        .resolve(&site.reference("team/app"))
        .unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
}

#[test]
fn refuses_realms_that_are_no_place_for_a_password() {
    for realm in [
        "ftp://tokens.example/token",
        "https://anna:x@tokens.example/token",
        "/token",
        "nonsense nonsense",
    ] {
        let challenge = format!(r#"Bearer realm="{realm}",service="x""#);
        let registry =
            Server::start(move |_| Reply::new(401).header("WWW-Authenticate", &challenge));
        let reference: Reference = format!("{}/team/app:1", registry.address())
            .parse()
            .unwrap();
        let error = Client::new(fast())
            .unwrap()
            .resolve(&reference)
            .unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{realm}: {error:?}");
    }
}

#[test]
fn says_when_a_registry_wants_something_unheard_of() {
    for challenge in ["Negotiate", "Digest realm=\"x\"", ""] {
        let registry =
            Server::start(move |_| Reply::new(401).header("WWW-Authenticate", challenge));
        let reference: Reference = format!("{}/team/app:1", registry.address())
            .parse()
            .unwrap();
        let error = Client::new(fast())
            .unwrap()
            .resolve(&reference)
            .unwrap_err();
        assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
        assert_eq!(registry.asked().len(), 1);
    }
}
