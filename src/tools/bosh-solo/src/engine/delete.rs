//! Deletion of instances and of whole deployments (director: `instance_deleter.rb`).

use super::Deployment;
use crate::agent::Drain;
use crate::agent::lifecycle::{self, Intent};
use crate::hint::Hint;
use crate::state::InstanceRecord;
use anyhow::{Context, Result, anyhow};
use solo_instance::DiskFate;

/// Stops an instance that the manifest no longer has, and destroys it with its disk.
pub fn delete_instance(deployment: &mut Deployment, record: &InstanceRecord) -> Result<()> {
    let step = deployment.progress.step(format!(
        "Deleting unneeded instances: {}",
        record.long_name()
    ));
    stop_for_good(deployment, record, Intent::DeleteInstance)
        .with_context(|| format!("deleting instance {}", record.long_name()))?;
    if let Some(instance) = deployment.instance(record)? {
        instance.destroy(DiskFate::Delete)?;
    }
    deployment
        .record
        .instances
        .retain(|kept| kept.id != record.id);
    deployment.save()?;
    step.done();
    Ok(())
}

fn stop_for_good(deployment: &Deployment, record: &InstanceRecord, intent: Intent) -> Result<()> {
    let Some(instance) = deployment.instance(record)? else {
        return Ok(());
    };
    if !instance.running()? {
        deployment.progress.say(&format!(
            "{}: L does not run, its scripts are left out",
            record.long_name()
        ));
        return Ok(());
    }
    let machine = deployment.machine(record, instance);
    // An instance without a future has no disk in it (director: `InstanceSpec.create_empty`).
    let drain = Drain::shutdown(&record.applied, 0);
    lifecycle::stop(&machine, &record.job_names(), intent, Some(&drain))
}

/// Stops every instance and removes all that belongs to the deployment.
pub fn delete_deployment(deployment: &mut Deployment, force: bool) -> Result<()> {
    for record in deployment.record.instances.clone() {
        let step = deployment
            .progress
            .step(format!("Deleting instances: {}", record.long_name()));
        let stopped = stop_for_good(deployment, &record, Intent::DeleteDeployment)
            .with_context(|| format!("deleting instance {}", record.long_name()));
        match stopped {
            Err(error) if force => deployment.progress.warn(&format!("{error:#}")),
            other => other.hint("`--force` deletes it all the same")?,
        }
        step.done();
    }
    let step = deployment
        .progress
        .step("Deleting properties, disks and network");
    deployment
        .host
        .delete_deployment(&deployment.name, DiskFate::Delete)
        .context("destroying the deployment's machines")?;
    let left = deployment.host.leftovers(&deployment.name)?;
    if !left.is_empty() {
        return Err(anyhow!(
            "deployment `{}` left something on this machine: {}",
            deployment.name,
            left.join("; ")
        ))
        .hint("run `delete-deployment` again; if it stays, this is a fault of bosh-solo");
    }
    step.done();
    Ok(())
}
