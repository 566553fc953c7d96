//! Property `daemon`: settings of dockerd that have no property of their own.

use serde_json::{Map, Value};

use super::engine_options::OPTIONS;
use super::values::kind;
use bosh_job::{Problem, Problems};

/// Keys that a property owns, beside those of [`OPTIONS`].
const OF_PROPERTIES: [(&str, &str); 32] = [
    ("bip", "bip"),
    ("debug", "log_level"),
    ("default-address-pools", "default_address_pools"),
    ("dns", "dns_servers"),
    ("dns-opts", "dns_options"),
    ("dns-search", "dns_search"),
    ("hosts", "bind"),
    ("http-proxy", "env.http_proxy"),
    ("https-proxy", "env.https_proxy"),
    ("insecure-registries", "insecure-registries"),
    ("log-driver", "log_driver"),
    ("log-level", "log_level"),
    ("log-opts", "log_options"),
    ("mtu", "mtu"),
    ("no-proxy", "env.no_proxy"),
    ("proxies", "env.http_proxy"),
    ("registry-mirrors", "registry_mirrors"),
    ("tls", "bind"),
    ("tlscacert", "tls_cacert"),
    ("tlscert", "tls_cert"),
    ("tlskey", "tls_key"),
    ("tlsverify", "bind"),
    // flags' names for what the table has under the file's: dockerd passes over them in silence
    ("default-address-pool", "default_address_pools"),
    ("default-ulimit", "default_ulimits"),
    ("dns-opt", "dns_options"),
    ("exec-opt", "exec_options"),
    ("host", "bind"),
    ("insecure-registry", "insecure-registries"),
    ("label", "labels"),
    ("log-opt", "log_options"),
    ("registry-mirror", "registry_mirrors"),
    ("storage-opt", "storage_options"),
];

/// Keys that nobody may change, and why.
const OF_THE_JOB: [(&str, &str); 9] = [
    ("containerd", "dockerd runs a containerd of its own"),
    ("data-root", "the data lies on the persistent disk"),
    ("exec-root", "start and stop must find it"),
    ("graph", "the data lies on the persistent disk"),
    (
        "group",
        "the socket is the group vcap's, as it is on BOSH VMs",
    ),
    ("live-restore", "an update leaves containers running by it"),
    ("pidfile", "monit must find it"),
    ("rootless", "the job runs dockerd as root"),
    (
        "shutdown-timeout",
        "it must fit into BOSH's time for a stop",
    ),
];

/// The settings, none of which a property or the job owns. dockerd itself says which it does not know.
pub(super) fn parse(value: &Value) -> Result<Map<String, Value>, Problems> {
    let settings = match value {
        Value::Null => return Ok(Map::new()),
        Value::Object(settings) => settings,
        other => {
            let what = format!(
                "must be a map of dockerd's settings, and is {}",
                kind(other)
            );
            return Err(Problem::new("daemon", what).into());
        }
    };
    let mut problems = Problems::default();
    for (key, value) in settings {
        if let Some(problem) = owned(key, value) {
            problems.push(problem);
        }
    }
    problems.into_result(Some(settings.clone()))
}

fn owned(key: &str, value: &Value) -> Option<Problem> {
    let place = format!("daemon.{key}");
    let of_property = |place: String, property: &str| {
        Problem::new(place, format!("belongs to the property `{property}`"))
            .hint(format!("set `{property}` instead"))
    };
    if let Some((_, why)) = OF_THE_JOB.iter().find(|(name, _)| *name == key) {
        let what = format!("is the job's own, and cannot be changed: {why}");
        return Some(Problem::new(place, what).hint("take it out of `daemon`"));
    }
    if let Some((_, property)) = OF_PROPERTIES.iter().find(|(name, _)| *name == key) {
        return Some(of_property(place, property));
    }
    if let Some((property, ..)) = OPTIONS.iter().find(|(_, name, _)| *name == key) {
        return Some(of_property(place, property));
    }
    if key == "features" && !value.is_object() {
        return Some(Problem::new(
            place,
            format!("must be a map, and is {}", kind(value)),
        ));
    }
    if key == "features" && value.get("containerd-snapshotter").is_some() {
        let place = "daemon.features.containerd-snapshotter".to_owned();
        return Some(of_property(place, "image_store"));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_what_nobody_owns() {
        let settings = json!({"max-concurrent-downloads": 5, "features": {"buildkit": true}});
        assert_eq!(Value::Object(parse(&settings).unwrap()), settings);
        assert!(parse(&Value::Null).unwrap().is_empty());
    }

    #[test]
    fn refuses_every_owned_key_with_the_property_to_use() {
        let properties = OF_PROPERTIES.iter().copied();
        for (key, property) in properties.chain(OPTIONS.map(|(property, key, _)| (key, property))) {
            let problems = parse(&json!({ key: "hunter2" })).unwrap_err();
            let problem = problems.iter().next().unwrap();
            assert_eq!(problem.property, format!("daemon.{key}"));
            assert!(
                problem.to_string().contains(&format!("`{property}`")),
                "{problem}"
            );
            assert!(!problem.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn refuses_what_is_the_jobs_own_and_the_image_store() {
        for (key, why) in OF_THE_JOB {
            let problems = parse(&json!({ key: 1 })).unwrap_err();
            assert!(problems.to_string().contains(why), "{problems}");
        }
        let store = json!({"features": {"containerd-snapshotter": true}});
        assert!(
            parse(&store)
                .unwrap_err()
                .to_string()
                .contains("`image_store`")
        );
        let features = parse(&json!({"features": "hunter2"})).unwrap_err();
        assert!(!features.to_string().contains("hunter2"));
        assert_eq!(parse(&json!([])).unwrap_err().iter().count(), 1);
    }
}
