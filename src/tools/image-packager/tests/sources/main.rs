//! The real program, and the real tools that write and serve what it freezes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod archives;
mod choosing;
mod common;
mod counting;
mod daemon;
mod gate;
mod interruption;
mod layouts;
mod logins;
mod named;
mod pins;
mod platforms;
mod push_refusals;
mod pushing;
mod recipes;
mod recompression;
mod refusals;
mod registries;
mod updates;
