//! This machine, and the state directory in which its deployments live.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compile::{self, CompileSpec, Compiled};
use crate::error::{Error, Result};
use crate::instance::{DiskFate, Instance, Record};
use crate::network::Network;
use crate::progress::Progress;
use crate::spec::{InstanceSpec, NetworkSpec, check_name};
use crate::{base_tree, digest, firewall, leftovers, lock, rootfs};

/// What [`Host::open`] needs to know.
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

/// This machine as the host of instances.
#[derive(Debug, Clone)]
pub struct Host {
    pub(crate) config: Arc<HostConfig>,
}

impl Host {
    /// Opens (and makes, with mode 0700) the state directory.
    ///
    /// # Errors
    /// [`Error::NotRoot`], or when the directory cannot be used.
    pub fn open(mut config: HostConfig) -> Result<Self> {
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

    /// The tree that every instance's root is made of: made once by mmdebstrap (about a minute), then found.
    ///
    /// # Errors
    /// When mmdebstrap fails, or this is neither Debian nor Ubuntu.
    pub fn base_tree(&self) -> Result<PathBuf> {
        base_tree::ensure(&self.config.state_dir.join("cache"), &self.config.progress)
    }

    /// The names of the deployments that have state here.
    ///
    /// # Errors
    /// When the state directory cannot be read.
    pub fn deployments(&self) -> Result<Vec<String>> {
        let mut names = directories(&self.config.state_dir.join("deployments"))?;
        names.sort();
        Ok(names)
    }

    /// The directory of a deployment; the caller may keep files of its own in it (not named like `group-index` or
    /// `network.json`). [`Host::delete_deployment`] removes it.
    #[must_use]
    pub fn deployment_dir(&self, deployment: &str) -> PathBuf {
        self.config.state_dir.join("deployments").join(deployment)
    }

    pub(crate) fn instance_dir(&self, deployment: &str, group: &str, index: u32) -> PathBuf {
        self.deployment_dir(deployment)
            .join(format!("{group}-{index}"))
    }

    /// The network of a deployment, made if it is not there: a bridge with this machine at the first address.
    ///
    /// # Errors
    /// [`Error::SubnetTaken`], [`Error::NoSubnet`], or what `ip` or `iptables` said.
    pub fn network(&self, deployment: &str, spec: &NetworkSpec) -> Result<Network> {
        check_name("deployment name", deployment)?;
        let _machine = lock::of_this_machine()?;
        let _lock = self.lock()?;
        let directory = self.deployment_dir(deployment);
        rootfs::make_directory(&directory, 0o700)?;
        let mut others = Vec::new();
        for other in self
            .deployments()?
            .iter()
            .filter(|name| *name != deployment)
        {
            others.extend(self.load_network(other)?.map(|network| network.subnet()));
        }
        if spec.nat {
            firewall::forwarding_on(&self.config.state_dir)?;
        }
        let bridge = self.link_name("bs", deployment);
        let network = Network::ensure(&directory, &self.tag(deployment), &bridge, *spec, &others)?;
        if !spec.nat {
            self.turn_forwarding_off_if_unused()?;
        }
        Ok(network)
    }

    fn load_network(&self, deployment: &str) -> Result<Option<Network>> {
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

    /// The instances of a deployment that were created and not destroyed, running or not, by group and index.
    ///
    /// # Errors
    /// When a state file cannot be read.
    pub fn instances(&self, deployment: &str) -> Result<Vec<Instance>> {
        check_name("deployment name", deployment)?;
        let directory = self.deployment_dir(deployment);
        if !directory.exists() {
            return Ok(Vec::new());
        }
        let mut instances = Vec::new();
        for name in directories(&directory)? {
            instances.extend(Instance::load(self, &directory.join(name))?);
        }
        instances.sort_by(|a, b| {
            (&a.spec().group, a.spec().index).cmp(&(&b.spec().group, b.spec().index))
        });
        Ok(instances)
    }

    /// One instance, if it was created.
    ///
    /// # Errors
    /// When its state file cannot be read.
    pub fn instance(&self, deployment: &str, group: &str, index: u32) -> Result<Option<Instance>> {
        check_name("deployment name", deployment)?;
        check_name("instance group name", group)?;
        Instance::load(self, &self.instance_dir(deployment, group, index))
    }

    /// Makes an instance, without booting it: directories, address, disk. The deployment's network must exist
    /// ([`Host::network`]). An instance that is there already keeps its data and takes on the new spec: the disk is
    /// resized (it must not be attached for that); the address changes at the next boot. A disk that
    /// [`DiskFate::Keep`] left is used again.
    ///
    /// # Errors
    /// [`Error::Address`] when the address cannot be given, [`Error::Invalid`] for a spec that cannot be used.
    pub fn create(&self, spec: InstanceSpec) -> Result<Instance> {
        spec.check()?;
        let address = {
            let _lock = self.lock()?;
            self.existing_network(&spec.deployment)?
                .allocate(&spec.name(), spec.ip)?
        };
        Instance::establish(self, Record { spec, address })
    }

    /// Compiles a package; a script that fails is no error here but a [`Compiled::status`].
    ///
    /// # Errors
    /// When the sandbox cannot be made.
    pub fn compile(&self, spec: CompileSpec) -> Result<Compiled> {
        compile::run(
            &self.config.init,
            &self.base_tree()?,
            &self.config.state_dir.join("compile"),
            spec,
        )
    }

    /// Destroys every instance of a deployment and its network, and removes its directory (but for disks that are
    /// kept). Does nothing when there is none.
    ///
    /// # Errors
    /// [`Error::Leftovers`] if anything of it is left after that.
    pub fn delete_deployment(&self, deployment: &str, disks: DiskFate) -> Result<()> {
        for instance in self.instances(deployment)? {
            instance.destroy(disks)?;
        }
        let directory = self.deployment_dir(deployment);
        {
            let _lock = self.lock()?;
            if let Some(network) = self.load_network(deployment)? {
                network.remove()?;
                let file = directory.join("network.json");
                fs::remove_file(&file).map_err(Error::io("removing", file))?;
            }
            self.turn_forwarding_off_if_unused()?;
        }
        leftovers::sweep(
            &self.tag(deployment),
            &self.cgroup_path(deployment),
            &directory,
        )?;
        let left = self.leftovers(deployment)?;
        if !left.is_empty() {
            return Err(Error::Leftovers {
                deployment: deployment.to_owned(),
                left,
            });
        }
        if !directory.exists() {
            return Ok(());
        }
        let keeps_disks = disks == DiskFate::Keep
            && directories(&directory)?
                .iter()
                .any(|name| directory.join(name).join("disk.img").exists());
        if keeps_disks {
            return Ok(());
        }
        fs::remove_dir_all(&directory).map_err(Error::io("removing", directory))
    }

    /// What still exists of a deployment outside its directory: processes, mounts, cgroups, loop devices, links,
    /// firewall rules; a line each. Empty after [`Host::delete_deployment`].
    ///
    /// # Errors
    /// When this machine's mounts cannot be read.
    pub fn leftovers(&self, deployment: &str) -> Result<Vec<String>> {
        check_name("deployment name", deployment)?;
        leftovers::of(
            &self.tag(deployment),
            &self.cgroup_path(deployment),
            &self.deployment_dir(deployment),
        )
    }

    fn lock(&self) -> Result<fs::File> {
        lock::exclusive(&self.config.state_dir.join("lock"))
    }

    fn turn_forwarding_off_if_unused(&self) -> Result<()> {
        for deployment in self.deployments()? {
            if self
                .load_network(&deployment)?
                .is_some_and(|network| network.nat())
            {
                return Ok(());
            }
        }
        firewall::forwarding_off(&self.config.state_dir)
    }

    /// Names a deployment on this machine, beside deployments of other state directories.
    fn tag(&self, deployment: &str) -> String {
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
            &[
                self.config.state_dir.as_os_str().as_encoded_bytes(),
                what.as_bytes(),
            ],
            length,
        )
    }
}

/// The names of the directories in a directory.
fn directories(parent: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(parent).map_err(Error::io("reading", parent))?;
    Ok(entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect())
}
