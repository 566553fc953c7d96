//! Lists: the tags of a repository, the repositories, and the manifests that name another one.

use std::collections::BTreeSet;

use hyper::header::{HeaderName, LINK};
use hyper::{StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::Registry;
use super::query::Query;
use crate::access::{Identity, Right};
use crate::blocking::blocking;
use crate::digest::Digest;
use crate::document::{Document, INDEX};
use crate::http::Answer;
use crate::http::{ApiError, Outcome};
use crate::images::Name;
use crate::names::{ManifestReference, Repository, Tag};
use crate::storage::StoredManifest;

/// Entries of one answer; more are behind its `Link`.
const MOST: usize = 10_000;
/// Referrers of one answer: each is a manifest that is read.
const MOST_REFERRERS: usize = 1_000;

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The tags of a repository.
pub async fn tags(registry: &Registry, repository: Repository, uri: &Uri) -> Outcome {
    let query = Query::of(uri);
    let page = query.page(MOST)?;
    let storage = registry.storage.clone();
    let asked = repository.clone();
    let found = blocking(move || {
        let is_there = storage.has_repository(&asked);
        is_there.then(|| storage.tags(&asked)).transpose()
    });
    let found = found.await?;
    let frozen = registry.images.frozen();
    let frozen = frozen
        .resolve(&repository)
        .and_then(|name| frozen.tags(&name));
    if found.is_none() && frozen.is_none() {
        return Err(ApiError::name_unknown(
            "there is no such repository: nothing was ever pushed to it",
        ));
    }
    let tags: BTreeSet<Tag> = found.into_iter().chain(frozen).flatten().collect();
    let all = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
    let (listed, has_more) = page.of(all);
    let path = format!("/v2/{repository}/tags/list?n={}", page.count);
    let answer = linked(
        Answer::new(StatusCode::OK),
        &path,
        listed.last().filter(|_| has_more),
    );
    Ok(answer.json(
        "application/json",
        &json!({"name": repository.as_str(), "tags": listed}),
    ))
}

/// The repositories that a login may pull from.
pub async fn catalog(registry: &Registry, identity: &Identity, uri: &Uri) -> Outcome {
    let query = Query::of(uri);
    let page = query.page(MOST)?;
    let storage = registry.storage.clone();
    let mut all: BTreeSet<Repository> = registry
        .images
        .frozen()
        .repositories()
        .into_iter()
        .collect();
    all.extend(blocking(move || storage.repositories()).await?);
    let mut names: Vec<String> = Vec::new();
    for repository in &all {
        if identity.may(Right::Pull, repository) {
            names.push(repository.as_str().to_owned());
        }
    }
    let (names, has_more) = page.of(names);
    let path = format!("/v2/_catalog?n={}", page.count);
    let answer = linked(
        Answer::new(StatusCode::OK),
        &path,
        names.last().filter(|_| has_more),
    );
    Ok(answer.json("application/json", &json!({"repositories": names})))
}

/// The manifests that name this one as their subject. There need be no such manifest.
pub async fn referrers(
    registry: &Registry,
    repository: Repository,
    subject: Digest,
    uri: &Uri,
) -> Outcome {
    let query = Query::of(uri);
    let wanted = query.get("artifactType").map(str::to_owned);
    let page = query.page(MOST_REFERRERS)?;
    let storage = registry.storage.clone();
    let (asked, about) = (repository.clone(), subject.clone());
    let frozen = registry.images.frozen();
    let mut all = frozen
        .resolve(&repository)
        .map_or_else(BTreeSet::new, |name| frozen.referrers(&name, &subject));
    all.extend(blocking(move || storage.referrers(&asked, &about)).await?);
    let all = all.iter().map(ToString::to_string).collect();
    let (listed, has_more) = page.of(all);
    let mut path = format!("/v2/{repository}/referrers/{subject}?n={}", page.count);
    let mut answer = Answer::new(StatusCode::OK);
    if let Some(wanted) = &wanted {
        answer = answer.header(FILTERS, "artifactType");
        let encoded: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
        path = format!("{path}&artifactType={encoded}");
    }
    let answer = linked(answer, &path, listed.last().filter(|_| has_more));
    let name = Name::Own(repository);
    let mut manifests = Vec::new();
    for digest in listed.iter().filter_map(|digest| digest.parse().ok()) {
        let reference = ManifestReference::Digest(digest);
        let found = registry.images.manifest(&name, &reference).await?;
        manifests.extend(found.and_then(|manifest| descriptor(&manifest, wanted.as_deref())));
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    Ok(answer.json(INDEX, &index))
}

/// How a list of referrers has a manifest, if it is of the wanted type.
fn descriptor(manifest: &StoredManifest, wanted: Option<&str>) -> Option<Value> {
    // it was read when it was pushed
    let document: Document = serde_json::from_slice(&manifest.bytes).ok()?;
    let artifact_type = document.artifact_type();
    if wanted.is_some_and(|wanted| artifact_type != Some(wanted)) {
        return None;
    }
    let mut entry = Map::new();
    entry.insert("mediaType".to_owned(), json!(manifest.media_type));
    entry.insert("digest".to_owned(), json!(manifest.digest.to_string()));
    entry.insert("size".to_owned(), json!(manifest.bytes.len()));
    if let Some(artifact_type) = artifact_type {
        entry.insert("artifactType".to_owned(), json!(artifact_type));
    }
    if let Some(annotations) = &document.annotations {
        entry.insert("annotations".to_owned(), json!(annotations));
    }
    Some(Value::Object(entry))
}

fn linked(answer: Answer, path: &str, last: Option<&String>) -> Answer {
    match last {
        Some(last) => answer.header(LINK, &format!("<{path}&last={last}>; rel=\"next\"")),
        None => answer,
    }
}
