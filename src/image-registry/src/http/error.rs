//! Errors of the API, in the form and with the codes of the distribution specification.

use std::io;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::body::{self, Body};
use crate::images;
use crate::upstream::Kind;

/// An answer that refuses.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a request comes to.
pub type Outcome = Result<Response<Body>, ApiError>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(StatusCode::$status, $code, message)
            }
        )*
    };
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    codes! {
        /// The repository has no such blob.
        blob_unknown = NOT_FOUND, "BLOB_UNKNOWN";
        /// There is no such upload, or it is somebody else's.
        upload_unknown = NOT_FOUND, "BLOB_UPLOAD_UNKNOWN";
        /// A piece of an upload is not the one that is to come now.
        piece_out_of_order = RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID";
        /// An upload gets two pieces at a time.
        upload_busy = CONFLICT, "BLOB_UPLOAD_INVALID";
        /// No part of a blob is asked for.
        range_unsatisfiable = RANGE_NOT_SATISFIABLE, "RANGE_INVALID";
        /// What came is not what its digest says, or the digest is none.
        digest_invalid = BAD_REQUEST, "DIGEST_INVALID";
        /// The repository has no such manifest.
        manifest_unknown = NOT_FOUND, "MANIFEST_UNKNOWN";
        /// What came is no manifest that is taken.
        manifest_invalid = BAD_REQUEST, "MANIFEST_INVALID";
        /// A manifest that is too long.
        manifest_too_long = PAYLOAD_TOO_LARGE, "SIZE_INVALID";
        /// A length is not what it was said to be.
        size_invalid = BAD_REQUEST, "SIZE_INVALID";
        /// The request's address is no name of anything.
        name_invalid = BAD_REQUEST, "NAME_INVALID";
        /// There is no such repository.
        name_unknown = NOT_FOUND, "NAME_UNKNOWN";
        /// A parameter is wrong.
        parameter_invalid = BAD_REQUEST, "UNSUPPORTED";
        /// There is nothing at this address.
        not_found = NOT_FOUND, "UNSUPPORTED";
        /// What is there cannot be asked for this.
        method_not_allowed = METHOD_NOT_ALLOWED, "UNSUPPORTED";
        /// A login is needed, or the one that came is wrong.
        unauthorized = UNAUTHORIZED, "UNAUTHORIZED";
        /// The login has no right to this.
        denied = FORBIDDEN, "DENIED";
        /// The registry that an image belongs to failed.
        upstream_failed = BAD_GATEWAY, "UNKNOWN";
        /// The registry that an image belongs to is silent.
        upstream_silent = GATEWAY_TIMEOUT, "UNKNOWN";
        /// Too many logins failed, or too much was asked of another registry.
        too_many_requests = TOO_MANY_REQUESTS, "TOOMANYREQUESTS";
        /// The client was too slow.
        too_slow = REQUEST_TIMEOUT, "UNKNOWN";
        /// The client went away, or sent what is no HTTP.
        broken_request = BAD_REQUEST, "UNKNOWN";
    }

    /// The store failed. The client learns of a full disk; everything else is in the log alone.
    pub fn store(error: &io::Error) -> Self {
        tracing::error!(why = %error, "the store failed");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "UNKNOWN",
                "the registry's disk is full: what is there can be pulled, and nothing be pushed",
            ),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "UNKNOWN",
                "the registry's store failed; the registry's log says why",
            ),
        }
    }

    /// The same with a header.
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers
            .extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        let document = json!({"errors": [{"code": self.code, "message": self.message}]});
        let mut response = Response::new(body::full(Bytes::from(document.to_string())));
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<images::Error> for ApiError {
    fn from(error: images::Error) -> Self {
        let failure = match error {
            images::Error::Store(error) => return Self::store(&error),
            images::Error::Upstream(failure) => failure,
        };
        let message = format!("the registry that the image belongs to did not give it: {failure}");
        let error = match failure.kind {
            Kind::TooMany => Self::too_many_requests(message),
            Kind::Silent => Self::upstream_silent(message),
            Kind::Missing | Kind::Refused | Kind::Down | Kind::Wrong => {
                Self::upstream_failed(message)
            }
        };
        match failure.retry_after {
            Some(when) => error.with_header(RETRY_AFTER, &when),
            None => error,
        }
    }
}

impl From<io::Error> for ApiError {
    fn from(error: io::Error) -> Self {
        Self::store(&error)
    }
}
