//! The client against a real registry (Debian's docker-registry, which `CONTAINERS_TEST_REGISTRY` names).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test"
)]

mod common;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use image_archive::{Descriptor, Digest, Reference};
use registry_client::{Client, Credentials, Error, Secret, Settings};
use registry_fixture::{Options, Pushed, Registry};

use common::{LAYER, bytes, descriptor, fast, hint_of};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image with one layer, and an index over it.
struct Image {
    manifest: Pushed,
    index: Pushed,
    config: Descriptor,
    layer: Descriptor,
    layer_bytes: Vec<u8>,
}

fn push(registry: &Registry) -> Image {
    let layer_bytes = bytes(3_000_000);
    let repository = "team/app";
    registry.push_blob(repository, &layer_bytes);
    registry.push_blob(repository, b"{}");
    let config = descriptor(CONFIG, b"{}");
    let layer = descriptor(LAYER, &layer_bytes);
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
    })
    .to_string();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [descriptor(MANIFEST, manifest.as_bytes())],
    })
    .to_string();
    Image {
        manifest: registry.push_manifest(repository, "1", MANIFEST, manifest.as_bytes()),
        index: registry.push_manifest(repository, "all", INDEX, index.as_bytes()),
        config,
        layer,
        layer_bytes,
    }
}

/// Everything that freezing an image does.
fn fetch_all(client: &Client, image: &Image) {
    let directory = tempfile::tempdir().unwrap();
    let by_tag: Reference = image.index.reference.parse().unwrap();
    let index = client.resolve(&by_tag).unwrap();
    assert_eq!(index.descriptor.digest.to_string(), image.index.digest);
    assert_eq!(index.descriptor.media_type, INDEX);
    assert_eq!(client.head(&by_tag).unwrap(), Some(index.descriptor.digest));
    let digest: Digest = image.manifest.digest.parse().unwrap();
    let by_digest: Reference = format!("{}@{digest}", by_tag.repository()).parse().unwrap();
    let manifest = client.resolve(&by_digest).unwrap();
    assert_eq!(manifest.descriptor.media_type, MANIFEST);
    assert_eq!(
        client.document(&by_tag, &manifest.descriptor).unwrap(),
        manifest.bytes
    );
    assert_eq!(client.document(&by_tag, &image.config).unwrap(), b"{}");
    let part = directory.path().join("part");
    let seen = RefCell::new(Vec::new());
    client
        .blob(&by_tag, &image.layer, &part, &|bytes| {
            seen.borrow_mut().push(bytes);
        })
        .unwrap();
    assert_eq!(std::fs::read(&part).unwrap(), image.layer_bytes);
    assert_eq!(seen.borrow().first(), Some(&0));
    assert_eq!(seen.borrow().last(), Some(&3_000_000));
}

#[test]
fn fetches_an_image_over_plain_http_from_the_loopback() {
    let registry = Registry::start();
    let image = push(&registry);
    fetch_all(&Client::new(fast()).unwrap(), &image);
}

#[test]
fn fetches_an_image_over_tls_with_an_authority_of_ones_own() {
    let registry = Registry::start_with(Options::default().tls());
    let image = push(&registry);
    let settings = Settings {
        ca_files: vec![registry.ca_file().to_owned()],
        ..fast()
    };
    fetch_all(&Client::new(settings).unwrap(), &image);
}

#[test]
fn reads_a_registry_with_accounts_by_explicit_credentials_and_by_dockers_configuration() {
    let registry = Registry::start_with(Options::default().tls().account("anna", "ge:heim"));
    let image = push(&registry);
    let directory = tempfile::tempdir().unwrap();
    let explicit = Settings {
        credentials: [(
            registry.address().to_owned(),
            Credentials::Password {
                user: "anna".into(),
                password: Secret::new("ge:heim"),
            },
        )]
        .into(),
        ..fast()
    };
    fetch_all(&Client::new(explicit).unwrap(), &image);
    let config = format!(
        r#"{{"auths":{{"{}":{{"auth":"YW5uYTpnZTpoZWlt"}}}}}}"#,
        registry.address()
    );
    let file: PathBuf = directory.path().join("config.json");
    std::fs::write(&file, &config).unwrap();
    let written = Settings {
        docker_config: Some(file),
        ..fast()
    };
    fetch_all(&Client::new(written).unwrap(), &image);
    let variable = Settings {
        docker_auth_config: Some(Secret::new(config)),
        ..fast()
    };
    fetch_all(&Client::new(variable).unwrap(), &image);
}

#[test]
fn says_when_credentials_are_missing_or_wrong() {
    let registry = Registry::start_with(Options::default().account("anna", "geheim"));
    let image = push(&registry);
    let reference: Reference = image.index.reference.parse().unwrap();
    let error = Client::new(fast())
        .unwrap()
        .resolve(&reference)
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
    assert!(hint_of(&error).contains("docker login"), "{error:?}");
    let wrong = Settings {
        credentials: [(
            registry.address().to_owned(),
            Credentials::Password {
                user: "anna".into(),
                password: Secret::new("falsch"),
            },
        )]
        .into(),
        ..fast()
    };
    let error = Client::new(wrong).unwrap().resolve(&reference).unwrap_err();
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
    assert!(!format!("{error} {error:?} {}", hint_of(&error)).contains("falsch"));
}

#[test]
fn says_what_is_not_there() {
    let registry = Registry::start();
    push(&registry);
    let client = Client::new(fast()).unwrap();
    let reference: Reference = format!("{}/team/app:none", registry.address())
        .parse()
        .unwrap();
    let error = client.resolve(&reference).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has no team/app:none: manifest unknown",
            registry.address()
        )
    );
    assert_eq!(client.head(&reference).unwrap(), None);
    let part = tempfile::tempdir().unwrap().path().join("part");
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    let error = client
        .blob(&reference, &descriptor(LAYER, b"nothing"), &part, &|_| ())
        .unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}

#[test]
fn goes_on_from_what_an_earlier_run_has_left() {
    let registry = Registry::start();
    let image = push(&registry);
    let reference: Reference = image.index.reference.parse().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let part = directory.path().join("part");
    std::fs::write(&part, &image.layer_bytes[..1_000_000]).unwrap();
    let client = Client::new(fast()).unwrap();
    client
        .blob(&reference, &image.layer, &part, &|_| ())
        .unwrap();
    assert_eq!(std::fs::read(&part).unwrap(), image.layer_bytes);
    let path = format!("/v2/team/app/blobs/{}", image.layer.digest);
    let served: u64 = registry
        .requests()
        .iter()
        .filter(|request| request.method == "GET" && request.path == path)
        .map(|request| request.bytes)
        .sum();
    assert_eq!(served, 2_000_000);
}

#[test]
fn a_cache_is_asked_before_the_registry_and_serves_while_that_is_down() {
    let mut registry = Registry::start();
    let image = push(&registry);
    let cache = Registry::start_with(Options::default().cache_of(&registry.url()));
    let settings = Settings {
        mirrors: [(registry.address().to_owned(), vec![cache.url()])].into(),
        ..fast()
    };
    fetch_all(&Client::new(settings.clone()).unwrap(), &image);
    let asked = |registry: &Registry, method: &str| {
        registry
            .requests()
            .iter()
            .filter(|request| request.method == method && request.path.contains("/manifests/all"))
            .count()
    };
    assert!(asked(&cache, "GET") > 0);
    // A cache answers first and stores after that.
    let layers = cache
        .storage()
        .join("docker/registry/v2/repositories/team/app/_layers/sha256");
    let links =
        [&image.config, &image.layer].map(|blob| layers.join(blob.digest.hex()).join("link"));
    let started = Instant::now();
    while !links.iter().all(|link| link.exists()) {
        assert!(started.elapsed() < Duration::from_secs(20), "{links:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    registry.stop();
    fetch_all(&Client::new(settings).unwrap(), &image);
}

#[test]
fn falls_back_to_the_registry_when_the_mirror_is_down() {
    let registry = Registry::start();
    let image = push(&registry);
    let mut mirror = Registry::start();
    let settings = Settings {
        mirrors: [(registry.address().to_owned(), vec![mirror.url()])].into(),
        ..fast()
    };
    // One that has nothing, then one that is not there.
    fetch_all(&Client::new(settings.clone()).unwrap(), &image);
    mirror.stop();
    fetch_all(&Client::new(settings).unwrap(), &image);
}

#[test]
fn several_threads_share_a_client() {
    let registry = Registry::start_with(Options::default().tls().account("anna", "geheim"));
    let image = push(&registry);
    let settings = Settings {
        docker_auth_config: Some(Secret::new(format!(
            r#"{{"auths":{{"{}":{{"username":"anna","password":"geheim"}}}}}}"#,
            registry.address()
        ))),
        ..fast()
    };
    let client = Client::new(settings).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let client = client.clone();
            let image = &image;
            scope.spawn(move || fetch_all(&client, image));
        }
    });
}
