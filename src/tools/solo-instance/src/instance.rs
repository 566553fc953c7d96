//! One machine of a deployment.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::rootfs::remove;
use crate::spec::InstanceSpec;
use crate::state_dir::StateDir;
use crate::storage::Storage;
use crate::{disk, lock, mountinfo, plan};

/// What becomes of the persistent disk when its instance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFate {
    /// It stays in the state directory; the next instance of that name gets it.
    Keep,
    /// It is deleted.
    Delete,
}

/// One machine of a deployment, running or not.
#[derive(Debug, Clone)]
pub struct Instance {
    pub(crate) state_dir: StateDir,
    pub(crate) record: Record,
}

/// What is kept of an instance on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) spec: InstanceSpec,
    pub(crate) address: Ipv4Addr,
}

/// The files of an instance on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) directory: PathBuf,
}

impl Files {
    pub(crate) fn named(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Instance {
    pub(crate) fn load(state_dir: &StateDir, directory: &Path) -> Result<Option<Self>> {
        let record = plan::load_if_there(&directory.join("instance.json"))?;
        Ok(record.map(|record| Self {
            state_dir: state_dir.clone(),
            record,
        }))
    }

    /// Makes the instance's directory and what is in it; what is there already stays.
    pub(crate) fn establish(state_dir: &StateDir, record: Record) -> Result<Self> {
        let instance = Self {
            state_dir: state_dir.clone(),
            record,
        };
        let files = instance.files();
        fs::create_dir_all(&files.directory)
            .map_err(Error::io("making directory", &files.directory))?;
        for directory in ["agent", "root"] {
            let directory = files.named(directory);
            fs::create_dir_all(&directory).map_err(Error::io("making directory", &directory))?;
        }
        let _lock = lock::exclusive(&files.named("lock"))?;
        instance.storage().ensure()?;
        if let Some(megabytes) = instance.record.spec.persistent_disk_mb {
            disk::ensure(&instance.disk_image(), megabytes)?;
        }
        plan::save(&files.named("instance.json"), &instance.record)?;
        Ok(instance)
    }

    pub(crate) fn files(&self) -> Files {
        let spec = &self.record.spec;
        Files {
            directory: self
                .state_dir
                .instance_dir(&spec.deployment, &spec.group, spec.index),
        }
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage::of(&self.files().directory)
    }

    pub(crate) fn disk_image(&self) -> PathBuf {
        self.files().named("disk.img")
    }

    pub(crate) fn cgroup(&self) -> Result<Cgroup> {
        let spec = &self.record.spec;
        Cgroup::new(
            self.state_dir
                .cgroup_path(&spec.deployment)
                .join(format!("{}-{}", spec.group, spec.index)),
        )
    }

    pub(crate) fn link(&self) -> String {
        let spec = &self.record.spec;
        self.state_dir
            .link_name("bv", &format!("{}/{}", spec.deployment, spec.name()))
    }

    /// What was asked for.
    #[must_use]
    pub const fn spec(&self) -> &InstanceSpec {
        &self.record.spec
    }

    /// Its address on the deployment's bridge.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.record.address
    }

    /// A directory for the caller's own state of this instance, on this machine; removed with the instance.
    #[must_use]
    pub fn agent_dir(&self) -> PathBuf {
        self.files().named("agent")
    }

    /// Removes the machine: processes, mounts, cgroups, loop device, link, data.
    ///
    /// # Errors
    /// When something survives SIGKILL or does not go.
    pub fn destroy(self, disk: DiskFate) -> Result<()> {
        self.power_off()?;
        self.storage().release()?;
        let files = self.files();
        // Nothing may be deleted through a mount that is still there.
        if let Some(mount) = mountinfo::of("self")?
            .iter()
            .find(|m| m.point.starts_with(&files.directory))
        {
            return Err(Error::still_mounted(&mount.point));
        }
        let kept = (disk == DiskFate::Keep).then(|| self.disk_image());
        let entries = fs::read_dir(&files.directory);
        for entry in entries
            .map_err(Error::io("reading", &files.directory))?
            .flatten()
        {
            let path = entry.path();
            if kept.as_ref() != Some(&path) {
                remove(&path)?;
            }
        }
        if kept.is_none_or(|image| !image.exists()) {
            fs::remove_dir(&files.directory).map_err(Error::io("removing", &files.directory))?;
        }
        self.state_dir.release_address(&self.record.spec)
    }
}

/// Removes a file that need not be there.
pub(crate) fn remove_if_there(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("removing", file)(error))
        }
        _ => Ok(()),
    }
}
