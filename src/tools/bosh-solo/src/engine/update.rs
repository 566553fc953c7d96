//! The update of one instance (director: `instance_updater/update_procedure.rb`).

use super::Deployment;
use super::changes::{Target, changes};
use super::convergence::{Convergence, make_instance};
use crate::agent::lifecycle::{self, Intent};
use crate::agent::{self, Drain, Machine};
use crate::hint::Hint;
use crate::state::{Applied, Desired, InstanceRecord};
use anyhow::{Context, Result};
use solo_instance::{DiskFate, Instance};
use std::time::Duration;

/// How long processes have between SIGTERM and SIGKILL when a machine is switched off.
const GRACE: Duration = Duration::from_secs(10);

/// Boots every machine that does not run, before any instance is updated.
pub fn create_missing(deployment: &mut Deployment, targets: &[Target]) -> Result<()> {
    for target in targets {
        let record = record_of(deployment, target)?;
        let Some(instance) = deployment.instance(&record)? else {
            continue;
        };
        if instance.running()? || record.desired == Desired::Detached {
            continue;
        }
        // A machine that stopped running without being asked to is started as if it were new.
        deployment.remember(&target.group, target.index, |record| record.dirty = true)?;
        let step = deployment
            .progress
            .step(format!("Creating missing vms: {}", record.long_name()));
        // A disk of another size is changed when the machine runs.
        let size = match record.applied.persistent_disk_mb {
            0 => target.persistent_disk_mb,
            size => size,
        };
        let instance = make_instance(deployment, &record, Some(target.ip), size)?;
        agent::boot(&deployment.machine(&record, instance))?;
        step.done();
    }
    Ok(())
}

/// Tells every machine the names of all, before any instance is updated.
pub fn sync_dns(deployment: &Deployment, targets: &[Target]) -> Result<()> {
    for target in targets {
        let record = record_of(deployment, target)?;
        if let Some(instance) = deployment.instance(&record)?
            && instance.running()?
        {
            agent::sync_dns(&deployment.machine(&record, instance), &target.dns)?;
        }
    }
    Ok(())
}

fn record_of(deployment: &Deployment, target: &Target) -> Result<InstanceRecord> {
    deployment
        .record
        .instances
        .iter()
        .find(|record| record.group == target.group && record.index == target.index)
        .cloned()
        .context("a target without a record")
}

/// Updates an instance if anything about it changed.
pub fn update(
    deployment: &mut Deployment,
    target: &Target,
    convergence: &Convergence,
) -> Result<()> {
    let mut record = record_of(deployment, target)?;
    if record.is_idle_errand() {
        return Ok(());
    }
    let recreate = convergence.recreate.contains(&record.name());
    let instance = deployment
        .instance(&record)?
        .context("an instance without a machine")?;
    let running = instance.running()?;
    let differences = changes(&record, target, instance.address(), running);
    if differences.is_empty() && !recreate {
        deployment
            .progress
            .say(&format!("Instance {}: no changes", record.long_name()));
        return Ok(());
    }
    if record.desired == Desired::Detached && !recreate {
        deployment.progress.say(&format!(
            "Instance {}: stopped hard, stays so",
            record.long_name()
        ));
        return Ok(());
    }
    let what = if recreate {
        "recreate".to_owned()
    } else {
        differences.join(", ")
    };
    let step = deployment.progress.step(format!(
        "Updating instance {}: {} (changes: {what})",
        record.group,
        record.long_name()
    ));
    deployment.remember(&target.group, target.index, |record| record.dirty = true)?;
    let recreate = recreate || differences.contains(&"network");
    let result = update_changed(
        deployment,
        target,
        &mut record,
        instance,
        recreate,
        convergence.skip_drain,
    );
    result
        .with_context(|| format!("updating instance {}", record.long_name()))
        .hint("what was done stays as it is; the next deploy updates the instance again")?;
    deployment.remember(&target.group, target.index, |kept| {
        kept.dirty = false;
        kept.desired = record.desired;
    })?;
    step.done();
    Ok(())
}

fn update_changed(
    deployment: &mut Deployment,
    target: &Target,
    record: &mut InstanceRecord,
    instance: Instance,
    recreate: bool,
    skip_drain: bool,
) -> Result<()> {
    let mut machine = deployment.machine(record, instance);
    let disk_changes = record.applied.persistent_disk_mb != target.persistent_disk_mb;
    if machine.instance.running()? {
        if !recreate {
            agent::prepare(&machine, &target.jobs, &target.packages)?;
        }
        if record.desired != Desired::Stopped && !is_bare(record, &machine)? {
            let drain = if recreate || disk_changes {
                Drain::shutdown(&record.applied, target.persistent_disk_mb)
            } else {
                Drain::update(&record.applied, &target.applied())
            };
            let intent = if recreate {
                Intent::DeleteVm
            } else {
                Intent::KeepVm
            };
            lifecycle::stop(
                &machine,
                &record.job_names(),
                intent,
                (!skip_drain).then_some(&drain),
            )?;
        }
    }
    if recreate {
        machine = recreate_machine(deployment, target, record, machine)?;
        if record.desired == Desired::Detached {
            record.desired = Desired::Started;
        }
    }
    if disk_changes {
        machine = change_disk(deployment, target, record, machine)?;
    }
    if target.persistent_disk_mb > 0 && !machine.instance.disk_attached()? {
        machine
            .instance
            .attach_disk()
            .context("attaching the persistent disk")?;
    }
    deployment.remember(&target.group, target.index, |kept| {
        // From here on the machine has neither the old state nor yet the new one.
        kept.applied = Applied {
            persistent_disk_mb: target.persistent_disk_mb,
            ..Applied::default()
        };
    })?;
    agent::prepare(&machine, &target.jobs, &target.packages)?;
    agent::apply(&machine, &target.jobs, &target.packages)?;
    let az = record.az.clone().unwrap_or_default();
    let data = [
        ("id", &record.id),
        ("az", &az),
        ("name", &record.group),
        ("deployment", &deployment.name),
    ];
    agent::sync_dns(&machine, &target.dns)?;
    agent::write_instance_data(&machine, data.map(|(name, text)| (name, text.as_str())))?;
    let applied = target.applied();
    record.applied = applied.clone();
    deployment.remember(&target.group, target.index, |kept| kept.applied = applied)?;
    if record.desired == Desired::Stopped {
        return Ok(());
    }
    lifecycle::start(&machine, &record.job_names(), target.watch)
}

/// Whether nothing was ever applied, so that there is nothing to stop.
fn is_bare(record: &InstanceRecord, machine: &Machine) -> Result<bool> {
    Ok(record.applied == Applied::default() && !agent::has_services(machine)?)
}

/// Deletes the machine, keeps its disk, and boots a new one.
fn recreate_machine<'a>(
    deployment: &Deployment<'a>,
    target: &Target,
    record: &InstanceRecord,
    old: Machine<'a>,
) -> Result<Machine<'a>> {
    deployment
        .progress
        .say(&format!("{}: L recreating the machine", old.name));
    detach_and_destroy(old.instance)?;
    // A disk of another size is changed on the new machine.
    let size = record.applied.persistent_disk_mb;
    let instance = make_instance(deployment, record, Some(target.ip), size)?;
    let machine = deployment.machine(record, instance);
    agent::boot(&machine)?;
    Ok(machine)
}

/// Deletes the machine and keeps its disk, which must unmount first (director: `unmount_instance_disks_step.rb`).
pub fn detach_and_destroy(instance: Instance) -> Result<()> {
    if instance.running()? {
        instance
            .detach_disk()
            .context("unmounting the persistent disk")?;
    }
    instance.shutdown(GRACE)?;
    Ok(instance.destroy(DiskFate::Keep)?)
}

/// Gives the machine a disk of another size with the data of the old one, no disk, or a first one.
fn change_disk<'a>(
    deployment: &Deployment<'a>,
    target: &Target,
    record: &InstanceRecord,
    machine: Machine<'a>,
) -> Result<Machine<'a>> {
    let (from, to) = (record.applied.persistent_disk_mb, target.persistent_disk_mb);
    deployment.progress.say(&format!(
        "{}: L changing the persistent disk from {from} to {to} MB",
        machine.name
    ));
    if from > 0 && to > 0 {
        let instance = machine.instance;
        instance.attach_disk()?;
        let instance = instance
            .migrate_disk(to)
            .context("copying what is on the disk to a new one")
            .hint("the disk is as it was; end what uses it, or choose a size that holds what is on it")?;
        return Ok(deployment.machine(record, instance));
    }
    machine
        .instance
        .detach_disk()
        .context("detaching the persistent disk")?;
    let instance = make_instance(deployment, record, Some(target.ip), to)?;
    Ok(deployment.machine(record, instance))
}
