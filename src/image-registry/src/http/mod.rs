//! Answers in HTTP, of the API and of the page: their bodies, their headers, and their errors.

pub mod answer;
pub mod body;
pub mod error;

use std::io;

use hyper::header::WWW_AUTHENTICATE;

pub use answer::{Answer, DIGEST};
pub use body::{Body, empty, full, while_answered};
pub use error::{ApiError, Outcome};

const CHALLENGE: &str = "Basic realm=\"registry\", charset=\"UTF-8\"";

/// Asks for a login.
pub fn challenge(what: &str) -> ApiError {
    ApiError::unauthorized(what).with_header(WWW_AUTHENTICATE, CHALLENGE)
}

/// Does what blocks, where that does no harm.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
