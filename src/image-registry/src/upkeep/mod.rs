//! Keeping order: the disk is freed, tags go by rules, and blobs are read again before a client finds one damaged.

mod counters;
mod schedule;
mod scrub;
mod settings;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use counters::Counts;
pub use settings::Settings;

use crate::inventory::Inventory;
use crate::retention::{self, Report};
use crate::storage::{Collected, Storage};
use counters::Counters;

/// All of it. What it does blocks.
#[derive(Clone, Debug)]
pub struct Upkeep(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Storage,
    inventory: Inventory,
    settings: Settings,
    counters: Counters,
}

impl Upkeep {
    /// Of a store.
    pub fn new(storage: Storage, inventory: Inventory, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            storage,
            inventory,
            settings,
            counters: Counters::default(),
        }))
    }

    /// What it counted since the start.
    pub fn counts(&self) -> Counts {
        *self.0.counters.lock()
    }

    /// Whether there are rules of retention.
    pub fn has_rules(&self) -> bool {
        !self.0.settings.rules.is_empty()
    }

    /// Frees the disk of what nobody needs, or says what it would be.
    pub fn collect(&self, grace: Duration, is_trial: bool) -> io::Result<Collected> {
        let collected = self.0.storage.collect(grace, is_trial);
        if !is_trial {
            self.0.counters.lock().collections.count(&collected);
        }
        let collected = collected
            .inspect_err(|error| tracing::error!(why = %error, "the collection failed"))?;
        let (links, blobs, bytes) = (collected.links, collected.blobs, collected.bytes);
        tracing::info!(links, blobs, bytes, is_trial, "collected");
        for (repository, digest) in &collected.broken {
            tracing::error!(%repository, %digest, "a manifest is broken: all blobs of its repository stay");
        }
        let mut counts = self.0.counters.lock();
        counts.broken_manifests = u64::try_from(collected.broken.len()).unwrap_or(u64::MAX);
        if !is_trial {
            counts.collected_blobs += blobs;
            counts.collected_bytes += bytes;
        }
        drop(counts);
        Ok(collected)
    }

    /// Applies the rules of retention and frees the disk, or says what would go.
    pub fn retain(
        &self,
        grace: Duration,
        is_trial: bool,
    ) -> io::Result<(Report, Option<Collected>)> {
        let Inner {
            storage,
            inventory,
            settings,
            counters,
        } = &*self.0;
        let report = retention::run(storage, inventory, &settings.rules, grace, is_trial);
        if !is_trial {
            counters.lock().retentions.count(&report);
        }
        let report =
            report.inspect_err(|error| tracing::error!(why = %error, "retention failed"))?;
        let (tags, manifests) = (report.tags, report.manifests);
        tracing::info!(tags, manifests, is_trial, "retention ended");
        if is_trial {
            return Ok((report, None));
        }
        {
            let mut counts = counters.lock();
            counts.removed_tags += tags;
            counts.removed_manifests += manifests;
        }
        let collected = self.collect(grace, false)?;
        Ok((report, Some(collected)))
    }
}
