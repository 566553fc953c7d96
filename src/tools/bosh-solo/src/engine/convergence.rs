//! How a deployment is brought to its plan, and the making of one instance.

use super::Deployment;
use crate::state::InstanceRecord;
use anyhow::{Context, Result};
use solo_instance::{Instance, InstanceSpec};
use std::net::Ipv4Addr;

/// How to converge.
#[derive(Debug, Clone, Default)]
pub struct Convergence {
    /// Instances (`group/index`) that are recreated even if nothing changed.
    pub recreate: Vec<String>,
    /// Whether pre-stop and drain are left out.
    pub skip_drain: bool,
    /// Whether nothing is to be changed.
    pub dry_run: bool,
    /// Whether the instances get a way out.
    pub nat: bool,
}

/// Makes a machine, or gives the one that is there a new address or disk size; boots nothing.
pub fn make_instance(
    deployment: &Deployment,
    record: &InstanceRecord,
    ip: Option<Ipv4Addr>,
    persistent_disk_mb: u64,
) -> Result<Instance> {
    let spec = InstanceSpec {
        deployment: deployment.name.clone(),
        group: record.group.clone(),
        index: u32::try_from(record.index).context("an instance's index")?,
        id: record.id.clone(),
        ip,
        persistent_disk_mb: (persistent_disk_mb > 0).then_some(persistent_disk_mb),
        hostname: None,
        iptables: None,
    };
    deployment
        .host
        .create(spec)
        .with_context(|| format!("creating the machine of {}", record.name()))
}
