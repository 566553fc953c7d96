//! Blobs: out of the cache, along with a fetch, or past the cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counters::add;
use super::growing::{Along, Growing};
use super::{Cache, CachedBlob, Inner, blocking};
use crate::digest::Digest;
use crate::mirrored::Mirrored;
use crate::names::Repository;
use crate::storage::durable::Temporary;
use crate::upstream::{Download, Failure, Kind};

/// How those who wait for a blob get it.
#[derive(Clone)]
pub enum Start {
    /// It is being fetched, or is there.
    Along(Along),
    /// There is no room for it: the first who takes this has it, and the others fetch it for themselves.
    Through(Arc<Mutex<Option<Download>>>),
}

impl Cache {
    /// A blob of another registry; none if it has none of this digest.
    pub async fn blob(
        &self,
        name: &Mirrored,
        digest: &Digest,
    ) -> Result<Option<CachedBlob>, Failure> {
        let inner = &self.0;
        let known = inner.known(name, digest).await?;
        let key = (name.repository.clone(), digest.clone());
        if known.is_some()
            && let Some(along) = inner.here(&key).await
        {
            inner.count(&name.host, |counters| add(&counters.hits, 1));
            return Ok(Some(CachedBlob::Along(along)));
        }
        let along = inner.growing().get(&key).cloned();
        if let Some(along) = along {
            inner.count(&name.host, |counters| add(&counters.hits, 1));
            return Ok(Some(CachedBlob::Along(along)));
        }
        let (started, name) = (inner.clone(), name.clone());
        let start = started.start(name.clone(), key.clone(), known);
        let outcome = match inner.started.run(key, start).await {
            Some(outcome) => outcome,
            None => Err(Failure::new(Kind::Down, "the registry ends")),
        };
        match outcome {
            Ok(Start::Along(along)) => Ok(Some(CachedBlob::Along(along))),
            Ok(Start::Through(first)) => {
                let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                let download = match first {
                    Some(download) => download,
                    None => inner.download(&name, digest, known).await?,
                };
                Ok(Some(CachedBlob::Through(Box::new(download))))
            }
            Err(failure) if failure.kind == Kind::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// How many bytes a blob has, without fetching it.
    pub async fn blob_size(
        &self,
        name: &Mirrored,
        digest: &Digest,
    ) -> Result<Option<u64>, Failure> {
        if let Some(size) = self.0.known(name, digest).await? {
            return Ok(Some(size));
        }
        match self.0.upstream(name)?.size(&name.path, digest).await {
            Ok(size) => Ok(size),
            Err(failure) if failure.kind == Kind::Missing => Ok(None),
            Err(failure) => {
                self.0.failed(name, &failure);
                Err(failure)
            }
        }
    }
}

impl Inner {
    fn growing(&self) -> MutexGuard<'_, HashMap<(Repository, Digest), Along>> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes a blob has, if it is known that the repository has it: a manifest of it names the blob. What is here of
    /// another repository may be one that a client may not read, so that the registry is asked.
    async fn known(
        self: &Arc<Self>,
        name: &Mirrored,
        digest: &Digest,
    ) -> Result<Option<u64>, Failure> {
        let (inner, repository, wanted) = (self.clone(), name.repository.clone(), digest.clone());
        let named = blocking(move || inner.manifests.named(&repository, &wanted)).await;
        if named.is_some() || self.room.size(digest).is_none() {
            return Ok(named);
        }
        match self.upstream(name)?.size(&name.path, digest).await {
            Ok(_) => Ok(self.room.size(digest)),
            Err(failure) if failure.kind == Kind::Missing => Ok(None),
            Err(failure) => {
                self.failed(name, &failure);
                Err(failure)
            }
        }
    }

    async fn here(self: &Arc<Self>, key: &(Repository, Digest)) -> Option<Along> {
        let (room, digest) = (self.room.clone(), key.1.clone());
        let reading = blocking(move || room.read(&digest)).await?;
        Some(Along::whole(reading.file, reading.size, reading.lease))
    }

    async fn download(
        &self,
        name: &Mirrored,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Download, Failure> {
        let upstream = self.upstream(name)?;
        self.count(&name.host, |counters| add(&counters.misses, 1));
        let begun = Download::begin(upstream, name.path.clone(), digest.clone(), size).await;
        begun.inspect_err(|failure| self.failed(name, failure))
    }

    /// Begins to fetch a blob.
    async fn start(
        self: Arc<Self>,
        name: Mirrored,
        key: (Repository, Digest),
        known: Option<u64>,
    ) -> Result<Start, Failure> {
        // it may have come since it was looked for
        let along = self.growing().get(&key).cloned();
        if let Some(along) = along {
            return Ok(Start::Along(along));
        }
        if known.is_some()
            && let Some(along) = self.here(&key).await
        {
            return Ok(Start::Along(along));
        }
        let download = self.download(&name, &key.1, known).await?;
        let (inner, size) = (self.clone(), download.size());
        let growing = blocking(move || {
            let Some(reserved) = inner.room.reserve(size)? else {
                return Ok(None);
            };
            Growing::new(Temporary::new(&inner.temporary)?, reserved, size).map(Some)
        });
        let Some(growing) = growing.await else {
            tracing::info!(upstream = name.host, digest = %key.1, bytes = size, "the cache has no room for a blob, which goes past it");
            return Ok(Start::Through(Arc::new(Mutex::new(Some(download)))));
        };
        let along = growing.along();
        self.growing().insert(key.clone(), along.clone());
        tokio::spawn(async move {
            let count =
                |bytes| self.count(&name.host, |counters| add(&counters.from_upstream, bytes));
            let fetched = growing
                .fetch(download, key.1.clone(), self.room.clone(), count)
                .await;
            self.growing().remove(&key);
            match fetched {
                Ok(()) => {
                    tracing::info!(upstream = name.host, digest = %key.1, bytes = size, "a blob was fetched");
                }
                Err(failure) => self.failed(&name, &failure),
            }
        });
        Ok(Start::Along(along))
    }
}
