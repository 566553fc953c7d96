//! The cache of other registries' images: what is not here is fetched once for all who want it, and the least recently used
//! blob goes first when the cap is reached.
//!
//! ```text
//! blobs/sha256/abcd…   whole, verified blobs; the time of a file is that of the last use, to a minute
//! images/              manifests and tags
//! tmp/                 blobs that are being fetched; gone at the next start
//! ```
//!
//! All of it is derived from these files at a start, and all of it may be removed while the registry is stopped.

mod blobs;
mod config;
mod counters;
mod flight;
mod growing;
mod listing;
mod manifests;
mod room;
mod tags;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context as _, ensure};

pub use config::CacheConfig;
pub use counters::{Counters, UpstreamCounters};
pub use growing::Along;

use blobs::Start;
use counters::add;
use flight::Flights;
use manifests::Manifests;
use room::Room;

use crate::digest::Digest;
use crate::mirrored::{Hosts, Mirrored};
use crate::names::Repository;
use crate::storage::{StoredManifest, durable};
use crate::upstream::{Download, Failure, Kind, Upstream, UpstreamConfig};

/// A blob to be given out.
pub enum CachedBlob {
    /// Out of a file, which may grow meanwhile.
    Along(Along),
    /// From its registry, past the cache.
    Through(Box<Download>),
}

/// The cache, and the registries that it asks.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    config: CacheConfig,
    temporary: std::path::PathBuf,
    upstreams: BTreeMap<String, Arc<Upstream>>,
    counters: Arc<Counters>,
    room: Arc<Room>,
    manifests: Manifests,
    asked: Flights<(Repository, String), Result<StoredManifest, Failure>>,
    started: Flights<(Repository, Digest), Result<Start, Failure>>,
    growing: Mutex<HashMap<(Repository, Digest), Along>>,
    /// Registries that are not asked again before then for what is here.
    failing: Mutex<HashMap<String, (Instant, Failure)>>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

/// The names of other registries' repositories, as they are configured.
pub fn hosts(upstreams: &[UpstreamConfig]) -> anyhow::Result<Hosts> {
    let mut hosts: Vec<(String, String)> = Vec::new();
    for upstream in upstreams {
        let prefix = upstream.prefix()?;
        for (host, other) in &hosts {
            let (a, b) = (format!("{prefix}/"), format!("{other}/"));
            ensure!(
                *host != upstream.host && !a.starts_with(&b) && !b.starts_with(&a),
                "property `upstreams`: {host} and {} have the same host, or repositories of the same names",
                upstream.host
            );
        }
        hosts.push((upstream.host.clone(), prefix));
    }
    Ok(Hosts::new(hosts))
}

/// The registries, as they are configured.
pub fn connect(upstreams: &[UpstreamConfig]) -> anyhow::Result<Vec<Upstream>> {
    upstreams.iter().map(Upstream::new).collect()
}

impl Cache {
    /// Opens it in a directory of its own, and clears what was being fetched when the registry was killed.
    pub fn open(
        directory: &Path,
        config: CacheConfig,
        upstreams: Vec<Upstream>,
    ) -> anyhow::Result<Self> {
        let opened = || format!("opening the cache in {}", directory.display());
        let temporary = directory.join("tmp");
        match std::fs::remove_dir_all(&temporary) {
            Err(error) if !durable::is_missing(&error) => return Err(error).with_context(opened),
            _ => {}
        }
        durable::make_dir(&temporary).with_context(opened)?;
        let known = upstreams.iter();
        let counters = Arc::new(Counters {
            upstreams: known
                .map(|upstream| (upstream.host().to_owned(), UpstreamCounters::default()))
                .collect(),
            ..Counters::default()
        });
        let room = Room::open(directory, config.max_size, counters.clone()).with_context(opened)?;
        let all = upstreams.into_iter();
        Ok(Self(Arc::new(Inner {
            manifests: Manifests::new(directory, temporary.clone(), room.clone()),
            upstreams: all
                .map(|upstream| (upstream.host().to_owned(), Arc::new(upstream)))
                .collect(),
            config,
            temporary,
            counters,
            room,
            asked: Flights::default(),
            started: Flights::default(),
            growing: Mutex::default(),
            failing: Mutex::default(),
        })))
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }

    /// Bytes of a name that a client is promised.
    pub fn count_given(&self, name: &Mirrored, bytes: u64) {
        self.0
            .count(&name.host, |counters| add(&counters.to_clients, bytes));
    }
}

impl Inner {
    fn upstream(&self, name: &Mirrored) -> Result<Arc<Upstream>, Failure> {
        let known = self.upstreams.get(&name.host).cloned();
        known
            .ok_or_else(|| Failure::new(Kind::Missing, format!("{}: it is no upstream", name.host)))
    }

    fn count(&self, host: &str, with: impl FnOnce(&UpstreamCounters)) {
        if let Some(counters) = self.counters.upstreams.get(host) {
            with(counters);
        }
    }

    /// Notes that a registry did not give something, unless there is no such thing there.
    fn failed(&self, name: &Mirrored, failure: &Failure) {
        if failure.kind != Kind::Missing {
            self.count(&name.host, |counters| add(&counters.failures, 1));
            tracing::warn!(upstream = name.host, why = %failure, retry_after = failure.retry_after, "another registry did not give what was asked for");
        }
    }
}

/// Does what blocks, where that does no harm. A cache that fails is as one that has nothing.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<Option<T>> + Send + 'static,
) -> Option<T> {
    let done = crate::blocking::blocking(work).await;
    done.unwrap_or_else(|error| {
        tracing::error!(why = %error, "the cache failed");
        None
    })
}
