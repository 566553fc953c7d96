//! A call, as the rest of the crate describes it to the transport.

use std::{fmt, io::Read, path::PathBuf, time::Duration};

use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same, but for those that image references have.
const ESCAPED_IN_PATHS: &AsciiSet = &ESCAPED.remove(b'/').remove(b':').remove(b'@');

/// How long each part of a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the socket is connected; only a full backlog makes it wait at all.
    pub connect: Duration,
    /// Longest silence: until the reply begins (counted again with each part of a body that is sent), and between its
    /// parts.
    pub idle: Option<Duration>,
    /// The whole call, to the end of the reply.
    pub whole: Option<Duration>,
}

impl Timeouts {
    /// For calls whose answer the engine has at hand.
    pub const QUICK: Self = Self {
        connect: Duration::from_secs(5),
        idle: Some(Duration::from_secs(30)),
        whole: Some(Duration::from_mins(1)),
    };

    /// One bound for everything.
    #[must_use]
    pub fn within(whole: Duration) -> Self {
        Self {
            connect: whole,
            idle: None,
            whole: Some(whole),
        }
    }

    /// For streams that may last: only silence is bounded.
    #[must_use]
    pub fn silence(idle: Duration) -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Some(idle),
            whole: None,
        }
    }
}

/// Method, path and socket of a call: what every error names.
#[derive(Clone, Debug)]
pub struct Target {
    /// `GET`, `POST`, `DELETE`.
    pub method: Method,
    /// The path without API version and query.
    pub path: String,
    /// The engine's socket.
    pub socket: PathBuf,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} on {}",
            self.method,
            self.path,
            self.socket.display()
        )
    }
}

/// What a call sends.
pub(crate) enum Payload {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(serde_json::Value),
    /// A stream of unknown length, read on a thread of its own, a few parts ahead of the socket.
    Stream {
        /// The `Content-Type`.
        content_type: &'static str,
        /// Where it comes from.
        reader: Box<dyn Read + Send>,
    },
}

/// One call.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The path without API version, its parts already escaped (see [`segment`]).
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) payload: Payload,
    pub(crate) timeouts: Timeouts,
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            payload: Payload::Empty,
            timeouts: Timeouts::QUICK,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }

    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(crate) fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Path and query, with `prefix` (such as `/v1.47`) before them.
    pub(crate) fn path_and_query(&self, prefix: &str) -> String {
        let mut text = format!("{prefix}{}", self.path);
        for (position, (key, value)) in self.query.iter().enumerate() {
            text.push(if position == 0 { '?' } else { '&' });
            text.push_str(key);
            text.push('=');
            text.extend(utf8_percent_encode(value, ESCAPED));
        }
        text
    }
}

/// A part of a path that comes from outside, escaped; `/`, `:` and `@` of image references stay.
pub(crate) fn segment(text: &str) -> String {
    let out = utf8_percent_encode(text, ESCAPED_IN_PATHS).to_string();
    // "." and ".." would be resolved by the engine's router.
    if out.split('/').any(|part| part == "." || part == "..") {
        out.replace('.', "%2E")
    } else {
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_comes_from_outside() {
        let request = Request::get(format!(
            "/images/{}/json",
            segment("host:5000/a b@sha256:00")
        ))
        .query("filters", r#"{"label":["a=b&c"]}"#)
        .query("all", "1");
        assert_eq!(
            request.path_and_query("/v1.41"),
            "/v1.41/images/host:5000/a%20b@sha256:00/json?filters=%7B%22label%22%3A%5B%22a%3Db%26c%22%5D%7D&all=1"
        );
    }

    #[test]
    fn a_name_cannot_climb_out_of_its_place_in_the_path() {
        assert_eq!(segment("../info"), "%2E%2E/info");
        assert_eq!(segment("a?b#c"), "a%3Fb%23c");
    }
}
