//! The parsers of what servers and files say, for the fuzz targets of `src/fuzz` alone.

use std::path::Path;
use std::time::Duration;

use image_archive::Digest;
use ureq::http::{HeaderMap, HeaderValue, Uri};

use crate::answer::{self, Subject};
use crate::auth::challenge::{self, Challenge};
use crate::auth::docker_config::DockerConfig;
use crate::auth::token;
use crate::error::Result;
use crate::secret::{Credentials, Secret};
use crate::{location, manifest, rate_limit};

/// The challenges of `WWW-Authenticate` headers: nothing for `Basic`; realm, service and scope of `Bearer`.
pub type Challenges = Vec<Option<(String, Option<String>, Option<String>)>>;

/// Reads `WWW-Authenticate`; the place of the preferred challenge comes with it.
#[must_use]
pub fn challenges(headers: &[&str]) -> (Challenges, Option<usize>) {
    let found = challenge::parse(headers.iter().copied());
    let preferred = challenge::preferred(found.clone());
    let place = preferred.and_then(|preferred| found.iter().position(|one| *one == preferred));
    let plain = found.into_iter().map(|challenge| match challenge {
        Challenge::Basic => None,
        Challenge::Bearer(bearer) => Some((bearer.realm, bearer.service, bearer.scope)),
    });
    (plain.collect(), place)
}

/// The header with the token of a token server's answer, and how long it is good for.
pub fn token(document: &[u8]) -> std::result::Result<(String, Duration), &'static str> {
    let (header, life) = token::read(document)?;
    Ok((header.reveal().to_owned(), life))
}

/// Where `Location` leads in the answer to `from`; nothing if `from` is no URL.
#[must_use]
pub fn location(from: &str, location: &str) -> Option<std::result::Result<String, &'static str>> {
    let from: Uri = from.parse().ok()?;
    Some(location::follow(&from, location).map(|uri| uri.to_string()))
}

/// The media type of a document that was served as `declared`.
pub fn media_type(declared: &str, bytes: &[u8]) -> Result<String> {
    let subject = Subject {
        registry: "registry.example".into(),
        what: "a/b:1".into(),
        anonymous: true,
    };
    manifest::media_type(declared, bytes, &subject)
}

/// What `Docker-Content-Digest` says.
pub fn said_digest(header: &str) -> Result<Option<Digest>> {
    manifest::said_digest(Some(header), "https://registry.example/v2/")
}

/// The words of a registry's or token server's error, and those of an object store's.
#[must_use]
pub fn messages(body: &[u8], hidden: &[&str]) -> [Option<String>; 2] {
    let hidden: Vec<Secret> = hidden.iter().copied().map(Secret::new).collect();
    [
        answer::message(body, &hidden),
        answer::store_message(body, &hidden),
    ]
}

/// The wait of `Retry-After`, and the words of `RateLimit-Limit`; nothing if the text is no header.
#[must_use]
pub fn rate_limit(value: &str) -> Option<(Option<Duration>, Option<String>)> {
    let value = HeaderValue::from_str(value).ok()?;
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "ratelimit-limit", "ratelimit-remaining"] {
        headers.insert(name, value.clone());
    }
    Some((
        rate_limit::retry_after(&headers),
        rate_limit::limit(&headers),
    ))
}

/// What Docker's configuration has for a repository: credentials, with the part that is secret, and the helper.
pub type Login = (
    Result<Option<(Credentials, String)>>,
    Result<Option<String>>,
);

/// Reads Docker's configuration, and looks up a repository in it.
pub fn docker_config(text: &[u8], file: &Path, registry: &str, repository: &str) -> Result<Login> {
    let config = DockerConfig::parse(text, Some(file))?;
    let credentials = config
        .credentials(registry, repository)
        .map(|found| found.map(|found| (found.clone(), found.into_secret().reveal().to_owned())));
    let helper = config.helper(registry);
    Ok((credentials, helper.map(|helper| helper.map(str::to_owned))))
}
