//! This machine as the host of instances.

use std::fs;
use std::path::PathBuf;

use crate::compile::{self, CompileSpec, Compiled};
use crate::error::{Error, Result};
use crate::instance::{DiskFate, Instance, Record};
use crate::network::Network;
use crate::spec::{InstanceSpec, NetworkSpec, check_name};
use crate::state_dir::{HostConfig, StateDir, directories};
use crate::{firewall, leftovers, lock, rootfs};

/// This machine as the host of instances.
#[derive(Debug, Clone)]
pub struct Host {
    state_dir: StateDir,
}

impl Host {
    /// Opens (and makes, with mode 0700) the state directory.
    ///
    /// # Errors
    /// [`Error::NotRoot`], or when the directory cannot be used.
    pub fn open(config: HostConfig) -> Result<Self> {
        StateDir::open(config).map(|state_dir| Self { state_dir })
    }

    /// The tree that every instance's root is made of: made once by mmdebstrap (about a minute), then found.
    ///
    /// # Errors
    /// When mmdebstrap fails, or this is neither Debian nor Ubuntu.
    pub fn base_tree(&self) -> Result<PathBuf> {
        self.state_dir.base_tree()
    }

    /// The names of the deployments that have state here.
    ///
    /// # Errors
    /// When the state directory cannot be read.
    pub fn deployments(&self) -> Result<Vec<String>> {
        self.state_dir.deployments()
    }

    /// The directory of a deployment; the caller may keep files of its own in it (not named like `group-index` or
    /// `network.json`). [`Host::delete_deployment`] removes it.
    #[must_use]
    pub fn deployment_dir(&self, deployment: &str) -> PathBuf {
        self.state_dir.deployment_dir(deployment)
    }

    /// The network of a deployment, made if it is not there: a bridge with this machine at the first address.
    ///
    /// # Errors
    /// [`Error::SubnetTaken`], [`Error::NoSubnet`], or what `ip` or `iptables` said.
    pub fn network(&self, deployment: &str, spec: &NetworkSpec) -> Result<Network> {
        check_name("deployment name", deployment)?;
        let _machine = lock::of_this_machine()?;
        let _lock = self.state_dir.lock()?;
        let directory = self.deployment_dir(deployment);
        rootfs::make_directory(&directory, 0o700)?;
        let mut others = Vec::new();
        for other in self
            .deployments()?
            .iter()
            .filter(|name| *name != deployment)
        {
            others.extend(
                self.state_dir
                    .load_network(other)?
                    .map(|network| network.subnet()),
            );
        }
        if spec.nat {
            firewall::forwarding_on(self.state_dir.path())?;
        }
        let bridge = self.state_dir.link_name("bs", deployment);
        let network = Network::ensure(
            &directory,
            &self.state_dir.tag(deployment),
            &bridge,
            *spec,
            &others,
        )?;
        if !spec.nat {
            self.turn_forwarding_off_if_unused()?;
        }
        Ok(network)
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
            instances.extend(Instance::load(&self.state_dir, &directory.join(name))?);
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
        Instance::load(
            &self.state_dir,
            &self.state_dir.instance_dir(deployment, group, index),
        )
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
            let _lock = self.state_dir.lock()?;
            self.state_dir
                .existing_network(&spec.deployment)?
                .allocate(&spec.name(), spec.ip)?
        };
        Instance::establish(&self.state_dir, Record { spec, address })
    }

    /// Compiles a package; a script that fails is no error here but a [`Compiled::status`].
    ///
    /// # Errors
    /// When the sandbox cannot be made.
    pub fn compile(&self, spec: CompileSpec) -> Result<Compiled> {
        compile::run(
            &self.state_dir.config.init,
            &self.base_tree()?,
            &self.state_dir.path().join("compile"),
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
            let _lock = self.state_dir.lock()?;
            if let Some(network) = self.state_dir.load_network(deployment)? {
                network.remove()?;
                let file = directory.join("network.json");
                fs::remove_file(&file).map_err(Error::io("removing", file))?;
            }
            self.turn_forwarding_off_if_unused()?;
        }
        leftovers::sweep(
            &self.state_dir.tag(deployment),
            &self.state_dir.cgroup_path(deployment),
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
            &self.state_dir.tag(deployment),
            &self.state_dir.cgroup_path(deployment),
            &self.deployment_dir(deployment),
        )
    }

    fn turn_forwarding_off_if_unused(&self) -> Result<()> {
        for deployment in self.deployments()? {
            if self
                .state_dir
                .load_network(&deployment)?
                .is_some_and(|network| network.nat())
            {
                return Ok(());
            }
        }
        firewall::forwarding_off(self.state_dir.path())
    }
}
