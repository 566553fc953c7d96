//! How dockerd makes networks for containers: their addresses, their MTU, their resolvers.

use std::net::IpAddr;

use serde_json::Value;

use super::values::{kind, number};
use crate::{Cidr, Problem, Problems};

#[derive(Debug)]
pub(super) struct Raw {
    pub bip: Value,
    pub default_address_pools: Value,
    pub mtu: Value,
    pub dns_servers: Value,
    pub dns_search: Value,
    pub dns_options: Value,
}

/// How dockerd makes networks for containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// `bip`: address and network of the default bridge.
    pub bip: Option<Cidr>,
    /// `default_address_pools`; empty leaves them to dockerd.
    pub pools: Vec<AddressPool>,
    /// `mtu`, in bytes.
    pub mtu: Option<u64>,
    /// `dns_servers`; empty means those of the VM.
    pub dns_servers: Vec<IpAddr>,
    /// `dns_search`.
    pub dns_search: Vec<String>,
    /// `dns_options`.
    pub dns_options: Vec<String>,
}

/// Addresses out of which dockerd takes the subnets of networks that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPool {
    /// All of them.
    pub base: Cidr,
    /// The length of the network's part of each subnet.
    pub size: u8,
}

/// dockerd of 20.10 to 25 makes a list of all subnets of a pool when it starts; of more than these it takes seconds and
/// hundreds of megabytes.
const MOST_SUBNETS_BITS: u8 = 16;
/// What every host must be able to take whole (RFC 791).
const SMALLEST_MTU: u64 = 576;
/// Resolver libraries and dockerd look at no more (resolv.conf(5), `MAXNS`).
const MOST_SERVERS: usize = 3;

pub(super) fn parse(raw: &Raw) -> Result<Networks, Problems> {
    let mut problems = Problems::default();
    let bip = problems.note(bip(&raw.bip));
    let pools = problems.note_all(pools(&raw.default_address_pools));
    let mtu = problems.note(mtu(&raw.mtu));
    let dns_servers = problems.note_all(each("dns_servers", &raw.dns_servers, server));
    if let Some(servers) = &dns_servers
        && servers.len() > MOST_SERVERS
    {
        let what = format!(
            "has {} addresses, of which resolvers use {MOST_SERVERS}",
            servers.len()
        );
        problems.push(Problem::new("dns_servers", what).hint("leave out the rest"));
    }
    let dns_search = problems.note_all(each("dns_search", &raw.dns_search, domain));
    let dns_options = problems.note_all(each("dns_options", &raw.dns_options, option));
    let networks = (|| {
        Some(Networks {
            bip: bip?,
            pools: pools?,
            mtu: mtu?,
            dns_servers: dns_servers?,
            dns_search: dns_search?,
            dns_options: dns_options?,
        })
    })();
    problems.into_result(networks)
}

pub(super) fn parse_domains(value: &Value) -> Result<Vec<String>, Problems> {
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

fn bip(value: &Value) -> Result<Option<Cidr>, Problem> {
    const HINT: &str =
        "for example `bip: 10.200.0.1/24`: the bridge's address, and the length of its network";
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        other => {
            let what = format!("must be an address and a length, and is {}", kind(other));
            return Err(Problem::new("bip", what).hint(HINT));
        }
    };
    let wrong = |why: &str| Problem::new("bip", format!("is {text:?}, which {why}")).hint(HINT);
    let cidr: Cidr = text
        .parse()
        .map_err(|error| wrong(&format!("is {error}")))?;
    if cidr.address().is_ipv6() {
        return Err(wrong("is no IPv4 network"));
    }
    if !(8..=30).contains(&cidr.bits()) {
        return Err(wrong("has a length that is not from 8 to 30"));
    }
    if cidr.is_network() || cidr.is_last() {
        return Err(wrong("is no host's address in its network"));
    }
    if !is_ordinary(&cidr) {
        return Err(wrong("is no network for hosts"));
    }
    Ok(Some(cidr))
}

fn pools(value: &Value) -> Result<Vec<AddressPool>, Problems> {
    const PROPERTY: &str = "default_address_pools";
    let pools = each(PROPERTY, value, pool)?;
    let mut problems = Problems::default();
    for (position, pool) in pools.iter().enumerate() {
        let clash = pools[..position]
            .iter()
            .find(|other| other.base.overlaps(&pool.base));
        if let Some(other) = clash {
            let what = format!(
                "is {}, which overlaps {} of the same list",
                pool.base, other.base
            );
            problems.push(Problem::new(format!("{PROPERTY}[{position}].base"), what));
        }
    }
    if !pools.is_empty() && pools.iter().all(|pool| pool.base.address().is_ipv6()) {
        let problem = Problem::new(PROPERTY, "has no IPv4 pool, and no network can do without");
        problems.push(problem.hint("add one, such as {base: 10.200.0.0/16, size: 24}"));
    }
    problems.into_result(Some(pools))
}

fn pool(property: &str, value: &Value) -> Result<AddressPool, Problem> {
    const HINT: &str = "for example {base: 10.200.0.0/16, size: 24}: 256 networks of 254 hosts";
    let wrong =
        |part: &str, what: String| Problem::new(format!("{property}{part}"), what).hint(HINT);
    let Value::Object(map) = value else {
        return Err(wrong(
            "",
            format!(
                "must be a map with `base` and `size`, and is {}",
                kind(value)
            ),
        ));
    };
    if let Some(unknown) = map
        .keys()
        .find(|key| !["base", "size"].contains(&key.as_str()))
    {
        return Err(wrong(
            "",
            format!("has {unknown:?}, where only `base` and `size` are known"),
        ));
    }
    let base = value["base"].as_str();
    let base = base.ok_or_else(|| {
        let what = format!("must be a network, and is {}", kind(&value["base"]));
        wrong(".base", what)
    })?;
    let cidr: Cidr = base
        .parse()
        .map_err(|error| wrong(".base", format!("is {base:?}, which is {error}")))?;
    if !cidr.is_network() {
        let what = format!(
            "is {cidr}, which has bits beyond its length: the network is {}",
            cidr.network()
        );
        return Err(wrong(".base", what));
    }
    if !is_ordinary(&cidr) {
        return Err(wrong(
            ".base",
            format!("is {cidr}, which is no network for hosts"),
        ));
    }
    let (least, most) = if cidr.address().is_ipv4() {
        (8, 29)
    } else {
        (16, 120)
    };
    if !(least..=most).contains(&cidr.bits()) {
        let what = format!("is {cidr}, whose length is not from {least} to {most}");
        return Err(wrong(".base", what));
    }
    let longest = most.min(cidr.bits() + MOST_SUBNETS_BITS);
    let size = number(
        &format!("{property}.size"),
        &value["size"],
        "bits",
        cidr.bits().into(),
        longest.into(),
    );
    let size = size.map_err(|problem| problem.hint(HINT))?;
    Ok(AddressPool {
        base: cidr,
        size: u8::try_from(size).unwrap_or(longest),
    })
}

/// Whether hosts may have such addresses: not loopback, link-local, multicast or reserved ones.
fn is_ordinary(cidr: &Cidr) -> bool {
    let other: &[&str] = if cidr.address().is_ipv4() {
        &["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"]
    } else {
        &["::/16", "fe80::/10", "ff00::/8"]
    };
    let mut other = other.iter().filter_map(|text| text.parse::<Cidr>().ok());
    !other.any(|other| other.overlaps(cidr))
}

fn mtu(value: &Value) -> Result<Option<u64>, Problem> {
    match value {
        Value::Null => Ok(None),
        value => number("mtu", value, "bytes", SMALLEST_MTU, 65_535).map(Some),
    }
}

/// The entries of a list; nothing is an empty one.
fn each<T>(
    property: &str,
    value: &Value,
    parse: impl Fn(&str, &Value) -> Result<T, Problem>,
) -> Result<Vec<T>, Problems> {
    let entries = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(entries) => entries,
        other => {
            return Err(
                Problem::new(property, format!("must be a list, and is {}", kind(other))).into(),
            );
        }
    };
    let mut problems = Problems::default();
    let parsed: Vec<T> = entries
        .iter()
        .enumerate()
        .filter_map(|(position, entry)| {
            problems.note(parse(&format!("{property}[{position}]"), entry))
        })
        .collect();
    problems.into_result(Some(parsed))
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

fn domain(property: &str, value: &Value) -> Result<String, Problem> {
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

fn option(property: &str, value: &Value) -> Result<String, Problem> {
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

    use super::super::tests::with;
    use super::*;

    fn networks(property: &str, value: Value) -> Result<Networks, Problems> {
        with(&[(property, value)]).networks()
    }

    #[track_caller]
    fn assert_refused(property: &str, value: &Value, named: &str, why: &str) {
        let problems = networks(property, value.clone()).unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.property, named, "{value}");
        assert!(problem.what.contains(why), "{value}: {}", problem.what);
    }

    #[test]
    fn nothing_set_leaves_all_to_dockerd() {
        assert_eq!(with(&[]).networks().unwrap(), Networks::default());
    }

    #[test]
    fn bip_is_a_host_in_an_ordinary_ipv4_network() {
        let bip = networks("bip", json!("10.200.0.1/24")).unwrap().bip;
        assert_eq!(bip.unwrap().to_string(), "10.200.0.1/24");
        for (value, why) in [
            (json!(7), "a number"),
            (json!("10.200.0.1"), "not an address and a length"),
            (json!("10.200.0.1/33"), "not an address and a length"),
            (json!("10.200.0.0/24"), "no host's address"),
            (json!("10.200.0.255/24"), "no host's address"),
            (json!("10.200.0.1/31"), "from 8 to 30"),
            (json!("10.200.0.1/7"), "from 8 to 30"),
            (json!("127.0.0.1/8"), "no network for hosts"),
            (json!("169.254.7.1/24"), "no network for hosts"),
            (json!("230.0.0.1/24"), "no network for hosts"),
            (json!("fd00::1/64"), "no IPv4 network"),
        ] {
            assert_refused("bip", &value, "bip", why);
        }
    }

    #[test]
    fn pools_are_networks_with_a_size_that_fits() {
        let pools =
            json!([{"base": "10.200.0.0/16", "size": 24}, {"base": "fd00:1::/48", "size": 64}]);
        let pools = networks("default_address_pools", pools).unwrap().pools;
        assert_eq!(
            (pools[0].size, pools[1].base.to_string().as_str()),
            (24, "fd00:1::/48")
        );
        assert!(
            networks("default_address_pools", json!([]))
                .unwrap()
                .pools
                .is_empty()
        );
        let first = "default_address_pools[0]";
        for (value, part, why) in [
            (json!("x"), "", "a list"),
            (json!(["10.0.0.0/8"]), "[0]", "a map"),
            (
                json!([{"base": "10.0.0.0/8", "size": 24, "sise": 1}]),
                "[0]",
                "sise",
            ),
            (json!([{"size": 24}]), "[0].base", "nothing"),
            (
                json!([{"base": "10.0.0.1/8", "size": 24}]),
                "[0].base",
                "the network is 10.0.0.0/8",
            ),
            (
                json!([{"base": "10.0.0/8", "size": 24}]),
                "[0].base",
                "not an address",
            ),
            (
                json!([{"base": "127.0.0.0/8", "size": 24}]),
                "[0].base",
                "no network for hosts",
            ),
            (
                json!([{"base": "0.0.0.0/0", "size": 24}]),
                "[0].base",
                "no network for hosts",
            ),
            (
                json!([{"base": "10.200.0.0/16"}]),
                "[0].size",
                "from 16 to 29",
            ),
            (
                json!([{"base": "10.200.0.0/16", "size": 15}]),
                "[0].size",
                "from 16 to 29",
            ),
            (
                json!([{"base": "10.200.0.0/16", "size": 30}]),
                "[0].size",
                "from 16 to 29",
            ),
            (
                json!([{"base": "10.0.0.0/8", "size": 25}]),
                "[0].size",
                "from 8 to 24",
            ),
            (
                json!([{"base": "fd00::/16", "size": 64}]),
                "[0].size",
                "from 16 to 32",
            ),
            (
                json!([{"base": "fd00:1::/48", "size": 64}]),
                "",
                "no IPv4 pool",
            ),
        ] {
            assert_refused(
                "default_address_pools",
                &value,
                &format!("default_address_pools{part}"),
                why,
            );
        }
        let twice =
            json!([{"base": "10.200.0.0/16", "size": 24}, {"base": "10.200.9.0/24", "size": 24}]);
        assert_refused(
            "default_address_pools",
            &twice,
            "default_address_pools[1].base",
            "overlaps 10.200.0.0/16",
        );
        let several = networks("default_address_pools", json!([7, 8])).unwrap_err();
        assert_eq!(several.iter().count(), 2, "{several} {first}");
    }

    #[test]
    fn mtu_is_what_a_link_can_have() {
        assert_eq!(networks("mtu", json!(1400)).unwrap().mtu, Some(1400));
        for value in [
            json!(575),
            json!(65_536),
            json!("1400"),
            json!(-1),
            json!(1.5),
        ] {
            assert_refused("mtu", &value, "mtu", "from 576 to 65535");
        }
    }

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
