//! What those who operate the registry ask: whether it works, and what it counts.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};

use super::Registry;
use crate::access::Identity;
use crate::blocking::blocking;
use crate::http::Answer;
use crate::http::{ApiError, Outcome};
use crate::http::{body, challenge};
use crate::metrics::Format;

/// Where it says whether it works.
pub const HEALTH: &str = "/health";
/// Where it says what it counts.
pub const METRICS: &str = "/metrics";

/// Whether a path is asked for by programs at every turn.
pub fn is_watched(path: &str) -> bool {
    path == HEALTH || path == METRICS
}

/// Says whether the registry works, and nothing more: nobody has to log in for it.
pub async fn health(registry: &Registry, request: &Request<Incoming>) -> Outcome {
    check_method(request)?;
    let (status, text) = if registry.health.is_good().await {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer\n",
        )
    };
    Ok(text_answer(
        status,
        "text/plain; charset=utf-8",
        text.to_owned(),
        request,
    ))
}

/// Says what the registry counts.
pub async fn metrics(
    registry: &Registry,
    identity: &Identity,
    request: &Request<Incoming>,
) -> Outcome {
    check_method(request)?;
    if identity.name().is_none() && !registry.access.lets_anybody_pull() {
        return Err(challenge("a login is needed"));
    }
    let format = Format::accepted(request.headers());
    let metrics = registry.metrics.clone();
    let text = blocking(move || metrics.expose(format).map_err(std::io::Error::other));
    Ok(text_answer(
        StatusCode::OK,
        format.content_type(),
        text.await?,
        request,
    ))
}

fn check_method(request: &Request<Incoming>) -> Result<(), ApiError> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let what = format!("{} means nothing at this address", request.method());
    Err(ApiError::method_not_allowed(what).with_header(ALLOW, "GET, HEAD"))
}

fn text_answer(
    status: StatusCode,
    content_type: &str,
    text: String,
    request: &Request<Incoming>,
) -> hyper::Response<body::Body> {
    let answer = Answer::new(status)
        .header(CONTENT_TYPE, content_type)
        .header(CONTENT_LENGTH, &text.len().to_string())
        .header(CACHE_CONTROL, "no-store");
    let is_head = request.method() == Method::HEAD;
    answer.body(if is_head {
        body::empty()
    } else {
        body::full(Bytes::from(text))
    })
}
