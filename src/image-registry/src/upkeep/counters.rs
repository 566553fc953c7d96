//! What upkeep counts since the registry started, for metrics and `upkeep`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

/// Of one kind of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Runs that came to their end.
    pub ended: u64,
    /// Runs that failed.
    pub failed: u64,
    /// When one last came to its end, in seconds since 1970; 0 if none did.
    pub last: u64,
}

impl Runs {
    /// Counts a run.
    pub(super) fn count<T, E>(&mut self, outcome: &Result<T, E>) {
        if outcome.is_err() {
            self.failed += 1;
            return;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.last = now.map_or(0, |now| now.as_secs());
        self.ended += 1;
    }
}

/// All of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Collections.
    pub collections: Runs,
    /// Blobs that they took away.
    pub collected_blobs: u64,
    /// Bytes that they freed.
    pub collected_bytes: u64,
    /// Broken manifests that the last of them met.
    pub broken_manifests: u64,
    /// Runs of retention.
    pub retentions: Runs,
    /// Tags that they removed.
    pub removed_tags: u64,
    /// Manifests that they removed.
    pub removed_manifests: u64,
    /// Readings of the whole store.
    pub scrubs: Runs,
    /// Blobs that were read again.
    pub scrubbed_blobs: u64,
    /// Their bytes.
    pub scrubbed_bytes: u64,
    /// Blobs that were found damaged, or could not be read.
    pub scrub_faults: u64,
}

/// The same, counted by many.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Counts>);

impl Counters {
    pub(super) fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
