//! What the registry counts, in the text formats of Prometheus and `OpenMetrics`.
//!
//! Counters are of this process. What can be asked for at the time of a scrape is counted nowhere (`store`).

mod cache;
mod exposition;
mod labels;
mod measured;
mod store;
mod traffic;
mod upkeep;

use std::sync::Arc;
use std::time::Instant;

use hyper::{Method, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use exposition::Format;
pub use traffic::Connection;

use crate::cache::Counters;
use crate::http::Body;
use crate::storage::Storage;
use crate::upkeep::Upkeep;
use cache::CacheCollector;
use labels::{Answered, OfKind, Outcome};
use measured::Measured;
use store::StoreCollector;
use upkeep::UpkeepCollector;

/// Seconds: of a manifest out of the page cache up to a layer over a slow line.
const DURATIONS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

type Durations = Family<OfKind, Histogram, fn() -> Histogram>;

/// All of it; a copy counts into the same.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requests: Family<Answered, Counter>,
    durations: Durations,
    answered_bytes: Family<OfKind, Counter>,
    received: Counter,
    sent: Counter,
    connections: Gauge,
    accepted: Counter,
    failed_handshakes: Counter,
    failed_logins: Family<Outcome, Counter>,
    registry: Registry,
}

/// A request on its way to its answer.
pub struct Started {
    metrics: Metrics,
    began: Instant,
    method: &'static str,
    kind: &'static str,
}

impl Metrics {
    /// With nothing counted yet; `storage`, `upkeep` and the cache are asked at each scrape.
    pub fn new(storage: Storage, upkeep: Upkeep, cache: Option<Arc<Counters>>) -> Self {
        let mut registry = Registry::with_prefix("image_registry");
        let (requests, answered_bytes) = (Family::default(), Family::default());
        let durations: Durations = Family::new_with_constructor(|| Histogram::new(DURATIONS));
        let (received, sent) = (Counter::default(), Counter::default());
        let (connections, accepted) = (Gauge::default(), Counter::default());
        let failed_handshakes = Counter::default();
        let failed_logins = Family::default();
        registry.register(
            "requests",
            "Requests that were answered",
            Family::clone(&requests),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to the last byte of its answer",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register_with_unit(
            "answered",
            "Content of answers that was given out",
            Unit::Bytes,
            Family::clone(&answered_bytes),
        );
        let received_help = "Bytes that came over all connections, heads included";
        registry.register_with_unit("received", received_help, Unit::Bytes, received.clone());
        let sent_help = "Bytes that left over all connections, heads included";
        registry.register_with_unit("sent", sent_help, Unit::Bytes, sent.clone());
        registry.register(
            "connections",
            "Connections that are open",
            connections.clone(),
        );
        registry.register(
            "accepted_connections",
            "Connections that were taken",
            accepted.clone(),
        );
        registry.register(
            "failed_handshakes",
            "Connections that came to no TLS",
            failed_handshakes.clone(),
        );
        registry.register(
            "failed_logins",
            "Logins that were not taken: wrong, or refused because too many of the same address were",
            Family::clone(&failed_logins),
        );
        registry.register_collector(Box::new(StoreCollector::new(storage)));
        registry.register_collector(Box::new(UpkeepCollector::new(upkeep)));
        if let Some(counters) = cache {
            registry.register_collector(Box::new(CacheCollector::new(counters)));
        }
        Self(Arc::new(Inner {
            requests,
            durations,
            answered_bytes,
            received,
            sent,
            connections,
            accepted,
            failed_handshakes,
            failed_logins,
            registry,
        }))
    }

    /// Notes that a request came.
    pub fn start(&self, method: &Method, path: &str) -> Started {
        Started {
            metrics: self.clone(),
            began: Instant::now(),
            method: labels::method(method),
            kind: labels::kind(path),
        }
    }

    /// Notes that a connection was taken.
    pub fn connected(&self) -> Connection {
        self.0.accepted.inc();
        self.0.connections.inc();
        Connection::new(self.clone())
    }

    /// Notes that a connection came to no TLS.
    pub fn handshake_failed(&self) {
        self.0.failed_handshakes.inc();
    }

    /// Notes a login that was not taken, because it was wrong or because too many were.
    pub fn login_failed(&self, is_refused: bool) {
        let outcome = if is_refused { "refused" } else { "wrong" };
        self.0
            .failed_logins
            .get_or_create(&Outcome { outcome })
            .inc();
    }
}

impl Started {
    /// Counts the answer, and its content as it leaves.
    pub fn answered(self, response: Response<Body>) -> Response<Body> {
        let status: StatusCode = response.status();
        let labels = Answered {
            method: self.method,
            kind: self.kind,
            status: status.as_u16(),
        };
        self.metrics.0.requests.get_or_create(&labels).inc();
        response.map(|body| Body::new(Measured::new(body, self)))
    }
}
