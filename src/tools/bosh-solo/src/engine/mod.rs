//! The director's part: from a plan and a record to instances that run.

mod changes;
mod converge;
mod convergence;
mod delete;
mod errand;
mod operate;
mod update;

pub use converge::converge;
pub use convergence::Convergence;
pub use delete::delete_deployment;
pub use errand::{Ended, Errand, errand_names, run_errand};
pub use operate::{Operation, operate};

use crate::agent::Machine;
use crate::progress::Progress;
use crate::state::{self, InstanceRecord, Record};
use anyhow::{Context, Result};
use solo_instance::{Host, Instance};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A deployment, locked for as long as this lives.
#[derive(Debug)]
pub struct Deployment<'a> {
    /// Its name.
    pub name: String,
    /// The machine that it lives on.
    pub host: &'a Host,
    /// Where bosh-solo keeps what all deployments share.
    pub state_directory: PathBuf,
    /// What is remembered of it.
    pub record: Record,
    /// Where a person sees what goes on.
    pub progress: &'a Progress,
    directory: PathBuf,
    _lock: File,
}

impl<'a> Deployment<'a> {
    /// Locks the deployment and reads its record; an empty one if it was never deployed.
    pub fn open(
        name: &str,
        host: &'a Host,
        state_directory: &Path,
        progress: &'a Progress,
    ) -> Result<Self> {
        let lock_path = state_directory.join("locks").join(format!("{name}.lock"));
        let lock = state::lock(&lock_path, || {
            progress.say(&format!(
                "another bosh-solo works on deployment `{name}`: waiting for it"
            ));
        })?;
        let directory = host.deployment_dir(name);
        Ok(Self {
            name: name.to_owned(),
            host,
            state_directory: state_directory.to_owned(),
            record: Record::load(&directory)?.unwrap_or_default(),
            progress,
            directory,
            _lock: lock,
        })
    }

    /// The directory with the deployment's manifest, vars store and record.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes the record.
    pub fn save(&self) -> Result<()> {
        state::make_private_directory(&self.directory)?;
        self.record.save(&self.directory)
    }

    /// The machine of an instance, if it was made.
    fn instance(&self, record: &InstanceRecord) -> Result<Option<Instance>> {
        let index = u32::try_from(record.index).context("an instance's index")?;
        Ok(self.host.instance(&self.name, &record.group, index)?)
    }

    /// The instance's agent.
    fn machine(&self, record: &InstanceRecord, instance: Instance) -> Machine<'a> {
        Machine {
            instance,
            name: record.long_name(),
            progress: self.progress,
        }
    }

    /// Changes an instance's record and writes it.
    fn remember(
        &mut self,
        group: &str,
        index: usize,
        change: impl FnOnce(&mut InstanceRecord),
    ) -> Result<()> {
        if let Some(record) = self.record.instance_mut(group, index) {
            change(record);
        }
        self.save()
    }

    /// post-deploy on every instance that runs, changed or not.
    fn post_deploy(&self) -> Result<()> {
        for record in &self.record.instances {
            if record.desired != state::Desired::Started {
                continue;
            }
            if let Some(instance) = self.instance(record)?
                && instance.running()?
            {
                let machine = self.machine(record, instance);
                crate::agent::lifecycle::post_deploy(&machine, &record.job_names())?;
            }
        }
        Ok(())
    }
}

impl InstanceRecord {
    /// The jobs that lie on the instance, in the manifest's order.
    pub fn job_names(&self) -> Vec<String> {
        self.applied
            .jobs
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }
}
