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

/// Lines for `/etc/hosts`: each instance by its ID, each group with all its instances, and the aliases of its links.
pub fn records(plan: &Plan, instances: &[InstanceFacts]) -> String {
    let mut lines = String::new();
    for instance in instances {
        let Some(group) = plan.groups.iter().find(|one| one.name == instance.group) else {
            continue;
        };
        let own = name(&instance.id, &plan.deployment, group);
        let shared = name_of_group(&plan.deployment, group);
        // Writing to a string cannot fail.
        let _ = write!(lines, "{} {own} {shared}", instance.ip);
        for alias in aliases(group, &instance.id) {
            let _ = write!(lines, " {alias}");
        }
        lines.push('\n');
    }
    lines
}

/// Names that the manifest gives the links of a group (`provides: {LINK: {aliases: [{domain: …}]}}`); `_` in one is an instance's ID where
/// it says so (director: `links/link_provider.rb`, `dns/dns_encoder.rb`).
fn aliases<'a>(group: &'a GroupPlan, id: &'a str) -> impl Iterator<Item = String> + 'a {
    let links = group.jobs.iter().flat_map(|job| job.provides.values());
    let aliases = links.filter_map(|link| link.get("aliases")?.as_array());
    aliases.flatten().filter_map(move |alias| {
        let domain = alias.get("domain")?.as_str()?;
        let is_of_each = alias
            .get("placeholder_type")
            .is_some_and(|kind| kind == "uuid");
        Some(match domain.strip_prefix("_.") {
            Some(rest) if is_of_each => format!("{id}.{rest}"),
            _ => domain.to_owned(),
        })
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use serde_json::json;
    use std::fs;
    use std::net::Ipv4Addr;

    #[test]
    fn an_instance_has_the_aliases_of_its_links_too() {
        let root = tempfile::tempdir().unwrap();
        let job = root.path().join("jobs/server");
        fs::create_dir_all(&job).unwrap();
        fs::create_dir_all(root.path().join("config")).unwrap();
        fs::write(root.path().join("config/final.yml"), "name: toy").unwrap();
        fs::write(
            job.join("spec"),
            "{name: server, provides: [{name: server, type: http}]}",
        )
        .unwrap();
        fs::write(job.join("monit"), "").unwrap();
        let aliases = json!([
            {"domain": "web.internal"}, {"domain": "_.web.internal", "placeholder_type": "uuid"},
        ]);
        let manifest = json!({
            "name": "dep",
            "releases": [{"name": "toy", "path": "."}],
            "update": {"canaries": 1, "max_in_flight": 1, "canary_watch_time": 1, "update_watch_time": 1},
            "instance_groups": [{"name": "web", "instances": 1, "jobs": [
                {"name": "server", "release": "toy", "provides": {"server": {"aliases": aliases}}},
            ]}],
        });
        let plan = Plan::new(manifest, root.path(), &Progress::silent()).unwrap();
        let instance = InstanceFacts {
            group: "web".into(),
            index: 0,
            id: "id-0".into(),
            az: None,
            ip: Ipv4Addr::new(10, 0, 0, 2),
            gateway: Ipv4Addr::LOCALHOST,
            netmask: Ipv4Addr::BROADCAST,
        };
        assert_eq!(
            records(&plan, &[instance]),
            "10.0.0.2 id-0.web.default.dep.bosh q-s0.web.default.dep.bosh web.internal id-0.web.internal\n"
        );
    }
}
