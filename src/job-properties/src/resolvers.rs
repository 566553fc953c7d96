//! Where containers look up names: servers, search domains, options, and the domains for internal networks.

use std::net::IpAddr;

use serde_json::Value;

use super::values::{each, kind};
use bosh_job::{Problem, Problems};

/// Resolver libraries and dockerd look at no more (resolv.conf(5), `MAXNS`).
const MOST_SERVERS: usize = 3;

pub(super) fn servers(value: &Value) -> Result<Vec<IpAddr>, Problems> {
    const PROPERTY: &str = "dns_servers";
    let servers = each(PROPERTY, value, server)?;
    if servers.len() > MOST_SERVERS {
        let what = format!(
            "has {} addresses, of which resolvers use {MOST_SERVERS}",
            servers.len()
        );
        return Err(Problem::new(PROPERTY, what)
            .hint("leave out the rest")
            .into());
    }
    Ok(servers)
}

pub(super) fn internal_domains(value: &Value) -> Result<Vec<String>, Problems> {
    let inner = |property: &str, value: &Value| {
        let name = domain(property, value)?;
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() {
            let what =
                "is every name, which would lead out of networks that nothing is to lead out of";
            return Err(
                Problem::new(property, what).hint("name the domains that services in them need")
            );
        }
        Ok(name)
    };
    each("internal_dns_domains", value, inner)
}

fn text<'a>(property: &str, value: &'a Value, what: &str) -> Result<&'a str, Problem> {
    let wrong = || Problem::new(property, format!("must be {what}, and is {}", kind(value)));
    value.as_str().ok_or_else(wrong)
}

fn server(property: &str, value: &Value) -> Result<IpAddr, Problem> {
    let text = text(property, value, "an IP address")?;
    let wrong = |why: &str| Problem::new(property, format!("is {text:?}, which {why}"));
    let address: IpAddr = text.parse().map_err(|_| wrong("is no IP address"))?;
    if address.is_loopback() {
        let problem = wrong("is a container's own address in a container, not the VM's");
        return Err(problem.hint(
            "write an address of the VM on which its resolver listens (169.254.0.2 for BOSH DNS)",
        ));
    }
    if address.is_unspecified() || address.is_multicast() {
        return Err(wrong("is no host's address"));
    }
    Ok(address)
}

pub(super) fn domain(property: &str, value: &Value) -> Result<String, Problem> {
    let text = text(property, value, "a domain")?;
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // a lone dot takes the VM's own domains away
    let is_domain =
        text == "." || (text.len() <= 253 && text.trim_end_matches('.').split('.').all(is_label));
    if is_domain {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(property, format!("is {text:?}, which is no domain"))
            .hint("for example `dns_search: [service.example.com]`"),
    )
}

pub(super) fn option(property: &str, value: &Value) -> Result<String, Problem> {
    let text = text(property, value, "an option of resolv.conf")?;
    let is_option = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':'));
    if is_option {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        property,
        format!("is {text:?}, which is no option of resolv.conf"),
    )
    .hint("for example `dns_options: [\"timeout:2\", \"attempts:3\"]`; see resolv.conf(5)"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{
        network::tests::{assert_refused, networks},
        tests::with,
    };
    use super::*;

    #[test]
    fn resolvers_are_addresses_that_a_container_can_reach() {
        let servers = networks("dns_servers", json!(["169.254.0.2", "fd00::2"]))
            .unwrap()
            .dns_servers;
        assert_eq!(servers.len(), 2);
        for (value, part, why) in [
            (json!("169.254.0.2"), "", "a list"),
            (json!(["dns.example"]), "[0]", "no IP address"),
            (json!([7]), "[0]", "a number"),
            (
                json!(["10.0.0.1", "127.0.0.53"]),
                "[1]",
                "a container's own",
            ),
            (json!(["::1"]), "[0]", "a container's own"),
            (json!(["0.0.0.0"]), "[0]", "no host's"),
            (
                json!(["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4"]),
                "",
                "use 3",
            ),
        ] {
            assert_refused("dns_servers", &value, &format!("dns_servers{part}"), why);
        }
    }

    #[test]
    fn domains_for_internal_networks_are_some_and_not_all() {
        let domains =
            |value: Value| with(&[("internal_dns_domains", value)]).internal_dns_domains();
        assert_eq!(with(&[]).internal_dns_domains().unwrap(), ["bosh"]);
        assert_eq!(
            domains(json!(["Service.CF.internal."])).unwrap(),
            ["service.cf.internal"]
        );
        assert!(domains(json!([])).unwrap().is_empty());
        for bad in [json!(["."]), json!("bosh"), json!([7]), json!(["a b"])] {
            let problems = domains(bad).unwrap_err();
            assert!(
                problems
                    .iter()
                    .next()
                    .unwrap()
                    .property
                    .starts_with("internal_dns_domains")
            );
        }
    }

    #[test]
    fn search_domains_and_options_are_single_words() {
        let good = networks("dns_search", json!(["a.example", "b_c.d-e.", "."])).unwrap();
        assert_eq!(good.dns_search.len(), 3);
        for bad in ["", "a b", "a..b", "-\n", "ä"] {
            assert_refused("dns_search", &json!([bad]), "dns_search[0]", "no domain");
        }
        let good = networks("dns_options", json!(["ndots:2", "use-vc"])).unwrap();
        assert_eq!(good.dns_options, ["ndots:2", "use-vc"]);
        for bad in ["", "a b", "x\noptions y"] {
            assert_refused("dns_options", &json!([bad]), "dns_options[0]", "no option");
        }
    }
}
