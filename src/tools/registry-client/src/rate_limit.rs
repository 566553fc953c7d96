//! What registries say about being asked too often.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::http::HeaderMap;

use crate::words::span;

/// Above this, a number is a time since 1970 rather than a wait (Docker Hub has sent both).
const EARLIEST_TIMESTAMP: u64 = 1_000_000_000;

/// How long to wait, by `Retry-After` (RFC 9110, section 10.2.3: seconds or a date) or the `RateLimit` headers' reset.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    [
        "retry-after",
        "x-retry-after",
        "ratelimit-reset",
        "x-ratelimit-reset",
    ]
    .iter()
    .filter_map(|name| headers.get(*name)?.to_str().ok())
    .find_map(|value| wait(value.trim(), now))
}

fn wait(value: &str, now: u64) -> Option<Duration> {
    let seconds = match value.parse::<u64>() {
        Ok(timestamp) if timestamp >= EARLIEST_TIMESTAMP => timestamp.saturating_sub(now),
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(value).ok()?;
            u64::try_from(date.timestamp().as_second())
                .ok()?
                .saturating_sub(now)
        }
    };
    Some(Duration::from_secs(seconds))
}

/// `100 requests in 6 h, 0 left`, by Docker Hub's `ratelimit-limit: 100;w=21600` and `ratelimit-remaining`.
pub(crate) fn limit(headers: &HeaderMap) -> Option<String> {
    let value = |name: &str| -> Option<(u64, Option<u64>)> {
        let text = [name.to_owned(), format!("x-{name}")]
            .iter()
            .find_map(|name| headers.get(name)?.to_str().ok())?;
        let mut parts = text.split(';').map(str::trim);
        let count = parts.next()?.parse().ok()?;
        let window = parts.find_map(|part| part.strip_prefix("w=")?.parse().ok());
        Some((count, window))
    };
    let (count, window) = value("ratelimit-limit")?;
    let mut text = format!("{count} requests");
    if let Some(window) = window {
        let _ = write!(text, " in {}", span(Duration::from_secs(window)));
    }
    if let Some((left, _)) = value("ratelimit-remaining") {
        let _ = write!(text, ", {left} left");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn reads_every_form_of_retry_after() {
        let now = 1_792_000_000;
        for (value, expected) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("1792000060", Some(60)),
            ("1791999999", Some(0)),
            ("Wed, 14 Oct 2026 17:46:45 GMT", Some(5)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(
                wait(value, now),
                expected.map(Duration::from_secs),
                "{value}"
            );
        }
    }

    #[test]
    fn puts_docker_hubs_limit_into_words() {
        let hub = headers(&[
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "0;w=21600"),
        ]);
        assert_eq!(limit(&hub).as_deref(), Some("100 requests in 6 h, 0 left"));
        assert_eq!(
            limit(&headers(&[("x-ratelimit-limit", "180")])).as_deref(),
            Some("180 requests")
        );
        assert_eq!(limit(&headers(&[])), None);
    }
}
