//! A blob on its way from another registry: gone on with where it broke off, and verified before its last piece is given on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_RANGE, RANGE};
use hyper::{Method, Response, StatusCode};

use super::client::Question;
use super::failure::{Failure, Kind};
use super::{Upstream, header, length};
use crate::digest::{Digest, Hasher};
use crate::names::Repository;

/// Times in a row that it may break off without a byte.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);

/// A blob that is being read.
pub struct Download {
    upstream: Arc<Upstream>,
    repository: Repository,
    digest: Digest,
    size: u64,
    at: u64,
    /// Bytes that come again, from a registry that gives no parts.
    again: u64,
    hasher: Hasher,
    body: Option<Incoming>,
    tries: u32,
}

impl Download {
    /// Begins it. `size` is what a manifest says, if one does.
    pub async fn begin(
        upstream: Arc<Upstream>,
        repository: Repository,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<Self, Failure> {
        let response = ask(&upstream, &repository, &digest, 0).await?;
        let said = length(response.headers());
        let wrong = |what: String| {
            Failure::new(
                Kind::Wrong,
                format!(
                    "{}: the blob {digest} of {repository} {what}",
                    upstream.host()
                ),
            )
        };
        let size = match (size, said) {
            (Some(size), Some(said)) if size != said => {
                return Err(wrong(format!(
                    "has {said} bytes there, and {size} in its manifest"
                )));
            }
            (Some(size), _) | (None, Some(size)) => size,
            (None, None) => return Err(wrong("comes without a length".to_owned())),
        };
        Ok(Self {
            hasher: Hasher::new(digest.algorithm()),
            upstream,
            repository,
            digest,
            size,
            at: 0,
            again: 0,
            body: Some(response.into_body()),
            tries: 0,
        })
    }

    /// Bytes of all of it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes; none after the last, which is given only if all of them have the digest.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if self.at == self.size {
                // an empty blob had no last piece
                return if self.size == 0 {
                    self.verify().map(|()| None)
                } else {
                    Ok(None)
                };
            }
            match self.piece().await {
                Ok(piece) => {
                    if piece.is_empty() {
                        continue;
                    }
                    self.tries = 0;
                    self.at += piece.len() as u64;
                    if self.at > self.size {
                        return Err(self.wrong(&format!("has more than its {} bytes", self.size)));
                    }
                    self.hasher.update(&piece);
                    if self.at == self.size {
                        self.verify()?;
                    }
                    return Ok(Some(piece));
                }
                Err(failure) if failure.is_of_address() && self.tries < TRIES => {
                    self.body = None;
                    self.tries += 1;
                    tracing::warn!(upstream = self.upstream.host(), digest = %self.digest, at = self.at, why = %failure, "a blob broke off and is gone on with");
                    tokio::time::sleep(PAUSE * 2_u32.pow(self.tries - 1)).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn piece(&mut self) -> Result<Bytes, Failure> {
        if self.body.is_none() {
            let response = ask(&self.upstream, &self.repository, &self.digest, self.at).await?;
            self.again = match response.status() {
                StatusCode::PARTIAL_CONTENT => {
                    let range = header(response.headers(), &CONTENT_RANGE).unwrap_or_default();
                    let expected = format!("bytes {}-{}/{}", self.at, self.size - 1, self.size);
                    if range != expected {
                        return Err(self.wrong(&format!(
                            "came as {range:.60?} when {expected} was asked for"
                        )));
                    }
                    0
                }
                _ => self.at,
            };
            self.body = Some(response.into_body());
        }
        let patience = self.upstream.patience();
        let Some(body) = &mut self.body else {
            return Ok(Bytes::new());
        };
        let frame = match tokio::time::timeout(patience, body.frame()).await {
            Err(_) => return Err(self.broken(Kind::Silent, "did not come on")),
            Ok(None) => return Err(self.broken(Kind::Down, "ended early")),
            Ok(Some(Err(error))) => {
                return Err(self.broken(Kind::Down, &format!("broke off: {error}")));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        let mut piece = frame.into_data().unwrap_or_default();
        let known = usize::try_from(self.again).map_or(piece.len(), |again| again.min(piece.len()));
        self.again -= known as u64;
        Ok(piece.split_off(known))
    }

    fn verify(&self) -> Result<(), Failure> {
        let found = self.hasher.clone().finish();
        if found == self.digest {
            return Ok(());
        }
        Err(self.wrong(&format!("came with the digest {found}")))
    }

    fn wrong(&self, what: &str) -> Failure {
        self.broken(Kind::Wrong, what)
    }

    fn broken(&self, kind: Kind, what: &str) -> Failure {
        let (host, repository) = (self.upstream.host(), &self.repository);
        Failure::new(
            kind,
            format!("{host}: the blob {} of {repository} {what}", self.digest),
        )
    }
}

async fn ask(
    upstream: &Upstream,
    repository: &Repository,
    digest: &Digest,
    at: u64,
) -> Result<Response<Incoming>, Failure> {
    let from = [(RANGE, format!("bytes={at}-"))];
    let question = Question {
        method: Method::GET,
        repository: repository.as_str(),
        what: &format!("blobs/{digest}"),
        headers: if at == 0 { &[] } else { &from },
    };
    upstream.client.ask(&question).await
}
