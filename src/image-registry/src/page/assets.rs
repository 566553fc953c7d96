//! Files that belong to the page itself. Anybody may have them: they say nothing of what the registry holds.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};

use super::protect;
use crate::http::{Answer, Body, empty, full};

const ASSETS: [(&str, &str, &str); 3] = [
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("style.css"),
    ),
    (
        "copy.js",
        "text/javascript; charset=utf-8",
        include_str!("copy.js"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// One of them, if there is such a one.
pub fn answer(name: &str, request: &Request<Incoming>) -> Option<Response<Body>> {
    let (_, content_type, text) = ASSETS.into_iter().find(|(found, ..)| *found == name)?;
    let is_head = request.method() == Method::HEAD;
    let body = if is_head {
        empty()
    } else {
        full(Bytes::from_static(text.as_bytes()))
    };
    let answer = Answer::new(StatusCode::OK)
        .header(CONTENT_TYPE, content_type)
        .header(CONTENT_LENGTH, &text.len().to_string());
    let mut response = answer.body(body);
    protect(response.headers_mut(), "public, max-age=3600");
    Some(response)
}
