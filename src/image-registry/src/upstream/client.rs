//! Requests to another registry: its addresses in turn, its login or a token, and where it redirects to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bosh_job::Secret;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;

use super::address::{Address, basic};
use super::challenge::Challenge;
use super::config::UpstreamConfig;
use super::connection::Connector;
use super::failure::{Failure, Kind};

/// Redirects of one request.
const REDIRECTS: usize = 5;
/// Bytes of a token server's answer.
const LONGEST_TOKEN: usize = 64 << 10;
/// Seconds that a token holds whose server does not say so (distribution's token specification).
const TOKEN_SECONDS: u64 = 60;
/// How long it is remembered that a registry wants the login itself.
const LOGIN: Duration = Duration::from_hours(1);
/// Tokens that are remembered, one a repository.
const TOKENS: usize = 1000;

/// The client of one other registry.
pub struct Client {
    host: String,
    addresses: Vec<Address>,
    login: Option<(String, Secret)>,
    connector: Connector,
    /// By the scope that they are for: the value of `Authorization`, and until when it is good.
    tokens: Mutex<HashMap<String, (Secret, Instant)>>,
}

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    /// The same, by the name that OAuth has for it.
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// What is asked.
pub struct Question<'a> {
    /// `GET` or `HEAD`.
    pub method: Method,
    /// The repository's name there.
    pub repository: &'a str,
    /// What of it: `blobs/sha256:…`.
    pub what: &'a str,
    /// Further headers.
    pub headers: &'a [(HeaderName, String)],
}

impl Client {
    /// As it is configured.
    pub fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let parse = |text: String| {
            let parsed = Address::parse(&text).filter(|address| address.path == "/");
            parsed.with_context(|| {
                format!("`addresses`: {text} is not of the form https://HOST[:PORT]")
            })
        };
        let addresses = config.addresses().into_iter().map(parse);
        let login = match (&config.username, &config.password) {
            (None, None) => None,
            (Some(name), Some(password)) => Some((name.clone(), password.clone())),
            _ => anyhow::bail!("`username` and `password` go together, and one of them is missing"),
        };
        ensure!(
            login.as_ref().is_none_or(|(name, _)| !name.contains(':')),
            "`username` has a colon in it, which no login can have"
        );
        Ok(Self {
            host: config.host.clone(),
            addresses: addresses.collect::<anyhow::Result<_>>()?,
            login,
            connector: Connector::new(config)?,
            tokens: Mutex::default(),
        })
    }

    /// How long the registry may be silent.
    pub fn patience(&self) -> Duration {
        self.connector.patience()
    }

    /// Asks, at the first address that answers.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Response<Incoming>, Failure> {
        let mut first = None;
        for address in &self.addresses {
            match self.ask_at(address, question).await {
                Ok(response) => return Ok(response),
                Err(failure) if failure.is_of_address() => {
                    tracing::debug!(upstream = self.host, why = %failure, "an address failed");
                    first.get_or_insert(failure);
                }
                Err(failure) => return Err(failure.about(&self.host)),
            }
        }
        let none = || Failure::new(Kind::Down, "it has no address");
        Err(first.unwrap_or_else(none).about(&self.host))
    }

    async fn ask_at(
        &self,
        address: &Address,
        question: &Question<'_>,
    ) -> Result<Response<Incoming>, Failure> {
        let address = address.with_path(&format!("/v2/{}/{}", question.repository, question.what));
        let known = self.known_token(question.repository);
        let response = self.follow(&address, question, known).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return judged(response, &address);
        }
        let authorization = match Challenge::of(response.headers()) {
            None => None,
            Some(Challenge::Basic) => self
                .basic()
                .inspect(|login| self.remember(question.repository, login, LOGIN)),
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let scope =
                    scope.unwrap_or_else(|| format!("repository:{}:pull", question.repository));
                Some(
                    self.token(
                        &address,
                        &realm,
                        service.as_deref(),
                        &scope,
                        question.repository,
                    )
                    .await?,
                )
            }
        };
        if authorization.is_none() {
            return judged(response, &address);
        }
        judged(
            self.follow(&address, question, authorization).await?,
            &address,
        )
    }

    fn basic(&self) -> Option<Secret> {
        let (name, password) = self.login.as_ref()?;
        Some(basic(&format!("{name}:{}", password.reveal())))
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Secret, Instant)>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_token(&self, repository: &str) -> Option<Secret> {
        let tokens = self.tokens();
        let (token, until) = tokens.get(repository)?;
        (*until > Instant::now()).then(|| token.clone())
    }

    /// Asks, and goes where it is sent. What only the registry itself may know stays with it.
    async fn follow(
        &self,
        first: &Address,
        question: &Question<'_>,
        authorization: Option<Secret>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut address = first.clone();
        for _ in 0..=REDIRECTS {
            let login = authorization
                .as_ref()
                .filter(|_| address.is_same_server(first));
            let request = request(question, &address, login)?;
            let response = self.connector.send(&address, request).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED
            {
                return Ok(response);
            }
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| address.join(location));
            let next = next.filter(|next| next.is_tls || !first.is_tls);
            address = next.ok_or_else(|| {
                let what = format!(
                    "{} redirects to where nobody may be sent",
                    address.authority()
                );
                Failure::new(Kind::Wrong, what)
            })?;
        }
        let what = format!(
            "{} redirects more than {REDIRECTS} times",
            first.authority()
        );
        Err(Failure::new(Kind::Wrong, what))
    }

    /// Gets a token. The login goes to its server only where nobody can read it on the way.
    async fn token(
        &self,
        from: &Address,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        repository: &str,
    ) -> Result<Secret, Failure> {
        let wrong = |what: &str| Failure::new(Kind::Wrong, format!("{}: {what}", from.authority()));
        let realm = from
            .join(realm)
            .filter(|realm| realm.is_tls || !from.is_tls);
        let realm = realm.ok_or_else(|| wrong("it names no token server that can be asked"))?;
        let address = with_query(&realm, service, scope);
        let question = Question {
            method: Method::GET,
            repository: "",
            what: "",
            headers: &[],
        };
        let request = request(&question, &address, self.basic().as_ref())?;
        let response = judged(self.connector.send(&address, request).await?, &address)?;
        let body = Limited::new(response.into_body(), LONGEST_TOKEN).collect();
        let body = tokio::time::timeout(self.patience(), body).await;
        let body = body
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| wrong("its token server's answer broke off"))?;
        let bad = || wrong("its token server's answer is no token");
        let answer: Granted = serde_json::from_slice(&body.to_bytes()).map_err(|_| bad())?;
        let token_seconds = answer.expires_in.unwrap_or(TOKEN_SECONDS);
        let text = answer.token.or(answer.access_token).ok_or_else(bad)?;
        let token = Secret::new(format!("Bearer {text}"));
        // a little less, for the time that asking takes
        let seconds = token_seconds.min(3600) * 9 / 10;
        self.remember(repository, &token, Duration::from_secs(seconds));
        Ok(token)
    }

    /// What a repository is asked with from now on, for so long.
    fn remember(&self, repository: &str, authorization: &Secret, time: Duration) {
        let mut tokens = self.tokens();
        if tokens.len() >= TOKENS {
            tokens.clear();
        }
        let until = Instant::now() + time;
        tokens.insert(repository.to_owned(), (authorization.clone(), until));
    }
}

/// The address at which a token of this scope is asked for.
fn with_query(realm: &Address, service: Option<&str>, scope: &str) -> Address {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(service) = service {
        query.append_pair("service", service);
    }
    query.append_pair("scope", scope);
    let joint = if realm.path.contains('?') { '&' } else { '?' };
    realm.with_path(&format!("{}{joint}{}", realm.path, query.finish()))
}

fn request(
    question: &Question<'_>,
    address: &Address,
    authorization: Option<&Secret>,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let bad = || {
        Failure::new(
            Kind::Wrong,
            format!("{}: what is to be asked is no request", address.authority()),
        )
    };
    let mut request = Request::builder()
        .method(question.method.clone())
        .uri(&address.path)
        .header(USER_AGENT, "image-registry");
    for (name, value) in question.headers {
        request = request.header(name, value);
    }
    if let Some(secret) = authorization {
        let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| bad())?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request.body(Empty::new()).map_err(|_| bad())
}

/// An answer that gives something, or why it does not.
fn judged(response: Response<Incoming>, address: &Address) -> Result<Response<Incoming>, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let kind = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Kind::Missing,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Refused,
        StatusCode::TOO_MANY_REQUESTS => Kind::TooMany,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Kind::Silent,
        status if status.is_server_error() => Kind::Down,
        _ => Kind::Wrong,
    };
    let mut failure = Failure::new(kind, format!("{} answers {status}", address.authority()));
    let retry_after = response.headers().get(RETRY_AFTER);
    failure.retry_after = retry_after
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Err(failure)
}
