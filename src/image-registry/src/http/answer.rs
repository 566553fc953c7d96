//! Answers that grant.

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::{self, Body};

/// The digest of what is answered.
pub const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// An answer, as it is put together.
pub struct Answer(Response<Body>);

impl Answer {
    /// Without content yet.
    pub fn new(status: StatusCode) -> Self {
        let mut response = Response::new(body::empty());
        *response.status_mut() = status;
        Self(response)
    }

    /// With a header more. What is no header's value is left out: all values here are names and numbers.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().append(name, value);
        }
        self
    }

    /// With the address of what was made: a path, so that it holds behind a proxy too.
    pub fn location(self, path: &str) -> Self {
        self.header(LOCATION, path)
    }

    /// With no content.
    pub fn empty(self) -> Response<Body> {
        self.header(CONTENT_LENGTH, "0").0
    }

    /// With this content.
    pub fn body(self, body: Body) -> Response<Body> {
        self.0.map(|_| body)
    }

    /// With a document.
    pub fn json(self, media_type: &str, document: &impl Serialize) -> Response<Body> {
        // of strings and numbers, which all have a form in JSON
        let text = serde_json::to_vec(document).unwrap_or_default();
        self.header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, &text.len().to_string())
            .body(body::full(Bytes::from(text)))
    }
}
