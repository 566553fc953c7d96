//! Images that releases bring to the registry's VM: served out of their packages, as a release really lays them down.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails; a time is printed"
)]

#[path = "../api/client.rs"]
#[allow(dead_code, reason = "the tests of the API use the rest")]
mod client;

mod broken;
mod cache;
mod conversion;
mod names;
mod places;
mod skopeo;
mod upgrade;
#[path = "../cache/upstream.rs"]
#[allow(dead_code, reason = "the tests of the cache use the rest")]
mod upstream;
mod vm;
