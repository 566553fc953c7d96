//! What keeps the store in order says of its runs, asked for at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::upkeep::{Counts, Upkeep};

/// Asks upkeep.
#[derive(Debug)]
pub(super) struct UpkeepCollector(Upkeep);

impl UpkeepCollector {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self(upkeep)
    }
}

/// A name, what it means, its unit, and how many.
type Count = (&'static str, &'static str, Option<&'static Unit>, u64);

/// What only grows.
fn counters(counts: &Counts) -> [Count; 12] {
    let bytes = Some(&Unit::Bytes);
    [
        (
            "collections",
            "Collections of what no repository has any more",
            None,
            counts.collections.ended,
        ),
        (
            "failed_collections",
            "Collections that failed",
            None,
            counts.collections.failed,
        ),
        (
            "collected_blobs",
            "Blobs that collections took away",
            None,
            counts.collected_blobs,
        ),
        (
            "collected",
            "Disk that collections freed",
            bytes,
            counts.collected_bytes,
        ),
        (
            "retentions",
            "Runs of the rules of retention",
            None,
            counts.retentions.ended,
        ),
        (
            "failed_retentions",
            "Runs of the rules of retention that failed",
            None,
            counts.retentions.failed,
        ),
        (
            "removed_tags",
            "Tags that retention removed",
            None,
            counts.removed_tags,
        ),
        (
            "removed_manifests",
            "Manifests that retention removed",
            None,
            counts.removed_manifests,
        ),
        ("scrubs", "Readings of all blobs", None, counts.scrubs.ended),
        (
            "failed_scrubs",
            "Readings of all blobs that failed",
            None,
            counts.scrubs.failed,
        ),
        (
            "scrubbed",
            "Content of blobs that was read again",
            bytes,
            counts.scrubbed_bytes,
        ),
        (
            "scrub_faults",
            "Blobs that were found damaged, or could not be read",
            None,
            counts.scrub_faults,
        ),
    ]
}

impl Collector for UpkeepCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let counts = self.0.counts();
        for (name, help, unit, value) in counters(&counts) {
            let counter = ConstCounter::new(value);
            let encoder = encoder.encode_descriptor(name, help, unit, counter.metric_type())?;
            counter.encode(encoder)?;
        }
        let seconds = Some(&Unit::Seconds);
        let ended = "came to its end, since 1970; 0 for none since the start";
        for (name, help, unit, value) in [
            (
                "broken_manifests",
                "Broken manifests that the last collection met".to_owned(),
                None,
                counts.broken_manifests,
            ),
            (
                "last_collection_timestamp",
                format!("When a collection last {ended}"),
                seconds,
                counts.collections.last,
            ),
            (
                "last_retention_timestamp",
                format!("When a run of retention last {ended}"),
                seconds,
                counts.retentions.last,
            ),
            (
                "last_scrub_timestamp",
                format!("When a reading of all blobs last {ended}"),
                seconds,
                counts.scrubs.last,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, &help, unit, gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        Ok(())
    }
}
