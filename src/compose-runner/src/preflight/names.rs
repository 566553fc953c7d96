//! Names of containers: an engine has each once.

use std::collections::{BTreeMap, BTreeSet};

use bosh_job::ErrorReport;
use docker_engine::ContainerSummary;

use crate::{
    compose::{ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL},
    failure::error,
    model::Model,
};

/// What is wrong with them. `all` are all containers, running or not; `project` is the recipe's, `earlier` the one that it
/// had before, whose containers go first.
pub fn check(
    model: &Model,
    all: &[ContainerSummary],
    project: &str,
    earlier: Option<&str>,
) -> Vec<ErrorReport> {
    let mut errors = Vec::new();
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    let services = model.services.iter();
    for (service, wanted) in services.filter(|(_, service)| service.replicas > 0) {
        let report = |what: String, hint: String| {
            let mut found = error(what);
            found.service = Some(service.clone());
            found.property = Some("recipe".to_owned());
            found.hint = Some(hint);
            found
        };
        let wished = match &wanted.container_name {
            Some(name) => {
                let hint = "give each its own `container_name`, or leave it out";
                if let Some(other) = named.insert(name, service) {
                    let what = format!(
                        "services {other} and {service} both have `container_name: {name}`"
                    );
                    errors.push(report(what, hint.to_owned()));
                }
                if wanted.replicas > 1 {
                    let what = format!(
                        "service {service} has {} containers, which cannot all be named {name} (`container_name`)",
                        wanted.replicas
                    );
                    errors.push(report(what, hint.to_owned()));
                }
                vec![name.clone()]
            }
            // Compose's own, `api.Separator`
            None => (1..=wanted.replicas.min(all.len() + 1))
                .map(|number| format!("{project}-{service}-{number}"))
                .collect(),
        };
        for name in wished {
            let has_it = |container: &&ContainerSummary| {
                let mut held = container.names.iter();
                held.any(|held| held.trim_start_matches('/') == name)
            };
            let Some(holder) = all.iter().find(has_it) else {
                continue;
            };
            match owner(model, holder, project, earlier, service) {
                Owner::MakesRoom => {}
                Owner::Service(other) => errors.push(report(
                    format!(
                        "service {service} wants the container name {name}, which the container of service {other} has until it is replaced"
                    ),
                    format!("let {service} start after it (`depends_on: [{other}]`), or choose another name"),
                )),
                Owner::Other => errors.push(report(
                    format!("service {service} wants the container name {name}, which a container that is not of the recipe has"),
                    format!("remove or rename that container (`docker rm {name}`, `docker rename {name} …`), or choose another `container_name`"),
                )),
            }
        }
    }
    errors
}

/// Whose container has a name that a service wants.
enum Owner<'a> {
    /// It is the service's own, or it is gone when the service's comes.
    MakesRoom,
    /// Another service's, which Compose replaces at the same time.
    Service(&'a str),
    /// None of the recipe's.
    Other,
}

fn owner<'a>(
    model: &Model,
    holder: &'a ContainerSummary,
    project: &str,
    earlier: Option<&str>,
    service: &str,
) -> Owner<'a> {
    let label = |name: &str| holder.labels.get(name).map(String::as_str);
    let of = label(PROJECT_LABEL);
    let is_one_off = label(ONE_OFF_LABEL).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if of.is_none() || is_one_off || (of != Some(project) && of != earlier) {
        return Owner::Other;
    }
    let other = label(SERVICE_LABEL).unwrap_or_default();
    let goes_first = of != Some(project)
        || other == service
        || !model.services.contains_key(other)
        || starts_after(model, service, other);
    if goes_first {
        Owner::MakesRoom
    } else {
        Owner::Service(other)
    }
}

/// Whether a service depends on another, by however many steps.
fn starts_after(model: &Model, service: &str, other: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![service];
    while let Some(name) = next.pop() {
        let Some(service) = model.services.get(name).filter(|_| seen.insert(name)) else {
            continue;
        };
        if service.depends_on.contains(other) {
            return true;
        }
        next.extend(service.depends_on.iter().map(String::as_str));
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn words(services: &Value, containers: &Value) -> Vec<String> {
        let output = json!({ "services": services }).to_string();
        let model = Model::parse(output.as_bytes()).unwrap();
        let all: Vec<ContainerSummary> = serde_json::from_value(containers.clone()).unwrap();
        let found = check(&model, &all, "running", Some("before"));
        found.into_iter().map(|error| error.what).collect()
    }

    fn container(name: &str, project: &str, service: &str) -> Value {
        json!({"Id": name, "Names": [format!("/{name}")], "State": "exited",
            "Labels": {PROJECT_LABEL: project, SERVICE_LABEL: service}})
    }

    #[test]
    fn two_services_or_containers_cannot_have_one_name() {
        let named = |more: Value| {
            let mut service = json!({"image": "x", "container_name": "app"});
            service
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            service
        };
        let both = json!({"a": named(json!({})), "b": named(json!({}))});
        assert_eq!(
            words(&both, &json!([])),
            ["services a and b both have `container_name: app`"]
        );
        let off = json!({"a": named(json!({})), "b": named(json!({"scale": 0}))});
        assert!(words(&off, &json!([])).is_empty());
        let scaled = json!({"a": named(json!({"deploy": {"replicas": 2}}))});
        assert_eq!(words(&scaled, &json!([])).len(), 1);
    }

    #[test]
    fn only_what_is_not_the_service_s_own_and_stays_is_in_the_way() {
        let a = json!({"container_name": "app"});
        for (services, holder, expected) in [
            (
                json!({"a": a}),
                json!({"Id": "1", "Names": ["/app"]}),
                "not of the recipe",
            ),
            (
                json!({"a": a}),
                container("app", "theirs", "a"),
                "not of the recipe",
            ),
            (json!({"a": a}), container("app", "running", "a"), ""),
            (json!({"a": a}), container("app", "running", "gone"), ""),
            (json!({"a": a}), container("app", "before", "b"), ""),
            (
                json!({"a": a, "b": {}}),
                container("app", "running", "b"),
                "of service b has",
            ),
            (
                json!({"a": {"container_name": "app", "depends_on": {"c": {}}}, "b": {}, "c": {"depends_on": {"b": {}}}}),
                container("app", "running", "b"),
                "",
            ),
            (
                json!({"a": {"scale": 2}}),
                container("running-a-2", "theirs", "a"),
                "not of the recipe",
            ),
            (
                json!({"a": {}}),
                container("running-a-2", "theirs", "a"),
                "",
            ),
            (
                json!({"a": a}),
                json!({"Id": "1", "Names": ["/other/app"]}),
                "",
            ),
        ] {
            let found = words(&services, &json!([holder]));
            assert_eq!(
                found.is_empty(),
                expected.is_empty(),
                "{services}: {found:?}"
            );
            assert!(
                found.iter().all(|what| what.contains(expected)),
                "{found:?}"
            );
        }
    }
}
