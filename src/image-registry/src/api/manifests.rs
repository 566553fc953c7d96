//! Manifests: taken in, given out, deleted. Their bytes stay as they came.

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, WARNING};
use hyper::{Request, StatusCode};

use super::query::Query;
use super::request_body::read_short;
use super::{Registry, mirrored};
use crate::blocking::blocking;
use crate::digest::{Algorithm, Digest};
use crate::document::{Document, INDEX};
use crate::http::body;
use crate::http::{Answer, DIGEST};
use crate::http::{ApiError, Outcome};
use crate::images::Name;
use crate::names::{ManifestReference, Repository, Tag};
use crate::storage::{NewManifest, StoredManifest};

/// Bytes of a manifest, as the specification asks registries to take at least, and as distribution and Docker Hub limit it.
pub const LONGEST: usize = 4 << 20;
/// Tags that one push may give.
const MOST_TAGS: usize = 10;

const TAKEN: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");

/// Reads a manifest that is pushed.
fn parse(bytes: &[u8]) -> Result<Document, ApiError> {
    let bad = |what: String| ApiError::manifest_invalid(what);
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|error| bad(format!("this is no manifest: {error}")))?;
    match document.schema_version {
        Some(2) => Ok(document),
        Some(1) => Err(schema_1()),
        _ => Err(bad(
            "this is no manifest: it has no schemaVersion 2".to_owned()
        )),
    }
}

fn subject(document: &Document) -> Result<Option<Digest>, ApiError> {
    document.subject().map_err(|()| {
        ApiError::manifest_invalid("this manifest's subject has a digest that is none")
    })
}

/// The media type by which it is stored: it says the same as the request, where both say one.
fn media_type(document: &Document, header: Option<&str>) -> Result<String, ApiError> {
    let header = header.map(|text| text.split(';').next().unwrap_or_default().trim());
    let header = header.filter(|text| !text.is_empty() && *text != "application/json");
    let own = document.media_type.as_deref();
    let media_type = match (own, header) {
        (Some(own), Some(header)) if own != header => {
            return Err(ApiError::manifest_invalid(format!(
                "this manifest has the mediaType {own:?}, and the request the Content-Type {header:?}"
            )));
        }
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => {
            return Err(ApiError::manifest_invalid(
                "neither this manifest's mediaType nor the request's Content-Type says what it is",
            ));
        }
    };
    if media_type.starts_with(SCHEMA_1) {
        return Err(schema_1());
    }
    if !TAKEN.contains(&media_type) {
        let taken = TAKEN.join(", ");
        return Err(ApiError::manifest_invalid(format!(
            "a manifest of the type {media_type:?} is not taken; these are: {taken}"
        )));
    }
    Ok(media_type.to_owned())
}

fn schema_1() -> ApiError {
    ApiError::manifest_invalid(
        "this is a manifest of Docker's schema 1, which is not taken: push it with Docker 1.10 or later, or convert it by `skopeo copy --format v2s2`",
    )
}

/// Gives a manifest out. `is_pull` is whether its bytes go to the client.
pub async fn get(
    registry: &Registry,
    name: &Name,
    reference: &ManifestReference,
    is_pull: bool,
) -> Outcome {
    let found = registry.images.manifest(name, reference).await?;
    let Some(StoredManifest {
        digest,
        bytes,
        media_type,
        warning,
    }) = found
    else {
        return Err(unknown());
    };
    if is_pull {
        registry.images.note_pulled(name, &digest);
    }
    let mut answer = Answer::new(StatusCode::OK)
        .header(CONTENT_TYPE, &media_type)
        .header(CONTENT_LENGTH, &bytes.len().to_string());
    answer = answer.header(DIGEST, &digest.to_string());
    mirrored::count(registry, name, bytes.len() as u64);
    if let Some(warning) = warning {
        answer = answer.header(WARNING, &mirrored::warning(&warning));
    }
    Ok(answer.body(body::full(bytes.into())))
}

/// Takes a manifest in.
pub async fn put(
    registry: &Registry,
    repository: Repository,
    reference: ManifestReference,
    request: Request<Incoming>,
) -> Outcome {
    let query = Query::of(request.uri());
    let header = request.headers().get(CONTENT_TYPE).cloned();
    let bytes = read_short(request.into_body(), LONGEST).await?;
    let document = parse(&bytes)?;
    let header = header.as_ref().and_then(|value| value.to_str().ok());
    let media_type = media_type(&document, header)?;
    let subject = subject(&document)?;
    let children = document.children().map(|(digest, _)| digest);
    let named: Vec<Digest> = document.blobs().chain(children).collect();
    let mut tags = asked_tags(&query)?;
    let digest = match reference {
        ManifestReference::Digest(digest) => {
            let found = Digest::of(digest.algorithm(), &bytes);
            if found != digest {
                return Err(ApiError::digest_invalid(format!(
                    "this manifest has the digest {found}, and not the one that it is pushed by"
                )));
            }
            digest
        }
        ManifestReference::Tag(tag) => {
            tags.push(tag);
            Digest::of(Algorithm::Sha256, &bytes)
        }
    };
    let location = format!("/v2/{repository}/manifests/{digest}");
    let mut answer = Answer::new(StatusCode::CREATED)
        .location(&location)
        .header(DIGEST, &digest.to_string());
    if let Some(subject) = &subject {
        answer = answer.header(SUBJECT, &subject.to_string());
    }
    for tag in &tags {
        answer = answer.header(TAG, tag.as_str());
    }
    let storage = registry.storage.clone();
    blocking(move || {
        let manifest = NewManifest {
            digest: &digest,
            bytes: &bytes,
            media_type: &media_type,
            tags: &tags,
            subject: subject.as_ref(),
            named: &named,
        };
        storage.put_manifest(&repository, &manifest)
    })
    .await?;
    Ok(answer.empty())
}

fn asked_tags(query: &Query) -> Result<Vec<Tag>, ApiError> {
    let asked: Vec<&str> = query.all("tag").collect();
    if asked.len() > MOST_TAGS {
        let what = format!("one push gives at most {MOST_TAGS} tags");
        return Err(ApiError::parameter_invalid(what));
    }
    let parse = |text: &&str| {
        let bad = || ApiError::parameter_invalid("the parameter tag is no tag");
        text.parse().map_err(|()| bad())
    };
    asked.iter().map(parse).collect()
}

/// Deletes a manifest, or a tag alone.
pub async fn delete(
    registry: &Registry,
    repository: Repository,
    reference: ManifestReference,
) -> Outcome {
    let storage = registry.storage.clone();
    let was_there = blocking(move || match &reference {
        ManifestReference::Tag(tag) => storage.delete_tag(&repository, tag),
        ManifestReference::Digest(digest) => storage.delete_manifest(&repository, digest),
    })
    .await?;
    if was_there {
        Ok(Answer::new(StatusCode::ACCEPTED).empty())
    } else {
        Err(unknown())
    }
}

fn unknown() -> ApiError {
    ApiError::manifest_unknown("the repository has no such manifest")
}
