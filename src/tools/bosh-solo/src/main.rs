//! bosh-solo: BOSH without a Director, for one machine.
//!
//! It deploys a BOSH manifest the way a Director and its agents do, in their order and with their
//! environment, onto instances that live in namespaces of this machine.

mod agent;
mod cli;
mod commands;
mod compile;
mod context;
mod dns;
mod engine;
mod hint;
mod instance_facts;
mod links;
mod plan;
mod progress;
mod release;
mod render;
mod selector;
mod state;
mod table;
mod yaml;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nobody reads standard error: the exit code still tells.
            let _ = writeln!(std::io::stderr().lock(), "{}", hint::report(&error));
            ExitCode::FAILURE
        }
    }
}
