//! Releases with images in them, on a real disk, with the real program and real git.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them"
)]

mod bad_input;
mod commands;
mod common;
mod exporting;
mod mutations;
mod packaging;
mod putting;
mod verifying;
