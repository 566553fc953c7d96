//! The cache of other registries' images: the program itself in front of registries that fail in every way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "the tests of the API use what these do not")]
#[path = "../api/client.rs"]
mod client;

mod deaths;
mod faults;
mod fetches;
mod logins;
mod names;
mod room;
mod skopeo;
mod tags;
mod upstream;
