//! What a template sees of its instance (director: `deployment_plan/instance_spec.rb`, `TemplateSpec`).

use crate::dns;
use crate::instance_facts::InstanceFacts;
use crate::plan::{GroupPlan, JobPlan, Plan};
use serde_json::{Map, Value, json};

/// The context of one job's templates on one instance.
pub fn build(
    plan: &Plan,
    group: &GroupPlan,
    job: &JobPlan,
    facts: &InstanceFacts,
    links: &Value,
) -> Value {
    let ip = facts.ip.to_string();
    let deployment = plan.deployment.as_str();
    json!({
        "deployment": deployment,
        "name": group.name,
        "index": facts.index,
        "id": facts.id,
        "bootstrap": facts.index == 0,
        "az": facts.az,
        "address": dns::address_of(plan, facts, plan.dns_addresses),
        "ip": ip,
        "dns_domain_name": "bosh",
        "persistent_disk": group.persistent_disk_mb,
        "properties_need_filtering": true,
        "properties": job.properties,
        "job": {"name": group.name},
        "release": {"name": job.job.release, "version": job.release_version},
        "networks": networks(deployment, group, facts),
        "links": links,
    })
}

fn networks(deployment: &str, group: &GroupPlan, facts: &InstanceFacts) -> Map<String, Value> {
    group
        .networks
        .iter()
        .map(|network| {
            let dns_name = format!(
                "{}.{}.{}.{deployment}.bosh",
                facts.index, group.name, network.name
            );
            let settings = json!({
                "type": "manual",
                "ip": facts.ip.to_string(),
                "netmask": facts.netmask.to_string(),
                "gateway": facts.gateway.to_string(),
                "dns": [],
                "cloud_properties": {},
                "default": network.defaults,
                "dns_record_name": dns_name.replace('_', "-"),
            });
            (network.name.clone(), settings)
        })
        .collect()
}
