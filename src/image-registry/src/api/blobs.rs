//! Blobs: given out, whole or in part, and taken from a repository.

use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use hyper::{Method, Request, StatusCode};

use super::answer::{Answer, DIGEST};
use super::error::{ApiError, Outcome};
use super::range::{self, Asked};
use super::{Registry, blocking, body};
use crate::digest::Digest;
use crate::names::Repository;

/// Answers what is asked of a blob.
pub async fn answer(
    registry: &Registry,
    repository: Repository,
    digest: Digest,
    request: &Request<Incoming>,
) -> Outcome {
    if request.method() == Method::DELETE {
        delete(registry, repository, digest).await
    } else {
        get(registry, repository, digest, request).await
    }
}

async fn get(
    registry: &Registry,
    repository: Repository,
    digest: Digest,
    request: &Request<Incoming>,
) -> Outcome {
    let storage = registry.storage.clone();
    let wanted = digest.clone();
    let is_head = request.method() == Method::HEAD;
    let found = blocking(move || {
        if is_head {
            storage.note_asked(&repository, &wanted)?;
        }
        storage.blob(&repository, &wanted)
    });
    let found = found.await?;
    let (file, size) = found.ok_or_else(unknown)?;
    let header = request.headers().get(RANGE);
    let asked = range::asked(header.and_then(|value| value.to_str().ok()), size);
    let (status, range) = match asked {
        Asked::All => (StatusCode::OK, 0..size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Nothing => {
            let what = format!("the blob has {size} bytes, and none of those that are asked for");
            return Err(ApiError::range_unsatisfiable(what)
                .with_header(CONTENT_RANGE, &format!("bytes */{size}")));
        }
    };
    let length = range.end - range.start;
    let mut answer = Answer::new(status)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, &length.to_string())
        .header(ACCEPT_RANGES, "bytes")
        .header(DIGEST, &digest.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        answer = answer.header(CONTENT_RANGE, &part);
    }
    if is_head {
        return Ok(answer.body(body::empty()));
    }
    Ok(answer.body(body::part_of_file(file, range.start, length)))
}

async fn delete(registry: &Registry, repository: Repository, digest: Digest) -> Outcome {
    let storage = registry.storage.clone();
    if blocking(move || storage.unlink_blob(&repository, &digest)).await? {
        Ok(Answer::new(StatusCode::ACCEPTED).empty())
    } else {
        Err(unknown())
    }
}

fn unknown() -> ApiError {
    ApiError::blob_unknown("the repository has no such blob")
}
