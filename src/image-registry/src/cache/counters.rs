//! What the cache counts, for those who watch it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of the whole cache.
#[derive(Debug, Default)]
pub struct Counters {
    /// By the host of an upstream.
    pub upstreams: BTreeMap<String, UpstreamCounters>,
    /// Blobs that went for others.
    pub evictions: AtomicU64,
    /// Bytes that its files take on the disk, with those that room is kept for.
    pub held: AtomicU64,
    /// Bytes that they may take at most.
    pub cap: AtomicU64,
}

/// Of one upstream.
#[derive(Debug, Default)]
pub struct UpstreamCounters {
    /// Manifests and blobs that were given out of the cache, or along with a fetch that ran already.
    pub hits: AtomicU64,
    /// Those that were fetched.
    pub misses: AtomicU64,
    /// Requests that it failed to answer.
    pub failures: AtomicU64,
    /// Bytes that came from it.
    pub from_upstream: AtomicU64,
    /// Bytes that clients were promised of it.
    pub to_clients: AtomicU64,
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
