//! Uploads: a blob at once, in pieces, as a stream, or out of another repository.

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, RANGE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::task::spawn_blocking;

use super::Registry;
use super::open_uploads::Held;
use super::query::Query;
use super::range;
use super::request_body::Pieces;
use crate::access::{Identity, Right};
use crate::blocking::blocking;
use crate::digest::Digest;
use crate::http::{self, ApiError, Outcome};
use crate::http::{Answer, DIGEST};
use crate::names::Repository;
use crate::storage::{MOST_UPLOADS, Storage};

const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Begins an upload, or makes it at once: out of another repository, or with the whole blob.
pub async fn begin(
    registry: &Registry,
    identity: &Identity,
    repository: Repository,
    request: Request<Incoming>,
) -> Outcome {
    let query = Query::of(request.uri());
    if let Some(digest) = query.get("mount") {
        let digest = parse(digest)?;
        let from = query.get("from").map(|name| {
            let bad = || ApiError::name_invalid("the parameter from is no repository's name");
            name.parse::<Repository>().map_err(|()| bad())
        });
        if mount(registry, identity, &repository, &digest, from.transpose()?).await? {
            return Ok(created(&repository, &digest));
        }
    }
    let whole = query.get("digest").map(parse).transpose()?;
    let storage = registry.storage.clone();
    let (into, user) = (repository.clone(), identity.name().map(str::to_owned));
    let begun = blocking(move || {
        let begun = storage.begin_upload(&into, user.as_deref())?;
        Ok(begun.map(|upload| {
            let id = Some(upload.id().to_owned());
            (upload, Unknown { id, storage })
        }))
    });
    let (upload, mut unknown) = begun.await?.ok_or_else(|| {
        ApiError::too_many_requests(format!(
            "this login has {MOST_UPLOADS} uploads open, which is the most: end some, or wait a day, after which what was given up is forgotten"
        ))
    })?;
    let held = registry.uploads.hold_new(upload);
    let Some(digest) = whole else {
        unknown.id = None;
        return Ok(accepted(&repository, &held));
    };
    match receive(held, request.into_body()).await {
        Ok(held) => finish(registry, held, repository, digest).await,
        Err((_, error)) => Err(error),
    }
}

/// An upload that no client knows of yet: dropped, it is gone, also when the request that it came with breaks off.
struct Unknown {
    id: Option<String>,
    storage: Storage,
}

impl Drop for Unknown {
    fn drop(&mut self) {
        let Some(id) = &self.id else {
            return;
        };
        if let Err(error) = self.storage.cancel_upload(id) {
            tracing::warn!(why = %error, "an upload that broke off stays for a day");
        }
    }
}

/// Answers what is asked of an upload.
pub async fn answer(
    registry: &Registry,
    identity: &Identity,
    repository: Repository,
    id: String,
    request: Request<Incoming>,
) -> Outcome {
    let held = hold(registry, identity, &repository, id).await?;
    match *request.method() {
        Method::DELETE => {
            cancel(registry, held).await?;
            Ok(Answer::new(StatusCode::NO_CONTENT).body(http::empty()))
        }
        Method::PATCH => {
            check_piece(request.headers(), &repository, &held)?;
            match receive(held, request.into_body()).await {
                Ok(held) => {
                    let answer = accepted(&repository, &held);
                    held.release(registry);
                    Ok(answer)
                }
                Err((held, error)) => Err(broke_off(registry, held, error).await),
            }
        }
        Method::PUT => {
            let query = Query::of(request.uri());
            let digest = query.get("digest").ok_or_else(|| {
                ApiError::digest_invalid("the parameter digest is missing: what is uploaded cannot be verified without it")
            })?;
            let digest = parse(digest)?;
            check_piece(request.headers(), &repository, &held)?;
            match receive(held, request.into_body()).await {
                Ok(held) => finish(registry, held, repository, digest).await,
                Err((held, error)) => Err(broke_off(registry, held, error).await),
            }
        }
        _ => Ok(Answer::new(StatusCode::NO_CONTENT)
            .location(&location(&repository, held.upload.id()))
            .header(RANGE, &came(held.upload.size()))
            .header(UPLOAD, held.upload.id())
            .body(http::empty())),
    }
}

/// An upload that is this login's, with which nobody else is busy.
async fn hold(
    registry: &Registry,
    identity: &Identity,
    repository: &Repository,
    id: String,
) -> Result<Held, ApiError> {
    let unknown =
        || ApiError::upload_unknown("there is no such upload: it has ended, or was never begun");
    let claim = registry.uploads.claim(&id).ok_or_else(|| {
        ApiError::upload_busy(
            "another request is busy with this upload: ask where it stands, and go on from there",
        )
    })?;
    let storage = registry.storage.clone();
    let upload = blocking(move || storage.open_upload(&id))
        .await?
        .ok_or_else(unknown)?;
    let state = upload.state();
    if state.repository != repository.as_str() || state.user.as_deref() != identity.name() {
        return Err(unknown());
    }
    Ok(claim.with(upload, registry))
}

/// Refuses a piece that is not the next one, or not as long as it says.
fn check_piece(headers: &HeaderMap, repository: &Repository, held: &Held) -> Result<(), ApiError> {
    let Some(header) = headers.get(CONTENT_RANGE) else {
        return Ok(());
    };
    let size = held.upload.size();
    let refused = |what: String| {
        ApiError::piece_out_of_order(what)
            .with_header(RANGE, &came(size))
            .with_header(
                hyper::header::LOCATION,
                &location(repository, held.upload.id()),
            )
    };
    let text = header.to_str().unwrap_or_default();
    let Some((first, length)) = range::of_piece(text) else {
        return Err(refused(
            "the Content-Range is not of the form FIRST-LAST".to_owned(),
        ));
    };
    if first != size {
        return Err(refused(format!(
            "the upload has {size} bytes, and this piece begins at byte {first}"
        )));
    }
    let said = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said != length) {
        return Err(ApiError::size_invalid(
            "the Content-Range and the Content-Length differ",
        ));
    }
    Ok(())
}

/// Writes what comes, a piece while the next one is on its way. What came stays when it breaks off, so that the client can go
/// on from there.
async fn receive(held: Held, body: Incoming) -> Result<Held, (Held, ApiError)> {
    let mut pieces = Pieces::new(body);
    let mut writing = spawn_blocking(move || (held, Ok(())));
    loop {
        let piece = pieces.next().await;
        let mut held = match writing.await {
            Ok((held, Ok(()))) => held,
            Ok((held, Err(error))) => return Err((held, ApiError::store(&error))),
            // the task panicked, which aborts the program
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match piece {
            Ok(None) => return Ok(held),
            Err(error) => return Err((held, error)),
            Ok(Some(piece)) => {
                writing = spawn_blocking(move || {
                    let appended = held.upload.append(&piece);
                    (held, appended)
                });
            }
        }
    }
}

/// What came of an upload stays for the client to go on from, unless the disk is full: then it would be in the way.
async fn broke_off(registry: &Registry, held: Held, error: ApiError) -> ApiError {
    if error.status() != StatusCode::INSUFFICIENT_STORAGE {
        held.release(registry);
        return error;
    }
    match cancel(registry, held).await {
        Ok(()) => error,
        Err(worse) => worse,
    }
}

async fn finish(
    registry: &Registry,
    held: Held,
    repository: Repository,
    digest: Digest,
) -> Outcome {
    let storage = registry.storage.clone();
    let (into, wanted) = (repository.clone(), digest.clone());
    let (upload, claim) = held.into_parts();
    let is_right = blocking(move || {
        let id = upload.id().to_owned();
        let finished = storage.finish_upload(upload, &into, &wanted);
        if finished.is_err() {
            // the client has to begin another, and on a full disk this one would be in the way
            storage.cancel_upload(&id)?;
        }
        finished
    })
    .await?;
    drop(claim);
    if is_right {
        Ok(created(&repository, &digest))
    } else {
        Err(ApiError::digest_invalid(format!(
            "what came does not have the digest {digest}; the upload is gone, begin another"
        )))
    }
}

async fn cancel(registry: &Registry, held: Held) -> Result<(), ApiError> {
    let storage = registry.storage.clone();
    let (upload, claim) = held.into_parts();
    let id = upload.id().to_owned();
    drop(upload);
    blocking(move || storage.cancel_upload(&id)).await?;
    drop(claim);
    Ok(())
}

/// Gives the repository a blob that another one has, from which the login may pull. Whether there is such a one.
async fn mount(
    registry: &Registry,
    identity: &Identity,
    into: &Repository,
    digest: &Digest,
    from: Option<Repository>,
) -> Result<bool, ApiError> {
    let storage = registry.storage.clone();
    let (into, digest, identity) = (into.clone(), digest.clone(), identity.clone());
    let linked = blocking(move || {
        let source = match from {
            Some(from) => may_pull_from(&storage, &identity, &from, &digest)?,
            None => any_source(&storage, &identity, &digest)?,
        };
        Ok(source && storage.link_blob(&into, &digest)?)
    });
    Ok(linked.await?)
}

fn may_pull_from(
    storage: &Storage,
    identity: &Identity,
    from: &Repository,
    digest: &Digest,
) -> std::io::Result<bool> {
    Ok(identity.may(Right::Pull, from) && storage.has_blob(from, digest)?)
}

fn any_source(storage: &Storage, identity: &Identity, digest: &Digest) -> std::io::Result<bool> {
    for from in storage.repositories()? {
        if may_pull_from(storage, identity, &from, digest)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn parse(text: &str) -> Result<Digest, ApiError> {
    text.parse().map_err(|()| {
        ApiError::digest_invalid(
            "the digest is not of the form sha256:… or sha512:… with lower-case hexadecimal digits",
        )
    })
}

fn created(repository: &Repository, digest: &Digest) -> hyper::Response<http::Body> {
    Answer::new(StatusCode::CREATED)
        .location(&format!("/v2/{repository}/blobs/{digest}"))
        .header(DIGEST, &digest.to_string())
        .empty()
}

fn accepted(repository: &Repository, held: &Held) -> hyper::Response<http::Body> {
    Answer::new(StatusCode::ACCEPTED)
        .location(&location(repository, held.upload.id()))
        .header(RANGE, &came(held.upload.size()))
        .header(UPLOAD, held.upload.id())
        .empty()
}

fn location(repository: &Repository, id: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/{id}")
}

/// The bytes that came, as distribution says it: of nothing as of one byte.
fn came(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}
