//! Manifests by tag and by digest: what is here is given while it may be, and what a registry that fails cannot confirm is given
//! with a warning.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::counters::add;
use super::{Cache, Inner, blocking};
use crate::digest::Digest;
use crate::mirrored::Mirrored;
use crate::names::{ManifestReference, Tag};
use crate::storage::StoredManifest;
use crate::upstream::{Failure, Kind};

/// How long a registry that failed is not asked whether a tag that is here has changed.
const PAUSE: Duration = Duration::from_secs(10);

impl Cache {
    /// A manifest of another registry; none if it has no such one.
    pub async fn manifest(
        &self,
        name: &Mirrored,
        reference: &ManifestReference,
    ) -> Result<Option<StoredManifest>, Failure> {
        let inner = &self.0;
        let found = match reference {
            ManifestReference::Digest(digest) => match inner.manifest_here(name, digest).await {
                Some(manifest) => Ok(inner.hit(name, manifest)),
                None => inner.ask(name, reference, None).await,
            },
            ManifestReference::Tag(tag) => inner.tagged(name, tag, reference).await,
        };
        match found {
            Ok(manifest) => Ok(Some(manifest)),
            Err(failure) if failure.kind == Kind::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

impl Inner {
    fn hit(&self, name: &Mirrored, manifest: StoredManifest) -> StoredManifest {
        self.count(&name.host, |counters| add(&counters.hits, 1));
        manifest
    }

    async fn manifest_here(
        self: &Arc<Self>,
        name: &Mirrored,
        digest: &Digest,
    ) -> Option<StoredManifest> {
        let (inner, repository, digest) = (self.clone(), name.repository.clone(), digest.clone());
        blocking(move || inner.manifests.get(&repository, &digest)).await
    }

    async fn tagged(
        self: &Arc<Self>,
        name: &Mirrored,
        tag: &Tag,
        reference: &ManifestReference,
    ) -> Result<StoredManifest, Failure> {
        let (inner, repository, asked) = (self.clone(), name.repository.clone(), tag.clone());
        let known = blocking(move || inner.manifests.tag(&repository, &asked)).await;
        let Some((digest, age)) = known else {
            return self.ask(name, reference, None).await;
        };
        let Some(manifest) = self.manifest_here(name, &digest).await else {
            return self.ask(name, reference, None).await;
        };
        let is_fresh = age.is_some_and(|age| age < self.config.tag_age());
        if is_fresh
            || self
                .config
                .is_immutable(&format!("{}:{tag}", name.repository))
        {
            return Ok(self.hit(name, manifest));
        }
        let paused = self.paused(&name.host);
        let asked = match paused {
            Some(failure) => Err(failure),
            None => self.ask(name, reference, Some(digest)).await,
        };
        match asked {
            Err(failure) if failure.kind != Kind::Missing => {
                self.pause(&name.host, &failure);
                let seconds = age.unwrap_or_default().as_secs();
                tracing::warn!(upstream = name.host, repository = %name.repository, %tag, seconds, why = %failure, "what a tag was is given out, which cannot be confirmed");
                let mut manifest = self.hit(name, manifest);
                manifest.warning = Some(format!(
                    "{failure}; this is what the tag was {seconds} s ago"
                ));
                Ok(manifest)
            }
            asked => asked,
        }
    }

    /// Why a registry is not asked now.
    fn paused(&self, host: &str) -> Option<Failure> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, failure) = failing.get(host)?;
        (*until > Instant::now()).then(|| failure.clone())
    }

    fn pause(&self, host: &str, failure: &Failure) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if matches!(failure.kind, Kind::Down | Kind::Silent | Kind::TooMany)
            && failing.get(host).is_none_or(|(until, _)| *until <= now)
        {
            failing.insert(host.to_owned(), (now + PAUSE, failure.clone()));
        }
    }

    /// Asks the registry, once for all who ask for the same. `here` is what a tag stood for.
    async fn ask(
        self: &Arc<Self>,
        name: &Mirrored,
        reference: &ManifestReference,
        here: Option<Digest>,
    ) -> Result<StoredManifest, Failure> {
        let asked = match reference {
            ManifestReference::Tag(tag) => tag.to_string(),
            ManifestReference::Digest(digest) => digest.to_string(),
        };
        let key = (name.repository.clone(), asked);
        let fetch = self.clone().fetch(name.clone(), reference.clone(), here);
        let outcome = self.asked.run(key, fetch).await;
        outcome.unwrap_or_else(|| Err(Failure::new(Kind::Down, "the registry ends")))
    }

    async fn fetch(
        self: Arc<Self>,
        name: Mirrored,
        reference: ManifestReference,
        here: Option<Digest>,
    ) -> Result<StoredManifest, Failure> {
        let fetched = self.fetch_or_confirm(&name, &reference, here).await;
        fetched.inspect_err(|failure| self.failed(&name, failure))
    }

    async fn fetch_or_confirm(
        self: &Arc<Self>,
        name: &Mirrored,
        reference: &ManifestReference,
        here: Option<Digest>,
    ) -> Result<StoredManifest, Failure> {
        let upstream = self.upstream(name)?;
        let tag = match reference {
            ManifestReference::Tag(tag) => Some(tag.clone()),
            ManifestReference::Digest(_) => None,
        };
        // Docker Hub does not count HEAD among the pulls that it limits
        if let (Some(here), Some(tag)) = (here, &tag)
            && upstream.tagged(&name.path, tag.as_str()).await?.as_ref() == Some(&here)
            && let Some(manifest) = self.manifest_here(name, &here).await
        {
            let (inner, repository, tag) = (self.clone(), name.repository.clone(), tag.clone());
            blocking(move || inner.manifests.confirm(&repository, &tag).map(Some)).await;
            return Ok(self.hit(name, manifest));
        }
        self.count(&name.host, |counters| add(&counters.misses, 1));
        let manifest = upstream.manifest(&name.path, reference).await?;
        self.count(&name.host, |counters| {
            add(&counters.from_upstream, manifest.bytes.len() as u64);
        });
        let (inner, repository, kept) = (self.clone(), name.repository.clone(), manifest.clone());
        blocking(move || {
            inner
                .manifests
                .put(&repository, tag.as_ref(), &kept)
                .map(Some)
        })
        .await;
        Ok(manifest)
    }
}
