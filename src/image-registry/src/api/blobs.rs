//! Blobs: given out, whole or in part, and taken from a repository.

use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use hyper::{Method, Request, StatusCode};

use super::range::{self, Asked};
use super::{Registry, along, mirrored};
use crate::blocking::blocking;
use crate::digest::Digest;
use crate::http::body;
use crate::http::{Answer, DIGEST};
use crate::http::{ApiError, Outcome};
use crate::images::{Blob, Name};
use crate::names::Repository;

/// Gives a blob out.
pub async fn get(
    registry: &Registry,
    name: &Name,
    digest: Digest,
    request: &Request<Incoming>,
) -> Outcome {
    let is_head = request.method() == Method::HEAD;
    let found = registry.images.blob(name, &digest, is_head).await?;
    let blob = found.ok_or_else(unknown)?;
    let size = blob.size();
    let header = request.headers().get(RANGE);
    let asked = match &blob {
        // what comes now can be given as it comes, and no other way
        Blob::Through(_) => Asked::All,
        _ => range::asked(header.and_then(|value| value.to_str().ok()), size),
    };
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
    mirrored::count(registry, name, length);
    Ok(answer.body(match blob {
        Blob::InFile { file, offset, .. } => body::part_of_file(file, offset + range.start, length),
        Blob::Along(blob) => along::part(blob, range),
        Blob::Through(download) => along::through(*download),
        Blob::Size(_) => body::empty(),
    }))
}

/// Takes a blob from a repository.
pub async fn delete(registry: &Registry, repository: Repository, digest: Digest) -> Outcome {
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
