//! What the tests share.

#![allow(dead_code, reason = "no test uses all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails the test"
)]

pub mod proxy;
pub mod server;
pub mod site;
pub mod trial;
pub mod upload;

use std::fmt::Write as _;
use std::time::Duration;

use image_archive::{Descriptor, Digest};
use registry_client::{Error, Retry, Settings, Timeouts};

/// A layer's media type.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Settings that lose no time between attempts.
pub fn fast() -> Settings {
    Settings {
        retry: Retry {
            attempts: 4,
            first_wait: Duration::from_millis(5),
            longest_wait: Duration::from_millis(20),
            longest_retry_after: Duration::from_secs(2),
        },
        timeouts: Timeouts {
            helper: Duration::from_secs(5),
            ..Timeouts::default()
        },
        ..Settings::default()
    }
}

/// Settings that wait for nobody, for servers that are slow on purpose.
pub fn hasty() -> Settings {
    Settings {
        timeouts: Timeouts {
            response: Duration::from_millis(700),
            document: Duration::from_millis(700),
            stall: Duration::from_millis(500),
            stall_bytes: 10_000,
            ..Timeouts::default()
        },
        ..fast()
    }
}

/// Bytes that do not repeat within any buffer.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut generator = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| generator.u8(..))
        .take(length)
        .collect()
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.into(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        platform: None,
        annotations: None,
    }
}

pub fn hint_of(error: &Error) -> String {
    error.hint().unwrap_or_default()
}

/// An error, its causes and its insides: all that could show a secret.
pub fn everything_of(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{}", hint_of(error));
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(text, "\n{error}\n{error:?}");
        cause = error.source();
    }
    text
}
