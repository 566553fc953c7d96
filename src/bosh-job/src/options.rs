//! The options that every program of the release takes.

use std::path::PathBuf;

use crate::Paths;

/// Where the program finds its configuration and everything else.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory that stands for /var/vcap
    #[arg(long, global = true, value_name = "DIR", default_value = Paths::DEFAULT_ROOT)]
    pub root: PathBuf,

    /// Rendered configuration of the job [default: ROOT/jobs/docker/config/config.json]
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Check the configuration, say what is wrong with it, and change nothing
    #[arg(long, global = true)]
    pub check_config: bool,
}

impl Options {
    /// The paths under the root.
    #[must_use]
    pub fn paths(&self) -> Paths {
        Paths::new(&self.root)
    }

    /// The configuration to read.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.config
            .clone()
            .unwrap_or_else(|| self.paths().job_config())
    }
}
