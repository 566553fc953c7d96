//! A registry with a token server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use image_archive::Reference;
use registry_client::{Credentials, Secret, Settings};

use super::fast;
use super::server::{Asked, Reply, Server};

const DOCUMENT: &[u8] = br#"{"schemaVersion":2,"config":{},"layers":[]}"#;

/// A registry that lets in anyone who has a token of its token server's.
pub struct Site {
    pub registry: Server,
    pub tokens: Server,
    /// The tokens that the registry takes.
    pub good: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub fn start(grant: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let calls = AtomicUsize::new(0);
        let tokens = Server::start(move |asked| grant(asked, calls.fetch_add(1, Ordering::SeqCst)));
        let realm = format!("{}/token", tokens.url());
        let good = Arc::new(Mutex::new(vec!["token-0".to_owned()]));
        let accepted = Arc::clone(&good);
        let registry = Server::start(move |asked| {
            let sent = asked.header("authorization").unwrap_or_default();
            let token = sent.strip_prefix("Bearer ").unwrap_or_default();
            if accepted.lock().unwrap().iter().any(|good| good == token) {
                return Reply::ok(DOCUMENT);
            }
            let scope = asked
                .path
                .split('/')
                .skip(2)
                .take(2)
                .collect::<Vec<_>>()
                .join("/");
            let challenge = format!(
                r#"Bearer realm="{realm}",service="registry.example",scope="repository:{scope}:pull""#
            );
            Reply::new(401).header("WWW-Authenticate", &challenge)
        });
        Self {
            registry,
            tokens,
            good,
        }
    }

    pub fn reference(&self, path: &str) -> Reference {
        format!("{}/{path}:1", self.registry.address())
            .parse()
            .unwrap()
    }

    pub fn settings(&self, credentials: Credentials) -> Settings {
        Settings {
            credentials: BTreeMap::from([(self.registry.address().to_owned(), credentials)]),
            ..fast()
        }
    }
}

pub fn token(number: usize) -> Reply {
    Reply::ok(format!(r#"{{"token":"token-{number}","expires_in":300}}"#).as_bytes())
}

pub fn anna() -> Credentials {
    Credentials::Password {
        user: "anna".into(),
        password: Secret::new("geheim"),
    }
}
