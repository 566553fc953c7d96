//! Options that every command has.

use std::path::PathBuf;

use clap::Args;

/// Flags that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The release, or a directory in it [default: where you are]
    #[arg(long, global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Report as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// Whether to report as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }
}
