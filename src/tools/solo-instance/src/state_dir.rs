//! The state directory in which deployments live: where their files are, and their names on this machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::network::Network;
use crate::progress::Progress;
use crate::spec::InstanceSpec;
use crate::{base_tree, digest, lock, rootfs};

/// What [`crate::Host::open`] needs to know.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The state directory; see [`crate::environment::state_dir`].
    pub state_dir: PathBuf,
    /// The program, with leading arguments, that hands its further arguments to [`crate::init_main`]: the program
    /// itself with a hidden subcommand, as in `[current_exe, "machine"]`.
    pub init: Vec<OsString>,
    /// Where progress is told.
    pub progress: Progress,
}

/// The state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    pub(crate) config: Arc<HostConfig>,
}

impl StateDir {
    /// Opens it; makes it, with mode 0700, if it is not there.
    pub(crate) fn open(mut config: HostConfig) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        rootfs::make_directory(&config.state_dir, 0o700)?;
        config.state_dir = config
            .state_dir
            .canonicalize()
            .map_err(Error::io("resolving", config.state_dir.clone()))?;
        let text = config.state_dir.to_string_lossy().into_owned();
        if text.contains([',', ':', '\\', ' ', '\n']) {
            let why = "mount options cannot hold a path with a comma, colon, backslash or space"
                .to_owned();
            return Err(Error::Invalid {
                what: "state directory",
                value: text,
                why,
            });
        }
        for directory in ["cache", "deployments", "compile"] {
            rootfs::make_directory(&config.state_dir.join(directory), 0o700)?;
        }
        Ok(Self {
            config: Arc::new(config),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.config.state_dir
    }

    /// The tree that every instance's root is made of.
    pub(crate) fn base_tree(&self) -> Result<PathBuf> {
        base_tree::ensure(&self.path().join("cache"), &self.config.progress)
    }

    /// The names of the deployments that have state here.
    pub(crate) fn deployments(&self) -> Result<Vec<String>> {
        let mut names = directories(&self.path().join("deployments"))?;
        names.sort();
        Ok(names)
    }

    pub(crate) fn deployment_dir(&self, deployment: &str) -> PathBuf {
        self.path().join("deployments").join(deployment)
    }

    pub(crate) fn instance_dir(&self, deployment: &str, group: &str, index: u32) -> PathBuf {
        self.deployment_dir(deployment)
            .join(format!("{group}-{index}"))
    }

    pub(crate) fn load_network(&self, deployment: &str) -> Result<Option<Network>> {
        Network::load(&self.deployment_dir(deployment), &self.tag(deployment))
    }

    pub(crate) fn existing_network(&self, deployment: &str) -> Result<Network> {
        self.load_network(deployment)?
            .ok_or_else(|| Error::Unsupported {
                what: format!("deployment {deployment} has no network"),
                hint: "deploy it again".to_owned(),
            })
    }

    pub(crate) fn release_address(&self, spec: &InstanceSpec) -> Result<()> {
        let _lock = self.lock()?;
        self.load_network(&spec.deployment)?
            .map_or(Ok(()), |mut network| network.release(&spec.name()))
    }

    pub(crate) fn lock(&self) -> Result<fs::File> {
        lock::exclusive(&self.path().join("lock"))
    }

    /// Names a deployment on this machine, beside deployments of other state directories.
    pub(crate) fn tag(&self, deployment: &str) -> String {
        format!("{deployment}-{}", self.hash("", 8))
    }

    pub(crate) fn cgroup_path(&self, deployment: &str) -> PathBuf {
        Path::new("bosh-solo").join(self.tag(deployment))
    }

    /// A name for a network link: it may have 15 bytes.
    pub(crate) fn link_name(&self, prefix: &str, what: &str) -> String {
        format!("{prefix}-{}", self.hash(what, 12))
    }

    fn hash(&self, what: &str, length: usize) -> String {
        digest::short(
            &[self.path().as_os_str().as_encoded_bytes(), what.as_bytes()],
            length,
        )
    }
}

/// The names of the directories in a directory.
pub(crate) fn directories(parent: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(parent).map_err(Error::io("reading", parent))?;
    Ok(entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect())
}
