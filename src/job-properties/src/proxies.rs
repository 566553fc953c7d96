//! Properties `env.http_proxy`, `env.https_proxy`, `env.no_proxy` and `container_proxies`.

use serde_json::Value;

use super::properties::Properties;
use super::url;
use super::values::{boolean, is_unset, kind};
use bosh_job::{Problem, Problems, Secret};

const SCHEMES: [&str; 3] = ["http", "https", "socks5"];
/// Who is never asked for through a proxy, besides the instance's own address: BOSH's names are of the VM's network.
const ALWAYS_DIRECT: [&str; 4] = ["localhost", "127.0.0.1", "::1", ".bosh"];

/// Through whom dockerd, and containers if they are to, reach the internet. The URLs may hold passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http:` URLs.
    pub http: Option<Secret>,
    /// For `https:` URLs.
    pub https: Option<Secret>,
    /// Hosts that are reached without a proxy, with commas between; empty without a proxy.
    pub direct: String,
    /// Whether containers get them in their environment.
    pub for_containers: bool,
}

/// `known` are hosts that are never asked for through a proxy either: the instance's own address, and the site's own registry.
pub(super) fn parse<'a>(
    properties: &Properties,
    known: impl IntoIterator<Item = &'a str>,
) -> Result<Proxies, Problems> {
    let mut problems = Problems::default();
    let mut proxy = |property: &str, value: &Value| {
        if is_unset(value) {
            return Some(None);
        }
        let url = problems.note(url::parse(property, value, &SCHEMES))?;
        Some(Some(Secret::new(url.text)))
    };
    let http = proxy("env.http_proxy", &properties.env.http);
    let https = proxy("env.https_proxy", &properties.env.https);
    let direct = problems.note(no_proxy(&properties.env.no_proxy));
    let for_containers = problems.note(boolean("container_proxies", &properties.container_proxies));
    let found = (|| {
        let (http, https, direct, for_containers) = (http?, https?, direct?, for_containers?);
        let is_set = http.is_some() || https.is_some();
        if for_containers && !is_set {
            let what = "is true, while neither `env.http_proxy` nor `env.https_proxy` is set";
            problems.push(Problem::new("container_proxies", what));
        }
        Some(Proxies {
            http,
            https,
            direct: if is_set {
                all_direct(&direct, known)
            } else {
                String::new()
            },
            for_containers,
        })
    })();
    problems.into_result(found)
}

fn no_proxy(value: &Value) -> Result<Vec<&str>, Problem> {
    if is_unset(value) {
        return Ok(Vec::new());
    }
    let wrong = |what: &str| {
        Problem::new("env.no_proxy", what)
            .hint("hosts, domains, addresses and networks with commas between: registry.example,10.0.0.0/8")
    };
    let text = value
        .as_str()
        .ok_or_else(|| wrong(&format!("must be a string, and is {}", kind(value))))?;
    let hosts: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .collect();
    if hosts
        .iter()
        .any(|host| host.contains(|c: char| c.is_whitespace() || c.is_control()))
    {
        return Err(wrong("has a host with white space in it"));
    }
    if hosts.iter().any(|host| host.contains("://")) {
        return Err(wrong("has a URL where a host must be"));
    }
    Ok(hosts)
}

fn all_direct<'a>(hosts: &[&str], known: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = hosts.to_vec();
    for host in ALWAYS_DIRECT.into_iter().chain(known) {
        if !all.contains(&host) {
            all.push(host);
        }
    }
    all.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::with;
    use super::*;

    const NONE: Value = Value::Null;

    fn set(http: &Value, https: &Value, direct: &Value, containers: bool) -> Properties {
        let env = json!({"http_proxy": http, "https_proxy": https, "no_proxy": direct});
        let changes = [("env", env), ("container_proxies", json!(containers))];
        with(&changes).properties
    }

    #[test]
    fn the_instance_and_bosh_s_names_are_never_asked_for_through_a_proxy() {
        let direct = json!(" registry.example , 10.0.0.0/8,, .bosh");
        let found = parse(
            &set(&json!("http://p:1"), &NONE, &direct, true),
            Some("10.0.0.2"),
        );
        let found = found.unwrap();
        assert_eq!(
            found.direct,
            "registry.example,10.0.0.0/8,.bosh,localhost,127.0.0.1,::1,10.0.0.2"
        );
        assert!(found.for_containers && found.https.is_none());
    }

    #[test]
    fn without_a_proxy_nothing_is_set() {
        let found = parse(
            &set(&NONE, &json!(""), &json!("a"), false),
            Some("10.0.0.2"),
        );
        assert_eq!(found.unwrap(), Proxies::default());
    }

    #[test]
    fn refuses_bad_ones_by_name_without_showing_them() {
        let bad = set(
            &json!("hunter2"),
            &json!("ftp://u:hunter2@p"),
            &json!("http://hunter2"),
            true,
        );
        let problems = parse(&bad, None).unwrap_err();
        let named: Vec<_> = problems
            .iter()
            .map(|problem| problem.property.as_str())
            .collect();
        assert_eq!(named, ["env.http_proxy", "env.https_proxy", "env.no_proxy"]);
        assert!(!format!("{problems:?}").contains("hunter2"));
        let alone = parse(&set(&NONE, &NONE, &NONE, true), None).unwrap_err();
        assert_eq!(alone.iter().next().unwrap().property, "container_proxies");
    }

    #[test]
    fn debug_shows_no_proxy() {
        let env =
            json!({"http_proxy": "http://u:hunter2@p", "https_proxy": null, "no_proxy": null});
        let config = with(&[("env", env)]);
        let daemon = config.daemon().unwrap();
        assert!(daemon.proxies.http.is_some());
        assert!(!format!("{config:?}{daemon:?}").contains("hunter2"));
    }
}
