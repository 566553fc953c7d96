//! `start`, `stop`, `restart` and `reboot` of instances as they were last deployed.

use super::Deployment;
use super::update::detach_and_destroy;
use crate::agent::lifecycle::{self, Intent};
use crate::agent::{self, Drain};
use crate::hint::Hint;
use crate::state::{Desired, InstanceRecord};
use anyhow::{Context, Result, anyhow};
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(10);

/// What is done to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Starts its jobs.
    Start,
    /// Stops its jobs; `hard` deletes the machine as well, but not its disk.
    Stop {
        /// Whether the machine goes.
        hard: bool,
        /// Whether pre-stop and drain are left out.
        skip_drain: bool,
    },
    /// Stops and starts its jobs.
    Restart {
        /// Whether pre-stop and drain are left out.
        skip_drain: bool,
    },
    /// Switches the machine off and on.
    Reboot {
        /// Whether the plug is pulled.
        hard: bool,
    },
}

impl Operation {
    fn gerund(self) -> &'static str {
        match self {
            Self::Start => "Starting",
            Self::Stop { .. } => "Stopping",
            Self::Restart { .. } => "Restarting",
            Self::Reboot { .. } => "Rebooting",
        }
    }
}

/// Does it to the instances in turn, then runs post-deploy where BOSH does.
pub fn operate(
    deployment: &mut Deployment,
    instances: &[InstanceRecord],
    operation: Operation,
) -> Result<()> {
    for record in instances {
        let step = deployment.progress.step(format!(
            "{} instance {}",
            operation.gerund(),
            record.long_name()
        ));
        one(deployment, record, operation).with_context(|| {
            format!(
                "{} instance {}",
                operation.gerund().to_lowercase(),
                record.long_name()
            )
        })?;
        step.done();
    }
    match operation {
        Operation::Reboot { .. } => Ok(()),
        _ => deployment.post_deploy(),
    }
}

fn one(deployment: &mut Deployment, record: &InstanceRecord, operation: Operation) -> Result<()> {
    match operation {
        Operation::Start => start(deployment, record),
        Operation::Stop { hard, skip_drain } => {
            let drain = Drain::shutdown(&record.applied, record.applied.persistent_disk_mb);
            let intent = if hard {
                Intent::DeleteVm
            } else {
                Intent::KeepVm
            };
            stop(deployment, record, intent, (!skip_drain).then_some(&drain))?;
            if hard {
                detach(deployment, record)?;
            }
            let desired = if hard {
                Desired::Detached
            } else {
                Desired::Stopped
            };
            deployment.remember(&record.group, record.index, |kept| kept.desired = desired)
        }
        Operation::Restart { skip_drain } => {
            let drain = Drain::update(&record.applied, &record.applied);
            stop(
                deployment,
                record,
                Intent::KeepVm,
                (!skip_drain).then_some(&drain),
            )?;
            start(deployment, record)
        }
        Operation::Reboot { hard } => reboot(deployment, record, hard),
    }
}

fn start(deployment: &mut Deployment, record: &InstanceRecord) -> Result<()> {
    let instance = deployment
        .instance(record)?
        .ok_or_else(|| anyhow!("there is no machine"))
        .hint("`bosh-solo recreate` makes one, with the disk that was kept")?;
    let machine = deployment.machine(record, instance);
    if !machine.instance.running()? {
        agent::boot(&machine)?;
    } else if record.desired == Desired::Started
        && !record.dirty
        && agent::state_of(&machine.instance)? == "running"
    {
        deployment
            .progress
            .say(&format!("{}: L runs already", machine.name));
        return Ok(());
    }
    deployment.remember(&record.group, record.index, |kept| kept.dirty = true)?;
    lifecycle::start(&machine, &record.job_names(), record.watch)?;
    deployment.remember(&record.group, record.index, |kept| {
        kept.desired = Desired::Started;
        kept.dirty = false;
    })
}

fn stop(
    deployment: &Deployment,
    record: &InstanceRecord,
    intent: Intent,
    drain: Option<&Drain>,
) -> Result<()> {
    let Some(instance) = deployment.instance(record)? else {
        return Ok(());
    };
    if !instance.running()? || record.desired == Desired::Stopped {
        deployment
            .progress
            .say(&format!("{}: L is stopped already", record.long_name()));
        return Ok(());
    }
    lifecycle::stop(
        &deployment.machine(record, instance),
        &record.job_names(),
        intent,
        drain,
    )
}

/// Deletes the machine, not its disk.
pub fn detach(deployment: &Deployment, record: &InstanceRecord) -> Result<()> {
    if let Some(instance) = deployment.instance(record)? {
        detach_and_destroy(instance)?;
    }
    Ok(())
}

/// No lifecycle script runs: the machine goes down with all that is on it and comes up again.
fn reboot(deployment: &Deployment, record: &InstanceRecord, hard: bool) -> Result<()> {
    let instance = deployment
        .instance(record)?
        .ok_or_else(|| anyhow!("there is no machine"))?;
    if hard {
        instance.power_off()?;
    } else {
        instance.shutdown(GRACE)?;
    }
    agent::boot(&deployment.machine(record, instance))
}
