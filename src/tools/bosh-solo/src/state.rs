//! What bosh-solo remembers of a deployment between two commands.

use crate::plan::WatchTime;
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What an instance is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// Its jobs run.
    Started,
    /// It runs, its jobs do not.
    Stopped,
    /// It is gone, but for its persistent disk.
    Detached,
}

/// What lies on an instance: the part of the agent's apply spec that decisions depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Jobs in the manifest's order: name and digest of what was rendered.
    pub jobs: Vec<(String, String)>,
    /// Run-time packages: name and compiled version.
    pub packages: BTreeMap<String, String>,
    /// A digest of all rendered jobs.
    pub configuration_hash: String,
    /// Size of the persistent disk in MiB, 0 for none.
    pub persistent_disk_mb: u64,
}

/// An instance that the deployment has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// Its group.
    pub group: String,
    /// Its place in the group.
    pub index: usize,
    /// Its UUID.
    pub id: String,
    /// Its availability zone.
    pub az: Option<String>,
    /// What it is meant to be.
    pub desired: Desired,
    /// Whether an update began and did not end.
    pub dirty: bool,
    /// What lies on it.
    pub applied: Applied,
    /// How long a start waits for its jobs.
    pub watch: WatchTime,
    /// Whether it belongs to a group with `lifecycle: errand`.
    #[serde(default)]
    pub errand: bool,
}

impl InstanceRecord {
    /// `group/index`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.group, self.index)
    }

    /// Whether it is an errand's and has no machine now.
    pub fn is_idle_errand(&self) -> bool {
        self.errand && self.desired == Desired::Detached
    }

    /// `group/uuid (index)`, as a task's output names it.
    pub fn long_name(&self) -> String {
        format!("{}/{} ({})", self.group, self.id, self.index)
    }
}

/// A deployment's record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Record {
    /// Releases and versions, for `deployments`.
    pub releases: Vec<(String, String)>,
    /// The directory to which the manifest's paths are relative.
    pub base: PathBuf,
    /// Whether the instances have a way out.
    pub nat: bool,
    /// Its instances.
    pub instances: Vec<InstanceRecord>,
    /// Errands whose last run succeeded, with a digest of what they ran on (director: `models/errand_run.rb`).
    #[serde(default)]
    pub errand_runs: BTreeMap<String, String>,
}

impl Record {
    /// Reads the record in a deployment's directory; none if the deployment was never deployed.
    pub fn load(directory: &Path) -> Result<Option<Self>> {
        let path = record_path(directory);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(anyhow!(error).context(format!("reading {}", path.display()))),
        };
        serde_json::from_slice(&text).map(Some).with_context(|| {
            format!(
                "{} is not a record of this version of bosh-solo",
                path.display()
            )
        })
    }

    /// Writes the record.
    pub fn save(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("writing the deployment's record")?;
        write_private(&record_path(directory), &text)
    }

    /// The record of one instance.
    pub fn instance_mut(&mut self, group: &str, index: usize) -> Option<&mut InstanceRecord> {
        self.instances
            .iter_mut()
            .find(|instance| instance.group == group && instance.index == index)
    }
}

fn record_path(directory: &Path) -> PathBuf {
    directory.join("deployment.json")
}

/// The interpolated manifest of the last deploy.
pub fn manifest_path(directory: &Path) -> PathBuf {
    directory.join("manifest.yml")
}

/// The vars store of deployments that name none.
pub fn vars_store_path(directory: &Path) -> PathBuf {
    directory.join("vars-store.yml")
}

/// Writes a file that only root reads, at once or not at all.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// Makes a directory, with its parents, that only root enters.
pub fn make_private_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("making directory {}", path.display()))
}

/// Holds `path` locked until it is dropped; `waiting` is called when somebody else has it.
pub fn lock(path: &Path, waiting: impl FnOnce()) -> Result<File> {
    if let Some(parent) = path.parent() {
        make_private_directory(parent)?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("opening lock {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(fs::TryLockError::WouldBlock) => waiting(),
        Err(fs::TryLockError::Error(error)) => {
            return Err(anyhow!(error).context(format!("locking {}", path.display())));
        }
    }
    file.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// A new UUID.
pub fn new_uuid() -> Result<String> {
    const SOURCE: &str = "/proc/sys/kernel/random/uuid";
    let text = fs::read_to_string(SOURCE).with_context(|| format!("reading {SOURCE}"))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_record_survives_being_written_and_only_root_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Record::load(directory.path()).unwrap().is_none());
        let mut record = Record::default();
        record.instances.push(InstanceRecord {
            group: "g".into(),
            index: 0,
            id: new_uuid().unwrap(),
            az: None,
            desired: Desired::Stopped,
            dirty: true,
            applied: Applied::default(),
            watch: WatchTime::five_minutes(),
            errand: false,
        });
        record.save(directory.path()).unwrap();
        let mut read = Record::load(directory.path()).unwrap().unwrap();
        assert_eq!(read.instance_mut("g", 0).unwrap().desired, Desired::Stopped);
        let mode = fs::metadata(record_path(directory.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_lock_that_is_held_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("locks/x");
        let first = lock(&path, || panic!("nobody holds it")).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || lock(&path, || sender.send(()).unwrap()).is_ok());
        receiver.recv().unwrap();
        drop(first);
        assert!(other.join().unwrap());
    }
}
