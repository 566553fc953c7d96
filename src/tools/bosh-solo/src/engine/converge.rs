//! `deploy`: everything that a manifest asks for, in the director's order.

use super::Deployment;
use super::changes::Target;
use super::convergence::{Convergence, make_instance};
use super::delete::delete_instance;
use super::update;
use crate::compile::{CompiledPackage, Compiler};
use crate::dns;
use crate::instance_facts::InstanceFacts;
use crate::plan::{GroupPlan, Plan};
use crate::render;
use crate::state::{self, Applied, Desired, InstanceRecord};
use anyhow::{Context, Result};
use bosh_template::Renderer;
use solo_instance::{DiskFate, Network, NetworkSpec, Subnet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Brings the deployment to what the plan says.
pub fn converge(deployment: &mut Deployment, plan: &Plan, convergence: &Convergence) -> Result<()> {
    let Some(targets) = targets(deployment, plan, convergence)? else {
        deployment.progress.say("Dry run: nothing was changed");
        return forget_unbooted(deployment);
    };
    delete_unneeded(deployment, &targets)?;
    update::create_missing(deployment, &targets)?;
    update::sync_dns(deployment, &targets)?;
    for target in &targets {
        update::update(deployment, target, convergence)?;
    }
    deployment.post_deploy()
}

/// What each instance shall be: rendered and compiled. None for a dry run, which only renders.
pub fn targets(
    deployment: &mut Deployment,
    plan: &Plan,
    convergence: &Convergence,
) -> Result<Option<Vec<Target>>> {
    let progress = deployment.progress;
    deployment.record.nat = convergence.nat;
    let spec = NetworkSpec {
        subnet: subnet_of(plan),
        nat: convergence.nat,
    };
    let network = deployment
        .host
        .network(&deployment.name, &spec)
        .context("making the deployment's network")?;
    bind_instances(deployment, plan)?;
    let facts = gather_facts(deployment, plan, &network)?;

    let step = progress.step("Preparing deployment: rendering templates");
    let erb = Renderer::new()?;
    let mut rendered = Vec::new();
    for fact in &facts {
        let group = group_of(plan, fact)?;
        rendered.push(render::instance(&erb, plan, group, fact, &facts)?);
    }
    step.done();
    if convergence.dry_run {
        return Ok(None);
    }

    let cache = Compiler::new(deployment.host, &deployment.state_directory, progress);
    let compiled = cache.compile_all(&plan.packages)?;
    let dns: Arc<str> = dns::records(plan, &facts).into();
    let targets = facts
        .iter()
        .zip(rendered)
        .map(|(fact, jobs)| {
            let group = group_of(plan, fact)?;
            Ok(Target {
                group: fact.group.clone(),
                index: fact.index,
                ip: fact.ip,
                jobs,
                packages: packages_of(group, plan, &compiled),
                persistent_disk_mb: group.persistent_disk_mb,
                watch: group.update.watch_time(fact.index),
                dns: Arc::clone(&dns),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Some(targets))
}

/// Takes back what was made to know the addresses of instances that there are not yet.
fn forget_unbooted(deployment: &mut Deployment) -> Result<()> {
    let new = |record: &InstanceRecord| record.dirty && record.applied == Applied::default();
    let records = deployment.record.instances.clone();
    for record in records.iter().filter(|record| new(record)) {
        if let Some(instance) = deployment.instance(record)?
            && !instance.running()?
        {
            instance.destroy(DiskFate::Keep)?;
            deployment
                .record
                .instances
                .retain(|kept| kept.id != record.id);
        }
    }
    if deployment.record.instances.is_empty() {
        deployment
            .host
            .delete_deployment(&deployment.name, DiskFate::Delete)?;
        return Ok(());
    }
    deployment.save()
}

/// Static addresses decide the subnet: the /24 around the first.
fn subnet_of(plan: &Plan) -> Option<Subnet> {
    let mut addresses = plan
        .groups
        .iter()
        .flat_map(|group| &group.networks)
        .flat_map(|network| &network.static_ips);
    addresses
        .next()
        .map(|address| Subnet::containing(*address, 24))
}

fn static_ip(group: &GroupPlan, index: usize) -> Option<Ipv4Addr> {
    group
        .networks
        .iter()
        .find_map(|network| network.static_ips.get(index))
        .copied()
}

/// Gives new instances their identity and every instance its zone.
fn bind_instances(deployment: &mut Deployment, plan: &Plan) -> Result<()> {
    for group in &plan.groups {
        for index in 0..group.instances {
            let az = group.azs.get(index % group.azs.len().max(1)).cloned();
            let watch = group.update.watch_time(index);
            if let Some(record) = deployment.record.instance_mut(&group.name, index) {
                record.az = az;
                record.watch = watch;
                become_service_or_errand(record, group.errand);
                continue;
            }
            deployment.record.instances.push(InstanceRecord {
                group: group.name.clone(),
                index,
                id: state::new_uuid()?,
                az,
                desired: if group.errand {
                    Desired::Detached
                } else {
                    Desired::Started
                },
                dirty: true,
                applied: Applied::default(),
                watch,
                errand: group.errand,
            });
        }
    }
    deployment.save()
}

/// An errand that becomes a service gets its machine now; a service that becomes an errand keeps the one that it has.
fn become_service_or_errand(record: &mut InstanceRecord, errand: bool) {
    if record.is_idle_errand() && !errand {
        record.desired = Desired::Started;
        record.dirty = true;
    }
    record.errand = errand;
}

/// Addresses: the manifest's, else the one that the instance has, else a free one.
fn gather_facts(
    deployment: &Deployment,
    plan: &Plan,
    network: &Network,
) -> Result<Vec<InstanceFacts>> {
    let mut facts = Vec::new();
    for group in &plan.groups {
        for index in 0..group.instances {
            let record = deployment
                .record
                .instances
                .iter()
                .find(|record| record.group == group.name && record.index == index)
                .context("an instance that was not bound")?;
            let wanted = static_ip(group, index);
            let instance = match deployment.instance(record)? {
                Some(instance) => instance,
                None => make_instance(deployment, record, wanted, group.persistent_disk_mb)?,
            };
            facts.push(InstanceFacts {
                group: group.name.clone(),
                index,
                id: record.id.clone(),
                az: record.az.clone(),
                ip: wanted.unwrap_or_else(|| instance.address()),
                gateway: network.gateway(),
                netmask: network.subnet().netmask(),
            });
        }
    }
    Ok(facts)
}

fn group_of<'a>(plan: &'a Plan, fact: &InstanceFacts) -> Result<&'a GroupPlan> {
    plan.groups
        .iter()
        .find(|group| group.name == fact.group)
        .context("an instance without a group")
}

fn packages_of(
    group: &GroupPlan,
    plan: &Plan,
    compiled: &[CompiledPackage],
) -> Vec<CompiledPackage> {
    plan.packages
        .iter()
        .zip(compiled)
        .filter(|(package, _)| group.packages.get(&package.name) == Some(&package.release))
        .map(|(_, compiled)| compiled.clone())
        .collect()
}

fn delete_unneeded(deployment: &mut Deployment, targets: &[Target]) -> Result<()> {
    let needed = |record: &InstanceRecord| {
        targets
            .iter()
            .any(|target| target.group == record.group && target.index == record.index)
    };
    let unneeded: Vec<InstanceRecord> = deployment
        .record
        .instances
        .iter()
        .filter(|record| !needed(record))
        .cloned()
        .collect();
    for record in unneeded {
        delete_instance(deployment, &record)?;
    }
    Ok(())
}
