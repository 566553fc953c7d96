//! The commands, one file each.

pub mod access;
mod completions;
mod export;
pub mod freeze;
mod freezing;
mod interrupt;
mod list;
pub mod named_images;
mod new;
pub mod outdated;
pub mod push;
mod remove;
pub mod update;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use crate::release::{Access, Release};
use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::global::Global;

/// Runs the command that was given.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    let global = &cli.global;
    match &cli.command {
        Command::New(arguments) => new::run(global, arguments),
        Command::Freeze(arguments) => freeze::run(global, arguments),
        Command::Outdated(arguments) => outdated::run(global, arguments),
        Command::Update(arguments) => update::run(global, arguments),
        Command::List => list::run(global),
        Command::Verify => verify::run(global),
        Command::Remove(arguments) => remove::run(global, arguments),
        Command::Export(arguments) => export::run(global, arguments),
        Command::Push(arguments) => push::run(global, arguments),
        Command::Completions { shell } => completions::run(*shell),
    }
}

/// The release that the command is about.
fn open(global: &Global, access: Access) -> Result<Release> {
    let start = global.dir.as_deref().unwrap_or(Path::new("."));
    Ok(Release::open(start, access)?)
}
