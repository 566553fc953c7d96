//! The program itself, when it is killed, has no room, is flooded, or asked by clients that mean no good.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../api/client.rs"]
#[allow(dead_code, reason = "the tests of the API use more of it")]
mod client;
mod deaths;
mod full_disk;
mod hostile;
mod many_uploads;
mod observed;
mod random;
mod slow_clients;
mod stops;
