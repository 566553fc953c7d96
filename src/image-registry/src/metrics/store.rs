//! What the store says of itself, asked for at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::storage::Storage;

/// Asks a store.
#[derive(Debug)]
pub(super) struct StoreCollector(Storage);

impl StoreCollector {
    pub(super) fn new(storage: Storage) -> Self {
        Self(storage)
    }
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut tell = |name: &str, help: &str, unit: Option<&Unit>, value: u64| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(encoder)
        };
        // what the store does not say is missing in the answer, which alerts can tell from 0
        match self.0.space() {
            Ok(space) => {
                let bytes = Some(&Unit::Bytes);
                let free = "Disk of the store that is free to the registry";
                tell("store_free", free, bytes, space.free)?;
                tell("store_size", "Disk of the store in all", bytes, space.size)?;
            }
            Err(error) => tracing::error!(why = %error, "the store does not say how full it is"),
        }
        match self.0.open_uploads() {
            Ok(uploads) => {
                let help = "Uploads that were begun, and not ended yet";
                tell("open_uploads", help, None, uploads)?;
            }
            Err(error) => tracing::error!(why = %error, "the store does not list its uploads"),
        }
        Ok(())
    }
}
