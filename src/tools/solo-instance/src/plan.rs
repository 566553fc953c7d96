//! What the host side hands the PID 1 that it starts: a JSON file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::hierarchy::Hierarchy;
use crate::spec::IptablesVariant;

/// PATH of BOSH's agent for scripts.
pub(crate) const AGENT_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How to set up an instance's machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MachinePlan {
    pub(crate) base: PathBuf,
    /// A directory with `upper` and `work` (for the root) and `vcap` (which becomes `/var/vcap`).
    pub(crate) storage: PathBuf,
    /// An empty directory: the mount point of the root.
    pub(crate) root: PathBuf,
    pub(crate) hostname: String,
    pub(crate) nameservers: Vec<String>,
    pub(crate) cgroups: Vec<Hierarchy>,
    pub(crate) iptables: Option<IptablesVariant>,
}

/// How to run a packaging script.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CompilePlan {
    pub(crate) base: PathBuf,
    /// An empty directory: the mount point of the root.
    pub(crate) root: PathBuf,
    /// A scratch directory on disk: becomes `/var/vcap/data`.
    pub(crate) data: PathBuf,
    pub(crate) package: String,
    pub(crate) dependencies: Vec<(String, PathBuf)>,
    pub(crate) compile_target: PathBuf,
    pub(crate) install_target: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) argv: Vec<String>,
}

/// Writes a state file so that it is there whole or not at all, for root alone.
pub(crate) fn save<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|source| Error::State {
        path: path.to_owned(),
        source,
    })?;
    let fresh = path.with_extension("json.new");
    write_private(&fresh, &bytes)?;
    fs::rename(&fresh, path).map_err(Error::io("renaming to", path))
}

/// Reads a state file.
pub(crate) fn load<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::io("reading", path))?;
    serde_json::from_slice(&bytes).map_err(|source| Error::State {
        path: path.to_owned(),
        source,
    })
}

/// Reads a state file that need not be there.
pub(crate) fn load_if_there<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>> {
    match load(path) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file of mode 0600.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("writing", path))?;
    file.write_all(bytes).map_err(Error::io("writing", path))
}
