//! image-packager: container images in BOSH releases.
//!
//! The way of an image is reference -> [`image::Frozen`] -> [`release::Release::put`] -> blobs, packages and a job in a
//! release, with a record in `images.lock`.

mod cli;
mod commands;
pub mod fetch;
pub mod freezing;
mod global;
pub mod image;
mod output;
pub mod progress;
pub mod pushing;
pub mod release;
mod report;
pub mod source;
mod unpack;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

/// The program: reads the command line, does what it says, and tells the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(&cli) {
        Ok(code) => code,
        Err(error) => {
            // Nobody reads standard error: the exit code still tells.
            let _ = writeln!(std::io::stderr().lock(), "{}", report::text(&error));
            report::exit_code(&error)
        }
    }
}
