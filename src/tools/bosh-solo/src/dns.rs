//! Names of instances and links, which BOSH DNS would serve. Here each instance has them in its `/etc/hosts`, where an
//! agent keeps its deployment's records, too (bosh-agent `platform/linux_platform.go`, `SaveDNSRecords`).

use crate::instance_facts::InstanceFacts;
use crate::plan::{GroupPlan, Plan};
use std::fmt::Write as _;

/// What stands at the end of every name.
const DOMAIN: &str = "bosh";

/// The name that `link.address` renders: all instances of a group (director: `dns/dns_encoder.rb`).
pub fn name_of_group(deployment: &str, group: &GroupPlan) -> String {
    name("q-s0", deployment, group)
}

/// What others call an instance: its name, or its address (director: `use_dns_addresses`).
pub fn address_of(plan: &Plan, instance: &InstanceFacts, by_name: bool) -> String {
    let group = plan.groups.iter().find(|one| one.name == instance.group);
    match group {
        Some(group) if by_name => name(&instance.id, &plan.deployment, group),
        _ => instance.ip.to_string(),
    }
}

/// Lines for `/etc/hosts`: each instance by its ID, and each group with all its instances.
pub fn records(plan: &Plan, instances: &[InstanceFacts]) -> String {
    let mut lines = String::new();
    for instance in instances {
        let Some(group) = plan.groups.iter().find(|one| one.name == instance.group) else {
            continue;
        };
        let own = name(&instance.id, &plan.deployment, group);
        let shared = name_of_group(&plan.deployment, group);
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{} {own} {shared}", instance.ip);
    }
    lines
}

fn name(first: &str, deployment: &str, group: &GroupPlan) -> String {
    // An instance has one address, whatever the number of its networks.
    let network = group.networks.first().map_or("default", |one| &one.name);
    [first, &group.name, network, deployment, DOMAIN]
        .map(canonical)
        .join(".")
}

/// As the director writes names of its own into host names (`canonicalizer.rb`).
fn canonical(text: &str) -> String {
    text.to_ascii_lowercase()
        .replace('_', "-")
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .collect()
}
