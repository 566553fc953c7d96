//! What requests are told apart by: few values, all of them known, so that no client makes new series.

use hyper::Method;
use prometheus_client::encoding::EncodeLabelSet;

/// Of requests that were answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// The request's method, if it is one that means something here.
    pub method: &'static str,
    /// What was asked for.
    pub kind: &'static str,
    /// The answer's status.
    pub status: u16,
}

/// Of what is measured for each kind of request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfKind {
    /// What was asked for.
    pub kind: &'static str,
}

/// Of what ends in one way or another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// How it ended.
    pub outcome: &'static str,
}

/// A request's method.
pub fn method(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let found = known.iter().find(|known| **known == method.as_str());
    found.copied().unwrap_or("other")
}

/// What a request asks for, by its path.
pub fn kind(path: &str) -> &'static str {
    match path {
        "/health" => return "health",
        "/metrics" => return "metrics",
        "/" | "/login" => return "page",
        "/v2" | "/v2/" => return "ping",
        "/v2/_catalog" => return "catalog",
        _ if path.starts_with("/ui/") || path == "/ui" => return "page",
        _ if !path.starts_with("/v2/") => return "other",
        _ => {}
    }
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let (last, second, third) = (parts.next(), parts.next(), parts.next());
    match (third, second, last) {
        (_, Some("tags"), Some("list")) => "tags",
        (_, Some("blobs"), Some("uploads")) | (Some("blobs"), Some("uploads"), _) => "upload",
        (_, Some("blobs"), _) => "blob",
        (_, Some("referrers"), _) => "referrers",
        (_, Some("manifests"), _) => "manifest",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_of_one_of_a_few_kinds() {
        for (path, expected) in [
            ("/", "page"),
            ("/ui", "page"),
            ("/ui/r/team/app", "page"),
            ("/uix", "other"),
            ("/health", "health"),
            ("/metrics", "metrics"),
            ("/v2", "ping"),
            ("/v2/", "ping"),
            ("/v2/_catalog", "catalog"),
            ("/v2/a/tags/list", "tags"),
            ("/v2/blobs/manifests/latest", "manifest"),
            ("/v2/a/b/blobs/sha256:00", "blob"),
            ("/v2/a/blobs/uploads/", "upload"),
            ("/v2/a/blobs/uploads/1f", "upload"),
            ("/v2/a/referrers/sha256:00", "referrers"),
            ("/v2/x", "other"),
            ("", "other"),
            ("/../v2/", "other"),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
        assert_eq!(method(&Method::PUT), "PUT");
        assert_eq!(method(&Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
