//! What the registry shows to people and to those who watch over it, asked of the program itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod browser;
mod cached;
mod catalog;
#[path = "../api/client.rs"]
#[allow(
    dead_code,
    reason = "the tests of the API need more of their client than these"
)]
mod client;
mod devtools;
mod health;
mod images;
mod looks;
mod metrics;
#[path = "../cache/upstream.rs"]
#[allow(
    dead_code,
    reason = "the tests of the cache need more of other registries than these"
)]
mod upstream;
