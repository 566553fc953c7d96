//! Keeping order with the program itself: retention, collection, scrub and catalog, while it serves and when it is killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod catalog;
mod catalog_size;
#[allow(dead_code, reason = "the tests of the API need more of it")]
#[path = "../api/client.rs"]
mod client;
mod deaths;
mod meanwhile;
mod protected;
mod pushed;
mod refused;
mod retention;
mod schedule;
mod scrub;
