//! What a server answered.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::BodyReader;
use ureq::http::header::{AsHeaderName, CONTENT_LENGTH};
use ureq::http::{HeaderMap, Response, Uri};

use crate::cancel::Cancel;
use crate::error::Error;
use crate::location::{is_same_origin, shown};
use crate::rate_limit;
use crate::request::{Request, method_name};
use crate::retry::Failure;
use crate::secret::Secret;
use crate::words::clean;

/// What of an error's body is read, in bytes.
const LONGEST_MESSAGE: u64 = 16 << 10;
/// How long to read a body that is not needed: reading it saves a connection, no more.
const LONGEST_DRAIN: Duration = Duration::from_secs(1);

/// Status, headers, and a body that may still have to come.
pub(crate) struct Answer {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) status: u16,
    /// Whether it is of the server that was asked, and not of another one that this server named.
    pub(crate) is_first_hand: bool,
    headers: HeaderMap,
    hidden: Vec<Secret>,
    pub(crate) body: BodyReader<'static>,
}

/// What was asked for, in the words of an error.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The registry or mirror.
    pub(crate) registry: String,
    /// Repository with tag or digest.
    pub(crate) what: String,
    /// Whether no credentials were sent.
    pub(crate) anonymous: bool,
}

impl Answer {
    pub(crate) fn new(request: &Request<'_>, url: &Uri, response: Response<ureq::Body>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            method: method_name(&request.method),
            is_first_hand: is_same_origin(&request.url, url),
            url: shown(url),
            status: parts.status.as_u16(),
            headers: parts.headers,
            hidden: request.hidden.clone(),
            body: body.into_reader(),
        }
    }

    pub(crate) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn headers<N: AsHeaderName>(&self, name: N) -> impl Iterator<Item = &str> {
        self.headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
    }

    /// Bytes of the body, if the server says.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.trim().parse().ok()
    }

    pub(crate) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// Reads a short body to its end, so that the connection can be used again.
    pub(crate) fn drain(mut self) {
        if self
            .length()
            .is_some_and(|length| length <= LONGEST_MESSAGE)
        {
            let _ = self.start_of_body();
        }
    }

    fn start_of_body(&mut self) -> Vec<u8> {
        let started = Instant::now();
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while (bytes.len() as u64) < LONGEST_MESSAGE && started.elapsed() < LONGEST_DRAIN {
            match self.body.read(&mut buffer) {
                Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        bytes
    }

    /// The whole body, if it is not longer than `limit` bytes and comes in time. `too_long` says what is wrong else.
    pub(crate) fn document(
        mut self,
        limit: u64,
        time: Duration,
        cancel: &Cancel,
        too_long: &dyn Fn(u64) -> Error,
    ) -> Result<Vec<u8>, Failure> {
        if let Some(length) = self.length().filter(|length| *length > limit) {
            return Err(too_long(length).into());
        }
        let started = Instant::now();
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 << 10];
        loop {
            let count = self.body.read(&mut buffer);
            cancel.check()?;
            let count = count.map_err(|source| {
                Failure::passing(
                    Error::Connection {
                        method: self.method,
                        url: self.url.clone(),
                        attempts: 0,
                        source,
                    },
                    None,
                )
            })?;
            if count == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&buffer[..count]);
            if bytes.len() as u64 > limit {
                return Err(too_long(bytes.len() as u64).into());
            }
            if started.elapsed() > time {
                return Err(Failure::passing(
                    Error::Stalled {
                        url: self.url,
                        bytes: bytes.len() as u64,
                        window: time,
                        attempts: 0,
                    },
                    None,
                ));
            }
        }
    }

    /// What a status other than the hoped-for means where a blob was asked for: registries send to object stores, by URLs
    /// that hold only for a while. The next attempt gets a fresh one.
    pub(crate) fn refusal_of_blob(mut self, subject: Subject) -> Failure {
        let refuses = (400..500).contains(&self.status) && !matches!(self.status, 408 | 429);
        if self.is_first_hand || !refuses {
            return self.refusal(subject);
        }
        let message = store_message(&self.start_of_body(), &self.hidden);
        let error = Error::Store {
            registry: subject.registry,
            store: self.url,
            what: subject.what,
            status: self.status,
            attempts: 0,
            message,
        };
        Failure::passing(error, rate_limit::retry_after(&self.headers))
    }

    /// What a status other than the hoped-for means.
    pub(crate) fn refusal(mut self, subject: Subject) -> Failure {
        let message = message(&self.start_of_body(), &self.hidden);
        let Subject {
            registry,
            what,
            anonymous,
        } = subject;
        let retry_after = rate_limit::retry_after(&self.headers);
        match self.status {
            401 => Failure::from(Error::Unauthorized {
                registry,
                what,
                anonymous,
                message,
            }),
            403 => Failure::from(Error::Denied {
                registry,
                what,
                anonymous,
                message,
            }),
            404 => Failure::from(Error::NotFound {
                registry,
                what,
                message,
            }),
            429 => Failure::passing(
                Error::RateLimited {
                    registry,
                    retry_after,
                    limit: rate_limit::limit(&self.headers),
                    anonymous,
                    message,
                },
                retry_after,
            ),
            status => {
                let error = Error::Status {
                    method: self.method,
                    url: self.url,
                    status,
                    attempts: 0,
                    message,
                };
                if status == 408 || (500..600).contains(&status) {
                    Failure::passing(error, retry_after)
                } else {
                    Failure::from(error)
                }
            }
        }
    }
}

/// The first error of a registry's list (OCI distribution specification, "Error Codes"), or what token servers say.
pub(crate) fn message(body: &[u8], hidden: &[Secret]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |value: &serde_json::Value, field: &str| {
        let text = value.get(field)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let first = document.get("errors").and_then(|errors| errors.get(0));
    let said = first
        .and_then(|error| text(error, "message").or_else(|| text(error, "code")))
        .or_else(|| text(&document, "details"))
        .or_else(|| text(&document, "message"))
        .or_else(|| text(&document, "error_description"))
        .or_else(|| text(&document, "error"))?;
    let said = hidden
        .iter()
        .fold(said, |said, secret| secret.hide_in(&said));
    Some(clean(&said))
}

/// What an object store says: `<Error><Code>AccessDenied</Code><Message>Request has expired</Message>…`.
pub(crate) fn store_message(body: &[u8], hidden: &[Secret]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let of = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        let (inner, _) = rest.split_once(&format!("</{tag}>"))?;
        Some(inner.to_owned()).filter(|inner| !inner.is_empty())
    };
    let said = of("Message").or_else(|| of("Code"));
    let Some(said) = said else {
        return message(body, hidden);
    };
    let said = hidden
        .iter()
        .fold(said, |said, secret| secret.hide_in(&said));
    Some(clean(&said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_words_of_registries_and_token_servers() {
        for (body, expected) in [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                Some("manifest unknown"),
            ),
            (
                r#"{"errors":[{"code":"DENIED","message":""}]}"#,
                Some("DENIED"),
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                Some("incorrect username or password"),
            ),
            (r#"{"error":"invalid_grant"}"#, Some("invalid_grant")),
            (r#"{"errors":[]}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(message(body.as_bytes(), &[]).as_deref(), expected);
        }
    }

    #[test]
    fn does_not_repeat_what_a_server_repeats() {
        let body = br#"{"errors":[{"message":"user anna:geheim (token abc.def) is unknown"}]}"#;
        let hidden = ["geheim", "abc.def", "a"].map(Secret::new);
        assert_eq!(
            message(body, &hidden).as_deref(),
            Some("user anna:[secret] (token [secret]) is unknown")
        );
    }
}
