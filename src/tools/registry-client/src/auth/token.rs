//! Tokens of token servers (distribution, `spec/auth/token.md` and `oauth.md`).

use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::http::{Method, Uri};

use super::challenge::Bearer;
use super::{basic, sendable};
use crate::answer::Subject;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::location::{origin, shown};
use crate::request::Request;
use crate::retry::Failure;
use crate::secret::{Credentials, Secret};
use crate::transport::Transport;

/// How long a token is good for, at least and unless its server says, in seconds (`token.md`).
const SHORTEST_LIFE: u64 = 60;
/// Longer than any session, in seconds.
const LONGEST_LIFE: u64 = 24 * 60 * 60;
/// Longer than a request and its answer's head are under way.
const MARGIN: Duration = Duration::from_secs(10);
/// All but the unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What token servers log.
const CLIENT: &str = "containers";

/// A token, as a header.
pub(super) struct Token {
    pub(super) header: Secret,
    pub(super) expires: Instant,
}

#[derive(Deserialize)]
struct Response {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Asks for a token that lets `repository` be read.
pub(super) fn request(
    transport: &Transport,
    endpoint: &Endpoint,
    repository: &str,
    bearer: &Bearer,
    credentials: Option<&Credentials>,
) -> Result<Token, Failure> {
    let realm = realm(transport, endpoint, bearer)?;
    let scope = bearer
        .scope
        .clone()
        .unwrap_or_else(|| format!("repository:{repository}:pull"));
    let subject = Subject {
        registry: origin(&realm),
        what: format!("a token for {}/{repository}", endpoint.registry),
        anonymous: credentials.is_none(),
    };
    let unusable = |why: &str| Error::Token {
        realm: shown(&realm),
        registry: endpoint.registry.clone(),
        why: why.to_owned(),
    };
    let hidden: Vec<Secret> = credentials
        .cloned()
        .map(Credentials::into_secret)
        .into_iter()
        .collect();
    let mut fields = Vec::new();
    if let Some(service) = &bearer.service {
        fields.push(("service", service.as_str()));
    }
    fields.push(("scope", scope.as_str()));
    fields.push(("client_id", CLIENT));
    let request = if let Some(Credentials::IdentityToken(token)) = credentials {
        fields.push(("grant_type", "refresh_token"));
        fields.push(("refresh_token", token.reveal()));
        Request {
            method: Method::POST,
            url: realm.clone(),
            accept: "application/json",
            authorization: None,
            from: None,
            form: Some(Secret::new(form(&fields))),
            hidden,
        }
    } else {
        if let Some(Credentials::Password { user, .. }) = credentials {
            fields.push(("account", user.as_str()));
        }
        let separator = if realm.query().is_some() { '&' } else { '?' };
        let url = format!("{realm}{separator}{}", form(&fields));
        Request {
            method: Method::GET,
            url: url.parse().map_err(|_| unusable("its URL is not usable"))?,
            accept: "application/json",
            authorization: credentials.and_then(basic),
            from: None,
            form: None,
            hidden,
        }
    };
    let asked = Instant::now();
    let answer = transport.send(&request)?;
    if answer.status == 404 {
        // It must not look as if there were no such image.
        return Err(unusable("there is nothing at that URL (404)").into());
    }
    if answer.status != 200 {
        return Err(answer.refusal(subject));
    }
    let too_long = |_| unusable("its answer is larger than any token");
    let document = answer.document(
        transport.settings.limits.document,
        transport.document_time(),
        &transport.cancel,
        &too_long,
    )?;
    let (header, life) = read(&document).map_err(unusable)?;
    Ok(Token {
        header,
        expires: asked + life.saturating_sub(MARGIN),
    })
}

/// The header with the token of a server's answer, and how long it is good for.
pub(crate) fn read(document: &[u8]) -> Result<(Secret, Duration), &'static str> {
    // What the parser would say could quote the token.
    let response: Response =
        serde_json::from_slice(document).map_err(|_| "its answer is not one with a token")?;
    let token = response
        .token
        .filter(|token| !token.is_empty())
        .or(response.access_token.filter(|token| !token.is_empty()))
        .ok_or("its answer has no token")?;
    let header = sendable(Secret::new(format!("Bearer {token}")))
        .ok_or("its token has characters that no token may have")?;
    let seconds = response.expires_in.unwrap_or(SHORTEST_LIFE);
    let life = Duration::from_secs(seconds.clamp(SHORTEST_LIFE, LONGEST_LIFE));
    Ok((header, life))
}

/// The token server. A registry behind https may not have its tokens fetched over plain http.
fn realm(transport: &Transport, endpoint: &Endpoint, bearer: &Bearer) -> Result<Uri, Failure> {
    let unusable = |why: &str| Error::Token {
        realm: "its token server".into(),
        registry: endpoint.registry.clone(),
        why: why.to_owned(),
    };
    let realm: Uri = bearer
        .realm
        .parse()
        .map_err(|_| unusable("the realm is not a URL"))?;
    let authority = realm
        .authority()
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| unusable("the realm is not the URL of a server"))?;
    match realm.scheme_str() {
        Some("https") => {}
        Some("http") if endpoint.is_plain() || transport.is_insecure(authority) => {}
        Some("http") => {
            return Err(unusable("the realm is plain http, and not named as insecure").into());
        }
        _ => return Err(unusable("the realm is neither http nor https").into()),
    }
    Ok(realm)
}

/// `application/x-www-form-urlencoded`.
fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_forms() {
        assert_eq!(
            form(&[
                ("scope", "repository:a/b:pull"),
                ("refresh_token", "x+y&z=ä")
            ]),
            "scope=repository%3Aa%2Fb%3Apull&refresh_token=x%2By%26z%3D%C3%A4"
        );
    }
}
