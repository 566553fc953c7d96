//! Finding and fetching what images are made of: at the mirrors first, then at the registry.

use std::path::Path;
use std::sync::Arc;

use image_archive::{Descriptor, Digest, MediaType, Reference};
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use crate::answer::{Answer, Subject};
use crate::auth::AuthCache;
use crate::blob::Download;
use crate::endpoint::{Directory, Endpoint};
use crate::error::{Error, Result};
use crate::manifest::{ACCEPT, media_type, said_digest};
use crate::part::Part;
use crate::registry_session::RegistrySession;
use crate::retry::{Attempts, Failure};
use crate::settings::Settings;
use crate::transport::Transport;

/// The header in which registries say a manifest's digest.
pub(crate) const DIGEST: &str = "docker-content-digest";
/// A mirror is not waited for as long as the registry behind it.
const MIRROR_ATTEMPTS: u32 = 2;

/// What a tag or digest stands for.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Media type, digest and size of [`Resolved::bytes`]; neither platform nor annotations.
    pub descriptor: Descriptor,
    /// The index or manifest as the registry serves it.
    pub bytes: Vec<u8>,
}

/// All that a client holds.
pub(crate) struct Images {
    pub(crate) directory: Directory,
    pub(crate) session: RegistrySession,
}

impl Images {
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        let directory = Directory::new(&settings)?;
        let transport = Transport::new(settings)?;
        let auth = AuthCache::new(&transport.settings);
        Ok(Self {
            directory,
            session: RegistrySession { transport, auth },
        })
    }

    pub(crate) fn cancel(&self) {
        self.session.transport.cancel();
    }

    pub(crate) fn resolve(
        &self,
        reference: &Reference,
        wanted: Option<Digest>,
    ) -> Result<Resolved> {
        let name = match (wanted, reference.tag()) {
            (None, Some(tag)) => tag.to_owned(),
            (Some(digest), _) => digest.to_string(),
            (None, None) => "latest".to_owned(),
        };
        let what = match wanted {
            Some(digest) => format!("{}@{digest}", reference.path()),
            None => format!("{}:{name}", reference.path()),
        };
        self.try_mirrors(reference, |endpoint, attempts| {
            let subject = self.session.subject(endpoint, what.clone());
            attempts.run(|| {
                let answer = self.session.ask(
                    endpoint,
                    reference.path(),
                    &Method::GET,
                    &format!("manifests/{name}"),
                    ACCEPT,
                    None,
                )?;
                if answer.status != 200 {
                    return Err(answer.refusal(self.session.subject(endpoint, what.clone())));
                }
                let declared = answer.header(CONTENT_TYPE).unwrap_or_default().to_owned();
                let said = said_digest(answer.header(DIGEST), &answer.url)?;
                let limit = self.settings().limits.document;
                let bytes = self.read(answer, limit, &|_| too_large(&subject, limit))?;
                let digest = Digest::of(&bytes);
                for expected in wanted.iter().chain(&said) {
                    check_digest(&subject, *expected, digest)?;
                }
                let media_type = media_type(&declared, &bytes, &subject)?;
                let descriptor = Descriptor {
                    media_type,
                    digest,
                    size: bytes.len() as u64,
                    platform: None,
                    annotations: None,
                };
                Ok(Resolved { descriptor, bytes })
            })
        })
    }

    pub(crate) fn head(&self, reference: &Reference) -> Result<Digest> {
        let wanted = match reference.tag() {
            Some(_) => None,
            None => reference.digest(),
        };
        let name = match (reference.tag(), wanted) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(digest)) => digest.to_string(),
            (None, None) => "latest".to_owned(),
        };
        let said = self.try_mirrors(reference, |endpoint, attempts| {
            attempts.run(|| {
                let answer = self.session.ask(
                    endpoint,
                    reference.path(),
                    &Method::HEAD,
                    &format!("manifests/{name}"),
                    ACCEPT,
                    None,
                )?;
                match answer.status {
                    200 => Ok(said_digest(answer.header(DIGEST), &answer.url)?),
                    // Not every server knows HEAD; a GET says what the matter is.
                    400 | 405 | 501 => Ok(None),
                    _ => {
                        let what = format!("{}:{name}", reference.path());
                        Err(answer.refusal(self.session.subject(endpoint, what)))
                    }
                }
            })
        })?;
        match said {
            Some(digest) => Ok(digest),
            None => Ok(self.resolve(reference, wanted)?.descriptor.digest),
        }
    }

    pub(crate) fn document(
        &self,
        repository: &Reference,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>> {
        let what = format!("{}@{}", repository.path(), descriptor.digest);
        let kind = descriptor.kind();
        let (place, accept) = match kind {
            MediaType::Index | MediaType::Manifest | MediaType::Schema1 => ("manifests", ACCEPT),
            _ => ("blobs", "*/*"),
        };
        let limit = self.settings().limits.document;
        self.try_mirrors(repository, |endpoint, attempts| {
            let subject = self.session.subject(endpoint, what.clone());
            if descriptor.size > limit {
                return Err(too_large(&subject, limit));
            }
            let wrong_size = |actual, at_least| Error::WrongSize {
                registry: subject.registry.clone(),
                what: what.clone(),
                expected: descriptor.size,
                actual,
                at_least,
            };
            attempts.run(|| {
                let answer = self.session.ask(
                    endpoint,
                    repository.path(),
                    &Method::GET,
                    &format!("{place}/{}", descriptor.digest),
                    accept,
                    None,
                )?;
                if answer.status != 200 {
                    let subject = self.session.subject(endpoint, what.clone());
                    return Err(match place {
                        "blobs" => answer.refusal_of_blob(subject),
                        _ => answer.refusal(subject),
                    });
                }
                let bytes =
                    self.read(answer, descriptor.size, &|actual| wrong_size(actual, true))?;
                if bytes.len() as u64 != descriptor.size {
                    return Err(wrong_size(bytes.len() as u64, false).into());
                }
                check_digest(&subject, descriptor.digest, Digest::of(&bytes))?;
                if place == "manifests" {
                    media_type(&descriptor.media_type, &bytes, &subject)?;
                }
                Ok(bytes)
            })
        })
    }

    pub(crate) fn blob(
        &self,
        repository: &Reference,
        blob: &Descriptor,
        part: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<()> {
        let mut part = Part::open(part, blob, &self.session.transport.cancel)?;
        progress(part.length());
        self.try_mirrors(repository, |endpoint, attempts| {
            let download = Download {
                session: &self.session,
                endpoint,
                path: repository.path(),
                blob,
                progress,
            };
            download.run(&mut part, attempts)
        })
    }

    /// Tries the mirrors, then the registry.
    fn try_mirrors<T>(
        &self,
        reference: &Reference,
        mut attempt: impl FnMut(&Arc<Endpoint>, Attempts<'_>) -> Result<T>,
    ) -> Result<T> {
        let transport = &self.session.transport;
        let endpoints = self.directory.endpoints(reference.domain(), transport)?;
        let mut failed: Vec<(String, Error)> = Vec::new();
        for (position, endpoint) in endpoints.iter().enumerate() {
            let is_last = position + 1 == endpoints.len();
            let mut policy = self.settings().retry;
            if !is_last {
                policy.attempts = policy.attempts.min(MIRROR_ATTEMPTS);
            }
            match attempt(endpoint, Attempts::new(policy, &transport.cancel)) {
                Ok(value) => return Ok(value),
                Err(error) if error.is_ours() || (is_last && failed.is_empty()) => {
                    return Err(error);
                }
                Err(error) => failed.push((endpoint.registry.clone(), error)),
            }
        }
        Err(combine_errors(failed))
    }

    fn read(
        &self,
        answer: Answer,
        limit: u64,
        too_long: &dyn Fn(u64) -> Error,
    ) -> Result<Vec<u8>, Failure> {
        let transport = &self.session.transport;
        answer.document(
            limit,
            transport.document_time(),
            &transport.cancel,
            too_long,
        )
    }

    fn settings(&self) -> &Settings {
        &self.session.transport.settings
    }
}

/// The registry's error, and around it those of the mirrors.
fn combine_errors(failed: Vec<(String, Error)>) -> Error {
    let mut failed = failed.into_iter().rev();
    let last = failed.next().map_or(Error::Cancelled, |(_, error)| error);
    failed.fold(last, |source, (mirror, error)| Error::Mirror {
        mirror,
        failure: chain(&error),
        source: Box::new(source),
    })
}

/// An error and its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn too_large(subject: &Subject, limit: u64) -> Error {
    Error::TooLarge {
        registry: subject.registry.clone(),
        what: subject.what.clone(),
        limit,
    }
}

fn check_digest(subject: &Subject, expected: Digest, actual: Digest) -> Result<()> {
    if expected == actual {
        return Ok(());
    }
    Err(Error::WrongDigest {
        registry: subject.registry.clone(),
        what: subject.what.clone(),
        expected,
        actual,
    })
}
