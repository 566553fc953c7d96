//! Who asks: credentials, challenges and tokens.

pub(crate) mod challenge;
mod credentials;
pub(crate) mod docker_config;
mod helper;
mod realm;
pub(crate) mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::HeaderValue;
use ureq::http::header::WWW_AUTHENTICATE;

use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::retry::Failure;
use crate::secret::{Credentials, Secret};
use crate::settings::Settings;
use crate::transport::Transport;

use challenge::Challenge;
use credentials::Keyring;

/// What authorizes requests, by server and repository.
pub(crate) struct AuthCache {
    keyring: Keyring,
    sessions: Mutex<HashMap<Place, Arc<Mutex<Session>>>>,
}

/// A server's name and a repository there.
type Place = (String, String);

/// What one server asks for with one repository, and what is sent to it.
#[derive(Default)]
struct Session {
    challenge: Option<Challenge>,
    header: Option<AuthHeader>,
}

/// A value of `Authorization`.
#[derive(Clone)]
struct AuthHeader {
    value: Secret,
    expires: Option<Instant>,
}

impl AuthCache {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            keyring: Keyring::new(settings),
            sessions: Mutex::default(),
        }
    }

    /// Whether there are no credentials for this server (or it has not been asked for any).
    pub(crate) fn is_anonymous(&self, endpoint: &Endpoint) -> bool {
        self.keyring.known(&endpoint.registry).is_empty()
    }

    /// All that a request sends and that nobody may see: the header's value, and what it was made of.
    pub(crate) fn secrets(&self, endpoint: &Endpoint, sent: Option<&Secret>) -> Vec<Secret> {
        let Some(sent) = sent else {
            return Vec::new();
        };
        let value = sent.reveal().split_once(' ').map(|(_, value)| value);
        let mut secrets: Vec<Secret> = value.map(Secret::new).into_iter().collect();
        secrets.extend(
            self.keyring
                .known(&endpoint.registry)
                .into_iter()
                .map(Credentials::into_secret),
        );
        secrets
    }

    /// What worked before. A token that has expired is replaced first.
    pub(crate) fn authorization(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        repository: &str,
    ) -> Result<Option<Secret>, Failure> {
        let session = self.session(endpoint, repository);
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(header) = &session.header else {
            return Ok(None);
        };
        if header
            .expires
            .is_none_or(|expires| Instant::now() < expires)
        {
            return Ok(Some(header.value.clone()));
        }
        session.header = None;
        if let Some(challenge) = &session.challenge {
            session.header = self.answer(transport, endpoint, repository, challenge)?;
        }
        Ok(session.header.as_ref().map(|header| header.value.clone()))
    }

    /// What to send after a 401 to a request that had been sent with `used`; nothing, if nothing else is left to try.
    pub(crate) fn after_refusal(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        repository: &str,
        used: Option<&Secret>,
        refusal: &Answer,
    ) -> Result<Option<Secret>, Failure> {
        let session = self.session(endpoint, repository);
        // Held over the request for a token, so that threads which were refused together ask for one together.
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(header) = &session.header
            && Some(&header.value) != used
        {
            return Ok(Some(header.value.clone()));
        }
        session.header = None;
        let challenges = challenge::parse(refusal.headers(WWW_AUTHENTICATE));
        let Some(challenge) = challenge::preferred(challenges) else {
            return Ok(None);
        };
        let challenge = challenge.for_request(refusal.method, repository);
        let header = self.answer(transport, endpoint, repository, &challenge)?;
        session.challenge = Some(challenge);
        // The same again would be refused again.
        session.header = header.filter(|header| Some(&header.value) != used);
        Ok(session.header.as_ref().map(|header| header.value.clone()))
    }

    fn answer(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        repository: &str,
        challenge: &Challenge,
    ) -> Result<Option<AuthHeader>, Failure> {
        // Before any credentials are looked up for it.
        if let Challenge::Bearer(bearer) = challenge {
            realm::check(transport, endpoint, bearer)?;
        }
        let credentials = self.keyring.find(&endpoint.registry, repository)?;
        match challenge {
            Challenge::Basic => Ok(credentials
                .as_ref()
                .and_then(basic)
                .map(|value| AuthHeader {
                    value,
                    expires: None,
                })),
            Challenge::Bearer(bearer) => {
                if let Some(Credentials::RegistryToken(token)) = &credentials {
                    let value = Secret::new(format!("Bearer {}", token.reveal()));
                    return Ok(sendable(value).map(|value| AuthHeader {
                        value,
                        expires: None,
                    }));
                }
                let token = token::request(
                    transport,
                    endpoint,
                    repository,
                    bearer,
                    credentials.as_ref(),
                )?;
                Ok(Some(AuthHeader {
                    value: token.header,
                    expires: Some(token.expires),
                }))
            }
        }
    }

    fn session(&self, endpoint: &Endpoint, repository: &str) -> Arc<Mutex<Session>> {
        let key = (endpoint.registry.clone(), repository.to_owned());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sessions.entry(key).or_default())
    }
}

/// The header of HTTP's Basic scheme (RFC 7617), for credentials that have a password.
fn basic(credentials: &Credentials) -> Option<Secret> {
    let Credentials::Password { user, password } = credentials else {
        return None;
    };
    let pair = format!("{user}:{}", password.reveal());
    Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
}

/// Only what can stand in a header may become one.
fn sendable(header: Secret) -> Option<Secret> {
    HeaderValue::from_str(header.reveal()).ok()?;
    Some(header)
}
