//! What the cache counts, asked for at each scrape.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::cache::{Counters, UpstreamCounters};

/// Asks the cache.
#[derive(Debug)]
pub(super) struct CacheCollector(Arc<Counters>);

impl CacheCollector {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }
}

/// A name, what it means, its unit, and which counter it is.
type OfUpstream = (
    &'static str,
    &'static str,
    Option<&'static Unit>,
    fn(&UpstreamCounters) -> &AtomicU64,
);

const OF_UPSTREAMS: [OfUpstream; 5] = [
    (
        "cache_hits",
        "Manifests and blobs of another registry that were here, or on their way",
        None,
        |counters| &counters.hits,
    ),
    (
        "cache_misses",
        "Manifests and blobs that another registry was asked for",
        None,
        |counters| &counters.misses,
    ),
    (
        "upstream_failures",
        "Requests that another registry failed to answer",
        None,
        |counters| &counters.failures,
    ),
    (
        "upstream_received",
        "Content that came from another registry",
        Some(&Unit::Bytes),
        |counters| &counters.from_upstream,
    ),
    (
        "cache_served",
        "Content of another registry that clients were given",
        Some(&Unit::Bytes),
        |counters| &counters.to_clients,
    ),
];

impl Collector for CacheCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, help, unit, counter) in OF_UPSTREAMS {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
            for (host, counters) in &self.0.upstreams {
                let labels = [("upstream", host.as_str())];
                ConstCounter::new(value(counter(counters)))
                    .encode(family.encode_family(&labels)?)?;
            }
        }
        let evictions = ConstCounter::new(value(&self.0.evictions));
        let help = "Blobs of the cache that went for others";
        let kind = evictions.metric_type();
        evictions.encode(encoder.encode_descriptor("cache_evictions", help, None, kind)?)?;
        for (name, help, counter) in [
            ("cache_held", "Disk that the cache takes", &self.0.held),
            ("cache_cap", "Disk that the cache may take", &self.0.cap),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value(counter)).unwrap_or(i64::MAX));
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, help, Some(&Unit::Bytes), kind)?)?;
        }
        Ok(())
    }
}
