//! Certificates and proxies. A registry on the loopback is taken with any certificate, so these reach it under another
//! name, through a proxy.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use image_archive::Reference;
use registry_client::{Client, Credentials, Error, Proxies, Secret, Settings};
use registry_fixture::{Options, Registry};

use common::proxy::Proxy;
use common::{LAYER, bytes, descriptor, everything_of, fast, hint_of};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with one blob and one manifest, and a proxy that leads to it.
struct Site {
    registry: Registry,
    proxy: Proxy,
    reference: Reference,
    layer: Vec<u8>,
}

impl Site {
    fn start(options: Options) -> Self {
        let registry = Registry::start_with(options);
        let layer = bytes(100_000);
        registry.push_blob("team/app", &layer);
        registry.push_blob("team/app", b"{}");
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
            "layers": [descriptor(LAYER, &layer)],
        });
        registry.push_manifest("team/app", "1", MANIFEST, manifest.to_string().as_bytes());
        let proxy = Proxy::start(registry.address());
        Self {
            reference: "registry.example/team/app:1".parse().unwrap(),
            registry,
            proxy,
            layer,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            proxies: Proxies {
                http: Some(Secret::new(self.proxy.url())),
                https: Some(Secret::new(self.proxy.url())),
                none_for: String::new(),
            },
            ..fast()
        }
    }

    fn fetch(&self, settings: Settings) -> registry_client::Result<Vec<u8>> {
        let directory = tempfile::tempdir().unwrap();
        let part = directory.path().join("part");
        let client = Client::new(settings)?;
        client.resolve(&self.reference)?;
        client.blob(
            &self.reference,
            &descriptor(LAYER, &self.layer),
            &part,
            &|_| (),
        )?;
        Ok(std::fs::read(part).unwrap())
    }
}

#[test]
fn trusts_an_authority_that_it_is_told_to_and_goes_through_the_proxy() {
    let site = Site::start(Options::default().tls());
    let settings = Settings {
        ca_files: vec![site.registry.ca_file().to_owned()],
        ..site.settings()
    };
    assert_eq!(site.fetch(settings).unwrap(), site.layer);
    let heads = site.proxy.heads();
    assert!(
        heads[0].starts_with("CONNECT registry.example:443 "),
        "{heads:?}"
    );
    assert!(
        heads[0].contains("Proxy-Authorization: Basic YW5uYTpnZWhlaW0="),
        "{heads:?}"
    );
}

#[test]
fn refuses_a_certificate_of_an_unknown_authority() {
    let site = Site::start(Options::default().tls());
    let error = site.fetch(site.settings()).unwrap_err();
    assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
    let text = everything_of(&error);
    assert!(
        text.contains("registry.example") && text.contains("UnknownIssuer"),
        "{text}"
    );
    assert!(hint_of(&error).contains("CA file"), "{text}");
    assert!(!text.contains("geheim"), "{text}");
    assert_eq!(site.proxy.heads().len(), 1, "asking again would not help");
}

#[test]
fn takes_any_certificate_of_an_insecure_registry() {
    let site = Site::start(Options::default().tls());
    let settings = Settings {
        insecure: vec!["registry.example".into()],
        ..site.settings()
    };
    assert_eq!(site.fetch(settings).unwrap(), site.layer);
}

#[test]
fn takes_an_insecure_registry_without_tls_and_no_other() {
    let site = Site::start(Options::default());
    let settings = Settings {
        insecure: vec!["registry.example".into()],
        ..site.settings()
    };
    assert_eq!(site.fetch(settings).unwrap(), site.layer);
    let heads = site.proxy.heads();
    assert!(
        heads[0].starts_with("CONNECT registry.example:443 "),
        "{heads:?}"
    );
    assert!(
        heads[1].starts_with("CONNECT registry.example:80 "),
        "{heads:?}"
    );
    let error = site.fetch(site.settings()).unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error:?}");
    let heads = &site.proxy.heads()[heads.len()..];
    assert!(heads.iter().all(|head| head.contains(":443 ")), "{heads:?}");
}

#[test]
fn never_goes_from_https_to_http_by_redirect() {
    let options = Options::default().tls().blobs_at("http://store.example");
    let site = Site::start(options);
    let settings = Settings {
        ca_files: vec![site.registry.ca_file().to_owned()],
        ..site.settings()
    };
    let error = site.fetch(settings).unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error:?}");
    assert!(error.to_string().contains("is plain http"), "{error}");
    let heads = site.proxy.heads();
    assert!(
        !heads.iter().any(|head| head.contains("store.example")),
        "{heads:?}"
    );
}

#[test]
fn goes_past_the_proxy_where_it_is_told_to() {
    let site = Site::start(Options::default().tls());
    let mut settings = site.settings();
    settings.proxies.none_for = "registry.example".into();
    settings.retry.attempts = 1;
    // The name exists nowhere: without the proxy there is no way.
    let error = site.fetch(settings).unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error:?}");
    assert!(site.proxy.heads().is_empty());
}

#[test]
fn says_what_is_wrong_with_a_ca_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    for (content, expected) in [
        (None, "No such file"),
        (Some("nonsense"), "there is no certificate in PEM in it"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let settings = Settings {
            ca_files: vec![file.clone()],
            ..fast()
        };
        let error = Client::new(settings).unwrap_err();
        assert!(
            error.is_settings() && error.to_string().contains(expected),
            "{error}"
        );
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}

#[test]
fn sends_no_password_to_a_token_server_without_tls() {
    let options = Options::default()
        .tls()
        .token_server("http://tokens.example/token");
    let registry = Registry::start_with(options);
    let proxy = Proxy::start(registry.address());
    let settings = Settings {
        ca_files: vec![registry.ca_file().to_owned()],
        credentials: [(
            "registry.example".to_owned(),
            Credentials::Password {
                user: "anna".into(),
                password: Secret::new("geheim"),
            },
        )]
        .into(),
        proxies: Proxies {
            http: Some(Secret::new(proxy.url())),
            https: Some(Secret::new(proxy.url())),
            none_for: String::new(),
        },
        ..fast()
    };
    let reference: Reference = "registry.example/team/app:1".parse().unwrap();
    let error = Client::new(settings)
        .unwrap()
        .resolve(&reference)
        .unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    assert!(error.to_string().contains("is plain http"), "{error}");
    assert_eq!(proxy.heads().len(), 1);
}
