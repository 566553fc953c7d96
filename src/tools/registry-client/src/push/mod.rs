//! Putting blobs and manifests into a registry (OCI distribution specification, "Push"): always into the registry itself,
//! never into a mirror of it.

mod exchange;
mod place;
mod upload;

use std::path::Path;
use std::sync::Arc;

use image_archive::{Descriptor, Digest, Reference};
use ureq::http::header::LOCATION;
use ureq::http::{Method, Uri};

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::images::{DIGEST, Images};
use crate::manifest::{ACCEPT, said_digest};
use crate::retry::{Attempts, Failure};
use exchange::{Body, Change};
use upload::Upload;

pub(crate) use place::{Place, range_end};

/// Where the bytes of a blob are.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// In memory.
    Bytes(&'a [u8]),
    /// In a file, which must not change meanwhile.
    File(&'a Path),
}

/// What came of asking for a blob of another repository.
#[derive(Debug)]
pub enum Mount {
    /// The blob is in the repository now.
    Mounted,
    /// The registry wants the bytes, and has opened an upload for them.
    Opened(OpenUpload),
    /// The registry does not do this, or not for this user.
    Refused,
}

/// An upload that a registry waits for.
#[derive(Debug)]
pub struct OpenUpload(Place);

impl Client {
    /// Whether the repository has the blob.
    pub fn has_blob(&self, repository: &Reference, digest: Digest) -> Result<bool> {
        let images = self.images();
        let doing = || format!("asking for blob {digest} of {}", repository.repository());
        images.at_registry(repository, doing, |endpoint| {
            images.has_blob(endpoint, repository.path(), digest)
        })
    }

    /// The digest of the manifest that the repository has under this tag or digest; nothing if there is none, or if the
    /// registry does not say.
    pub fn has_manifest(&self, repository: &Reference, name: &str) -> Result<Option<Digest>> {
        let images = self.images();
        let doing = || format!("asking for manifest {name} of {}", repository.repository());
        images.at_registry(repository, doing, |endpoint| {
            images.has_manifest(endpoint, repository.path(), name)
        })
    }

    /// Asks the registry to take a blob from another of its repositories, without its bytes being sent.
    pub fn mount_blob(&self, repository: &Reference, digest: Digest, from: &str) -> Result<Mount> {
        let images = self.images();
        let doing = || {
            let to = repository.repository();
            format!("mounting blob {digest} of repository {from} in {to}")
        };
        images.at_registry(repository, doing, |endpoint| {
            images.mount_blob(endpoint, repository.path(), digest, from)
        })
    }

    /// Ends an upload that is not needed. That it fails does no harm: registries forget uploads after a while.
    pub fn abandon_upload(&self, repository: &Reference, upload: &OpenUpload) -> Result<()> {
        let images = self.images();
        let doing = || format!("ending an upload to {}", repository.repository());
        images.at_registry(repository, doing, |endpoint| {
            let change = Change {
                method: Method::DELETE,
                url: upload.0.url.clone(),
                content_type: None,
                range: None,
                body: Body::Nothing,
            };
            let answer = images.session.change(endpoint, repository.path(), &change);
            answer.map(crate::answer::Answer::drain)
        })
    }

    /// Sends a blob, over any number of cut connections, and gives the number of bytes that were sent for it.
    ///
    /// `progress` is told how many bytes of the blob the registry was sent: often, and not always more than before.
    pub fn upload_blob(
        &self,
        repository: &Reference,
        blob: &Descriptor,
        content: Content<'_>,
        opened: Option<OpenUpload>,
        progress: &dyn Fn(u64),
    ) -> Result<u64> {
        let images = self.images();
        let sent = (|| {
            let endpoint = images.registry(repository)?;
            let upload = Upload {
                session: &images.session,
                endpoint: &endpoint,
                path: repository.path(),
                blob,
                content,
                progress,
            };
            upload.run(opened.map(|upload| upload.0), images.attempts())
        })();
        sent.map_err(|error| {
            let digest = blob.digest;
            pushing(
                format!("pushing blob {digest} to {}", repository.repository()),
                error,
            )
        })
    }

    /// Puts an index or manifest under a tag or its digest. All that it names must be there.
    pub fn push_manifest(
        &self,
        repository: &Reference,
        name: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<()> {
        let images = self.images();
        let doing = || format!("pushing manifest {name} to {}", repository.repository());
        images.at_registry(repository, doing, |endpoint| {
            images.push_manifest(endpoint, repository.path(), name, (descriptor, bytes))
        })
    }
}

impl Images {
    /// Repeats something at the registry itself until it succeeds or there is no use in going on.
    fn at_registry<T>(
        &self,
        repository: &Reference,
        doing: impl Fn() -> String,
        once: impl Fn(&Arc<Endpoint>) -> Result<T, Failure>,
    ) -> Result<T> {
        self.registry(repository)
            .and_then(|endpoint| self.attempts().run(|| once(&endpoint)))
            .map_err(|error| pushing(doing(), error))
    }

    fn registry(&self, repository: &Reference) -> Result<Arc<Endpoint>> {
        let transport = &self.session.transport;
        let endpoints = self.directory.endpoints(repository.domain(), transport)?;
        endpoints.into_iter().next_back().ok_or(Error::Cancelled)
    }

    fn attempts(&self) -> Attempts<'_> {
        let transport = &self.session.transport;
        Attempts::new(transport.settings.retry, &transport.cancel)
    }

    fn has_blob(&self, endpoint: &Endpoint, path: &str, digest: Digest) -> Result<bool, Failure> {
        let rest = format!("blobs/{digest}");
        let answer = self
            .session
            .ask(endpoint, path, &Method::HEAD, &rest, "*/*", None)?;
        match answer.status {
            200 => Ok(true),
            // It was sent on to where the blob lies, by a URL that may hold for GET alone.
            400..=499 if !answer.is_first_hand => Ok(true),
            // Not every server knows HEAD.
            400 | 404 | 405 | 501 => Ok(false),
            _ => {
                let what = format!("{path}@{digest}");
                Err(answer.refusal(self.session.subject(endpoint, what)))
            }
        }
    }

    fn has_manifest(
        &self,
        endpoint: &Endpoint,
        path: &str,
        name: &str,
    ) -> Result<Option<Digest>, Failure> {
        let rest = format!("manifests/{name}");
        let answer = self
            .session
            .ask(endpoint, path, &Method::HEAD, &rest, ACCEPT, None)?;
        match answer.status {
            200 => Ok(said_digest(answer.header(DIGEST), &answer.url)?),
            400 | 404 | 405 | 501 => Ok(None),
            _ => {
                let what = format!("{path}:{name}");
                Err(answer.refusal(self.session.subject(endpoint, what)))
            }
        }
    }

    fn mount_blob(
        &self,
        endpoint: &Endpoint,
        path: &str,
        digest: Digest,
        from: &str,
    ) -> Result<Mount, Failure> {
        // Neither a digest nor a repository's name has characters that a query cannot have.
        let rest = format!("blobs/uploads/?mount={digest}&from={from}");
        let url = self.session.url(endpoint, path, &rest)?;
        let change = Change {
            method: Method::POST,
            url: url.clone(),
            content_type: None,
            range: None,
            body: Body::Nothing,
        };
        let answer = self.session.change(endpoint, path, &change)?;
        match answer.status {
            201 => {
                answer.drain();
                Ok(Mount::Mounted)
            }
            202 => {
                let place = Place::opened(&url, answer.header(LOCATION))?;
                answer.drain();
                Ok(Mount::Opened(OpenUpload(place)))
            }
            // Anyone who may not read there may still push: the upload that follows tells.
            408 | 429 | 500.. => {
                let what = format!("{path}@{digest}");
                Err(answer.refusal(self.session.subject(endpoint, what)))
            }
            _ => Ok(Mount::Refused),
        }
    }

    fn push_manifest(
        &self,
        endpoint: &Endpoint,
        path: &str,
        name: &str,
        (descriptor, bytes): (&Descriptor, &[u8]),
    ) -> Result<(), Failure> {
        let url: Uri = self
            .session
            .url(endpoint, path, &format!("manifests/{name}"))?;
        let change = Change {
            method: Method::PUT,
            url,
            content_type: Some(&descriptor.media_type),
            range: None,
            body: Body::Bytes(bytes),
        };
        let answer = self.session.change(endpoint, path, &change)?;
        let what = format!("{path}@{}", descriptor.digest);
        if !matches!(answer.status, 200..=202 | 204) {
            return Err(answer.refusal(self.session.subject(endpoint, what)));
        }
        let said = said_digest(answer.header(DIGEST), &answer.url)?;
        answer.drain();
        check_said(endpoint, what, descriptor.digest, said)
    }
}

/// The registry has to have stored what it was sent.
fn check_said(
    endpoint: &Endpoint,
    what: String,
    expected: Digest,
    said: Option<Digest>,
) -> Result<(), Failure> {
    match said {
        Some(actual) if actual != expected => Err(Error::WrongDigest {
            registry: endpoint.registry.clone(),
            what,
            expected,
            actual,
        }
        .into()),
        _ => Ok(()),
    }
}

fn pushing(doing: String, error: Error) -> Error {
    match error {
        Error::Cancelled | Error::Setting { .. } | Error::SettingFile { .. } => error,
        error => Error::Push {
            doing,
            source: Box::new(error),
        },
    }
}
