//! What commands that ask a running registry print.

mod catalog;
mod retention;
mod upkeep;
mod verify;

use std::io::Write as _;

use anyhow::Context as _;

pub use catalog::Catalog;
pub use retention::Retention;
pub use upkeep::{Collect, Scrub, tell_upkeep};
pub use verify::verify;

/// Prints a command's output.
fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(text).and_then(|()| out.flush());
    printed.context("printing")
}

/// Prints the registry's document as it is.
fn print_document(document: &[u8]) -> anyhow::Result<()> {
    print(document)?;
    print(b"\n")
}
