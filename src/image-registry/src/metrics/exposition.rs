//! All that is counted, as text.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use prometheus_client::encoding::{prometheus_text, text};

use super::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// A format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, which everything reads.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The one that a client prefers.
    pub fn accepted(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(ACCEPT).iter();
        let names = |value: &str| {
            let mut types = value.split(',');
            types.any(|one| one.split(';').next().unwrap_or_default().trim() == OPEN_METRICS)
        };
        if values.any(|value| value.to_str().is_ok_and(names)) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    /// All of it in a format. It asks the store, which blocks.
    pub fn expose(&self, format: Format) -> Result<String, fmt::Error> {
        let mut text = String::new();
        match format {
            Format::Prometheus => prometheus_text::encode(&mut text, &self.0.registry)?,
            Format::OpenMetrics => text::encode(&mut text, &self.0.registry)?,
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_ask_for_it() {
        let format = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, value.parse().unwrap());
            Format::accepted(&headers)
        };
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3";
        assert_eq!(format(prometheus), Format::OpenMetrics);
        for other in ["*/*", "text/plain", "", "application/openmetrics-textual"] {
            assert_eq!(format(other), Format::Prometheus, "{other}");
        }
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Prometheus);
    }
}
