//! The program itself, asked over HTTP: the distribution specification, row by row, and what is no good.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod access;
mod bad_input;
mod client;
mod collection;
mod deaths;
mod job;
mod manifests;
mod pulls;
mod pushes;
mod verify;
