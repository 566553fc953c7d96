//! Answers in HTTP, of the API and of the page: their bodies, their headers, and their errors.

pub mod answer;
pub mod body;
pub mod error;

use hyper::header::WWW_AUTHENTICATE;

pub use answer::{Answer, DIGEST};
pub use body::{Body, empty, full, while_answered};
pub use error::{ApiError, Outcome};

const CHALLENGE: &str = "Basic realm=\"registry\", charset=\"UTF-8\"";

/// Asks for a login.
pub fn challenge(what: &str) -> ApiError {
    ApiError::unauthorized(what).with_header(WWW_AUTHENTICATE, CHALLENGE)
}
