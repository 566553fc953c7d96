//! Links between jobs of one deployment: who consumes finds who provides, by type and name
//! (director: `links/links_manager.rb`).

use crate::dns;
use crate::instance_facts::InstanceFacts;
use crate::plan::{GroupPlan, JobPlan, Plan, properties};
use crate::release::LinkDefinition;
use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value, json};

struct Provider<'a> {
    name: String,
    definition: &'a LinkDefinition,
    group: &'a GroupPlan,
    job: &'a JobPlan,
}

/// The `links` of one job's template context.
pub fn resolve(
    plan: &Plan,
    group: &GroupPlan,
    job: &JobPlan,
    instances: &[InstanceFacts],
) -> Result<Value> {
    let mut links = Map::new();
    for wanted in &job.job.consumes {
        let own_word = job.consumes.get(&wanted.name);
        if own_word.is_some_and(|word| word.is_null() || word == "nil") {
            continue;
        }
        let from = own_word
            .and_then(|word| word.get("from"))
            .and_then(Value::as_str);
        if own_word.is_some_and(|word| word.get("deployment").is_some()) {
            bail!(
                "link `{}`: links across deployments are not supported by bosh-solo",
                wanted.name
            );
        }
        // The consumer's word counts more than the deployment's (director: `links/link_consumers_parser.rb`, `ip_addresses`).
        let by_name = own_word
            .and_then(|word| word.get("ip_addresses"))
            .and_then(Value::as_bool)
            .map_or(plan.dns_addresses, |by_address| !by_address);
        let mut providers = find(plan, &wanted.kind, from);
        let place = format!(
            "link `{}` (type `{}`) of job `{}` in instance group `{}`",
            wanted.name, wanted.kind, job.job.name, group.name
        );
        match (providers.pop(), providers.is_empty()) {
            (Some(provider), true) => {
                links.insert(
                    wanted.name.clone(),
                    content(plan, &provider, instances, by_name)?,
                );
            }
            (Some(_), false) => bail!(
                "{place}: more than one job provides it; say which with `consumes: {{{}: {{from: …}}}}`",
                wanted.name
            ),
            (None, _) if wanted.optional && from.is_none() => {}
            (None, _) => {
                return Err(match from {
                    Some(from) => anyhow!("{place}: nobody provides a link called `{from}`"),
                    None => anyhow!("{place}: nobody provides it"),
                });
            }
        }
    }
    Ok(Value::Object(links))
}

fn find<'a>(plan: &'a Plan, kind: &str, from: Option<&str>) -> Vec<Provider<'a>> {
    let mut providers = Vec::new();
    for group in &plan.groups {
        for job in &group.jobs {
            for definition in job.job.provides.iter().filter(|link| link.kind == kind) {
                let own_word = job.provides.get(&definition.name);
                if own_word.is_some_and(|word| word.is_null() || word == "nil") {
                    continue;
                }
                let alias = own_word
                    .and_then(|word| word.get("as"))
                    .and_then(Value::as_str);
                let name = alias.unwrap_or(&definition.name).to_owned();
                if from.is_none_or(|from| from == name) {
                    providers.push(Provider {
                        name,
                        definition,
                        group,
                        job,
                    });
                }
            }
        }
    }
    providers
}

fn content(
    plan: &Plan,
    provider: &Provider,
    instances: &[InstanceFacts],
    by_name: bool,
) -> Result<Value> {
    let mut exported = Map::new();
    for name in &provider.definition.properties {
        if !provider.job.job.properties.contains_key(name) {
            bail!(
                "job `{}` provides property `{name}` in link `{}`, but its spec declares no such property",
                provider.job.job.name,
                provider.name
            );
        }
        let pointer = format!("/{}", name.replace('.', "/"));
        let value = provider
            .job
            .properties
            .pointer(&pointer)
            .cloned()
            .unwrap_or_default();
        properties::set(&mut exported, name, value)?;
    }
    let members: Vec<&InstanceFacts> = instances
        .iter()
        .filter(|instance| instance.group == provider.group.name)
        .collect();
    let networks: Vec<&str> = provider
        .group
        .networks
        .iter()
        .map(|network| network.name.as_str())
        .collect();
    Ok(json!({
        "deployment_name": plan.deployment,
        "instance_group": provider.group.name,
        "group_name": provider.name,
        "domain": "bosh",
        "default_network": networks.first(),
        "networks": networks,
        "use_short_dns_addresses": false,
        "use_link_dns_names": false,
        "address": dns::name_of_group(&plan.deployment, provider.group),
        "properties": exported,
        "instances": members.iter().map(|member| json!({
            "name": member.group,
            "id": member.id,
            "index": member.index,
            "bootstrap": member.index == 0,
            "az": member.az,
            "address": dns::address_of(plan, member, by_name),
        })).collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use std::fs;
    use std::net::Ipv4Addr;
    use std::path::Path;

    fn release(root: &Path) {
        let write = |path: &str, content: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("config/final.yml", "name: toy");
        write(
            "jobs/server/spec",
            "{name: server, properties: {port: {default: 80}, a.b: {default: x}, hidden: {default: y}}, \
             provides: [{name: server, type: http, properties: [port, a.b]}]}",
        );
        write("jobs/server/monit", "");
        write(
            "jobs/client/spec",
            "{name: client, consumes: [{name: upstream, type: http}, {name: store, type: store, optional: true}]}",
        );
        write("jobs/client/monit", "");
        write(
            "jobs/store/spec",
            "{name: store, properties: {hosts: {default: [{host: a}]}, tls.ca: {}}, \
             provides: [{name: store, type: store, properties: [hosts, tls.ca]}]}",
        );
        write("jobs/store/monit", "");
    }

    /// Resolves the client's links in a manifest whose groups are changed by `change`.
    fn resolved(change: impl FnOnce(&mut Value)) -> Result<Value> {
        let root = tempfile::tempdir().unwrap();
        release(root.path());
        let mut manifest = json!({
            "name": "dep",
            "releases": [{"name": "toy", "path": "."}],
            "update": {"canaries": 1, "max_in_flight": 1, "canary_watch_time": 1, "update_watch_time": 1},
            "instance_groups": [
                {"name": "web", "instances": 2, "jobs": [{"name": "server", "release": "toy"}]},
                {"name": "user", "instances": 1, "jobs": [{"name": "client", "release": "toy"}]},
            ]
        });
        change(&mut manifest["instance_groups"]);
        let plan = Plan::new(manifest, root.path(), &Progress::silent())?;
        let facts: Vec<InstanceFacts> = (0..2)
            .map(|index| InstanceFacts {
                group: "web".into(),
                index,
                id: format!("id-{index}"),
                az: Some("z1".into()),
                ip: Ipv4Addr::new(10, 0, 0, u8::try_from(index).unwrap() + 2),
                gateway: Ipv4Addr::LOCALHOST,
                netmask: Ipv4Addr::BROADCAST,
            })
            .collect();
        let group = plan
            .groups
            .iter()
            .find(|group| group.name == "user")
            .unwrap();
        resolve(&plan, group, &group.jobs[0], &facts)
    }

    #[test]
    fn a_consumer_finds_the_only_provider_of_the_type() {
        let links = resolved(|_| ()).unwrap();
        let link = &links["upstream"];
        assert_eq!(link["instance_group"], "web");
        assert_eq!(link["properties"], json!({"port": 80, "a": {"b": "x"}}));
        assert_eq!(link["instances"][1]["address"], "10.0.0.3");
        assert_eq!(link["instances"][0]["bootstrap"], true);
        assert_eq!(link["address"], "q-s0.web.default.dep.bosh");
    }

    #[test]
    fn two_providers_need_a_name_and_none_needs_one_at_all() {
        let twice = |groups: &mut Value| {
            let mut other = groups[0].clone();
            other["name"] = json!("api");
            other["jobs"][0]["provides"] = json!({"server": {"as": "api"}});
            groups.as_array_mut().unwrap().push(other);
        };
        let error = resolved(twice).unwrap_err().to_string();
        assert!(error.contains("more than one job provides it"), "{error}");
        let links = resolved(|groups| {
            twice(groups);
            groups[1]["jobs"][0]["consumes"] = json!({"upstream": {"from": "api"}});
        })
        .unwrap();
        assert_eq!(links["upstream"]["instance_group"], "api");
        let error = resolved(|groups| groups[0]["jobs"] = json!([]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("nobody provides it"), "{error}");
    }

    #[test]
    fn an_optional_link_is_there_with_its_provider_alone_and_hands_over_lists_and_what_is_unset() {
        assert!(resolved(|_| ()).unwrap().get("store").is_none());
        let links = resolved(|groups| {
            let store = json!({"name": "store", "release": "toy"});
            groups[0]["jobs"].as_array_mut().unwrap().push(store);
        })
        .unwrap();
        let wanted = json!({"hosts": [{"host": "a"}], "tls": {"ca": null}});
        assert_eq!(links["store"]["properties"], wanted);
    }

    #[test]
    fn instances_are_known_by_name_where_that_is_asked_for() {
        let address = |word: Value| {
            let links = resolved(|groups| groups[1]["jobs"][0]["consumes"] = word).unwrap();
            links["upstream"]["instances"][1]["address"].clone()
        };
        assert_eq!(address(json!({})), "10.0.0.3");
        assert_eq!(
            address(json!({"upstream": {"ip_addresses": false}})),
            "id-1.web.default.dep.bosh"
        );
    }

    #[test]
    fn nil_in_the_manifest_switches_a_link_off() {
        let links =
            resolved(|groups| groups[1]["jobs"][0]["consumes"] = json!({"upstream": "nil"}))
                .unwrap();
        assert_eq!(links, json!({}));
    }
}
