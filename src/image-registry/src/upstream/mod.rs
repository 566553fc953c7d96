//! Other registries, as far as this one asks them: manifests, and blobs that are verified as they come.

mod address;
mod challenge;
mod client;
mod config;
mod connection;
mod download;
mod failure;

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use hyper::{HeaderMap, Method};

pub use config::UpstreamConfig;
pub use download::Download;
pub use failure::{Failure, Kind};

use client::{Client, Question};

use crate::digest::{Algorithm, Digest};
use crate::names::{ManifestReference, Repository};
use crate::storage::StoredManifest;

/// Bytes of a manifest, as what is pushed may have.
const LONGEST: usize = 4 << 20;
const TAKEN: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Another registry.
pub struct Upstream {
    host: String,
    client: Client,
}

impl Upstream {
    /// As it is configured.
    pub fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let client = Client::new(config)
            .with_context(|| format!("property `upstreams`: {}", config.host))?;
        Ok(Self {
            host: config.host.clone(),
            client,
        })
    }

    /// Its host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How long it may be silent.
    pub fn patience(&self) -> Duration {
        self.client.patience()
    }

    /// The digest that a tag stands for there, if it says so without the manifest.
    pub async fn tagged(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<Digest>, Failure> {
        let response = self
            .client
            .ask(&Question {
                method: Method::HEAD,
                repository: repository.as_str(),
                what: &format!("manifests/{tag}"),
                headers: &[(ACCEPT, TAKEN.to_owned())],
            })
            .await?;
        Ok(header(response.headers(), &DIGEST).and_then(|text| text.parse().ok()))
    }

    /// A manifest, which has the digest that it is asked by.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &ManifestReference,
    ) -> Result<StoredManifest, Failure> {
        let asked = match reference {
            ManifestReference::Tag(tag) => tag.to_string(),
            ManifestReference::Digest(digest) => digest.to_string(),
        };
        let response = self
            .client
            .ask(&Question {
                method: Method::GET,
                repository: repository.as_str(),
                what: &format!("manifests/{asked}"),
                headers: &[(ACCEPT, TAKEN.to_owned())],
            })
            .await?;
        let wrong = |what: String| {
            Failure::new(
                Kind::Wrong,
                format!("{}: the manifest {repository}:{asked} {what}", self.host),
            )
        };
        let media_type = header(response.headers(), &CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        let said = header(response.headers(), &DIGEST).and_then(|text| text.parse::<Digest>().ok());
        let bytes = self.short(response.into_body()).await?;
        if !TAKEN.split(", ").any(|taken| taken == media_type) {
            return Err(wrong(format!(
                "has the media type {media_type:.100?}, which is not taken"
            )));
        }
        let wanted = match reference {
            ManifestReference::Digest(digest) => Some(digest.clone()),
            ManifestReference::Tag(_) => said,
        };
        let algorithm = wanted.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Digest::of(algorithm, &bytes);
        if wanted.is_some_and(|wanted| wanted != digest) {
            return Err(wrong(format!(
                "came with the digest {digest}, which is another one"
            )));
        }
        Ok(StoredManifest {
            digest,
            bytes: bytes.to_vec(),
            media_type,
            warning: None,
        })
    }

    async fn short(&self, body: hyper::body::Incoming) -> Result<Bytes, Failure> {
        let limited = Limited::new(body, LONGEST).collect();
        let read = tokio::time::timeout(self.patience(), limited).await;
        let silent = |_| {
            Failure::new(
                Kind::Silent,
                format!("{}: a manifest did not come to its end", self.host),
            )
        };
        let broken = |error| {
            Failure::new(
                Kind::Down,
                format!("{}: a manifest broke off: {error}", self.host),
            )
        };
        Ok(read.map_err(silent)?.map_err(broken)?.to_bytes())
    }

    /// How many bytes a blob has there; none if it does not say so.
    pub async fn size(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<u64>, Failure> {
        let response = self
            .client
            .ask(&Question {
                method: Method::HEAD,
                repository: repository.as_str(),
                what: &format!("blobs/{digest}"),
                headers: &[],
            })
            .await?;
        Ok(length(response.headers()))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    header(headers, &CONTENT_LENGTH)?.parse().ok()
}
