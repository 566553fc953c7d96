//! Which login goes where, and which goes nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::path::{Path, PathBuf};

use image_archive::Reference;
use registry_client::{Client, Error, Proxies, Secret, Settings};

use common::proxy::Proxy;
use common::server::{Reply, Server};
use common::site::{Site, token};
use common::{everything_of, fast, hint_of};

const DOCUMENT: &[u8] = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;
/// `anna:geheim`
const ANNA: &str = "YW5uYTpnZWhlaW0=";
/// `bert:geheim`
const BERT: &str = "YmVydDpnZWhlaW0=";

fn reference(server: &str, path: &str) -> Reference {
    format!("{server}/{path}:1").parse().unwrap()
}

fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let file = directory.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// A registry that wants a name and a password, and takes any.
fn with_passwords() -> Server {
    Server::start(|asked| match asked.header("authorization") {
        Some(_) => Reply::ok(DOCUMENT),
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
    })
}

/// What came as passwords, by repository.
fn shown(server: &Server) -> Vec<(String, String)> {
    let asked = server.asked().into_iter().filter_map(|asked| {
        let sent = asked
            .header("authorization")?
            .strip_prefix("Basic ")?
            .to_owned();
        let repository = asked.path.split("/manifests/").next().unwrap_or_default();
        Some((repository.trim_start_matches("/v2/").to_owned(), sent))
    });
    asked.collect()
}

#[test]
fn each_repository_is_asked_for_with_the_login_of_the_longest_path_above_it() {
    let registry = with_passwords();
    let address = registry.address();
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        r#"{{"auths":{{"{address}/team":{{"auth":"{ANNA}"}},"{address}":{{"auth":"{BERT}"}},"{address}/team/wrong":{{"auth":"?"}}}}}}"#
    );
    let client = Client::new(Settings {
        docker_config: Some(file(directory.path(), "config.json", &text)),
        ..fast()
    })
    .unwrap();
    for path in ["team/app", "other/app", "teams"] {
        client.resolve(&reference(address, path)).unwrap();
    }
    let expected = [("team/app", ANNA), ("other/app", BERT), ("teams", BERT)];
    let expected = expected.map(|(path, auth)| (path.to_owned(), auth.to_owned()));
    assert_eq!(shown(&registry), expected);
    let error = client
        .resolve(&reference(address, "team/wrong"))
        .unwrap_err();
    assert!(error.is_settings(), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("team/wrong: `auth` is not base64"),
        "{error}"
    );
}

#[test]
fn a_file_is_read_only_when_a_registry_asks_who_is_there() {
    let open = Server::start(|_| Reply::ok(DOCUMENT));
    let closed = with_passwords();
    let directory = tempfile::tempdir().unwrap();
    for settings in [
        Settings {
            docker_config: Some(file(directory.path(), "config.json", "{geheim")),
            ..fast()
        },
        Settings {
            docker_config: Some(directory.path().join("none")),
            ..fast()
        },
        Settings {
            docker_auth_config: Some(Secret::new("{geheim")),
            ..fast()
        },
    ] {
        let client = Client::new(settings).unwrap();
        client.resolve(&reference(open.address(), "a")).unwrap();
        for _ in 0..2 {
            let error = client
                .resolve(&reference(closed.address(), "a"))
                .unwrap_err();
            assert!(error.is_settings(), "{error:?}");
            assert!(!everything_of(&error).contains("geheim"));
        }
    }
}

#[test]
fn the_files_of_podman_docker_and_old_docker_are_asked_in_turn() {
    let registry = with_passwords();
    let address = registry.address();
    let directory = tempfile::tempdir().unwrap();
    let first = file(
        directory.path(),
        "auth.json",
        &format!(r#"{{"auths":{{"{address}/team":{{"auth":"{ANNA}"}},"{address}":{{}}}}}}"#),
    );
    let old = file(
        directory.path(),
        ".dockercfg",
        &format!(r#"{{"https://{address}/v1/":{{"auth":"{BERT}","email":"b@example"}}}}"#),
    );
    let empty = file(directory.path(), "config.json", "");
    let client = Client::new(Settings {
        auth_files: vec![directory.path().join("none"), first, empty, old],
        ..fast()
    })
    .unwrap();
    for path in ["team/app", "app"] {
        client.resolve(&reference(address, path)).unwrap();
    }
    let expected = [("team/app", ANNA), ("app", BERT)];
    let expected = expected.map(|(path, auth)| (path.to_owned(), auth.to_owned()));
    assert_eq!(shown(&registry), expected);
}

/// Settings by which every server in the internet is one here, without TLS.
fn through(proxy: &Proxy, insecure: &[&str]) -> Settings {
    Settings {
        proxies: Proxies {
            http: Some(Secret::new(proxy.url())),
            https: Some(Secret::new(proxy.url())),
            none_for: String::new(),
        },
        insecure: insecure.iter().map(|host| (*host).to_owned()).collect(),
        ..fast()
    }
}

#[test]
fn what_a_login_in_the_browser_keeps_is_never_sent() {
    let hub = Server::start(|asked| {
        if asked.path.starts_with("/token") {
            return match asked.header("authorization") {
                Some(sent) if sent == format!("Basic {ANNA}") => token(0),
                None => token(1),
                Some(_) => Reply::new(401),
            };
        }
        if asked.header("authorization") == Some("Bearer token-0") {
            return Reply::ok(DOCUMENT);
        }
        let challenge =
            r#"Bearer realm="http://auth.docker.io/token",service="registry.docker.io""#;
        Reply::new(401).header("WWW-Authenticate", challenge)
    });
    let proxy = Proxy::start(hub.address());
    // `anna:refresh`
    let tokens = r#"{"auth":"YW5uYTpyZWZyZXNo"}"#;
    let client = |own: &str| {
        let text = format!(
            r#"{{"auths":{{{own}"https://index.docker.io/v1/access-token":{tokens},"https://index.docker.io/v1/refresh-token":{tokens}}}}}"#
        );
        Client::new(Settings {
            docker_auth_config: Some(Secret::new(text)),
            ..through(&proxy, &["registry-1.docker.io"])
        })
        .unwrap()
    };
    let own = format!(r#""https://index.docker.io/v1/":{{"auth":"{ANNA}"}},"#);
    client(&own)
        .resolve(&reference("docker.io", "team/private"))
        .unwrap();
    let error = client("")
        .resolve(&reference("docker.io", "team/private"))
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unauthorized {
                anonymous: true,
                ..
            }
        ),
        "{error:?}"
    );
    let sent: Vec<_> = hub
        .asked()
        .iter()
        .filter_map(|asked| asked.header("authorization").map(str::to_owned))
        .collect();
    let basic: Vec<_> = sent
        .iter()
        .filter(|sent| sent.starts_with("Basic "))
        .collect();
    assert_eq!(basic, [&format!("Basic {ANNA}")], "{sent:?}");
}

#[test]
fn a_registry_in_the_internet_sends_nobody_to_a_token_server_in_here() {
    const PUBLIC: &str = "203.0.113.5:5000";
    let site = Site::start(|_, _| token(0));
    let proxy = Proxy::start(site.registry.address());
    let text = format!(r#"{{"auths":{{"{PUBLIC}":{{"auth":"{ANNA}"}}}}}}"#);
    let resolve = |insecure: &[&str]| {
        let client = Client::new(Settings {
            docker_auth_config: Some(Secret::new(text.clone())),
            ..through(&proxy, insecure)
        });
        client.unwrap().resolve(&reference(PUBLIC, "team/app"))
    };
    let error = resolve(&[PUBLIC]).unwrap_err();
    assert!(matches!(error, Error::Realm { .. }), "{error:?}");
    assert!(site.tokens.asked().is_empty(), "{:?}", site.tokens.asked());
    assert!(hint_of(&error).contains(site.tokens.address()), "{error:?}");
    assert!(!everything_of(&error).contains("geheim"));

    // Unless somebody says that it is right.
    resolve(&[PUBLIC, site.tokens.address()]).unwrap();
    assert_eq!(site.tokens.asked().len(), 1);
}
