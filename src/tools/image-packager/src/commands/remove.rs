//! `remove`: images out of the release.

use std::process::ExitCode;

use crate::release::Access;
use anyhow::{Context as _, Result};

use super::open;
use crate::cli::Remove;
use crate::global::Global;
use crate::output;

/// Takes them out, and says what went with them.
pub fn run(global: &Global, arguments: &Remove) -> Result<ExitCode> {
    let access = if arguments.dry_run {
        Access::Read
    } else {
        Access::Write
    };
    let mut release = open(global, access)?;
    let changes = release
        .remove(&arguments.references, arguments.dry_run)
        .context("removing images")?;
    output::changes(&changes, global.is_json())?;
    Ok(ExitCode::SUCCESS)
}
