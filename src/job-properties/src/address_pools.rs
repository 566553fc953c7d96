//! `default_address_pools`: out of what dockerd takes the subnets of networks.

use serde_json::Value;

use super::values::{each, kind, number};
use bosh_job::{Problem, Problems};
use vm_networks::Cidr;

/// Addresses out of which dockerd takes the subnets of networks that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPool {
    /// All of them.
    pub base: Cidr,
    /// The length of the network's part of each subnet.
    pub size: u8,
}

impl AddressPool {
    /// dockerd's own pools: 172.17.0.0/16 to 172.31.0.0/16, and 192.168.0.0/16 in parts of 20 bits (moby,
    /// `ipamutils.localScopeDefaultNetworks`).
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let sixteen = (17..=31).map(|second| (format!("172.{second}.0.0/16"), 16));
        let twenty = (0..16).map(|part| (format!("192.168.{}.0/20", part * 16), 20));
        sixteen
            .chain(twenty)
            .filter_map(|(base, size)| base.parse().ok().map(|base| Self { base, size }))
            .collect()
    }
}

/// dockerd of 20.10 to 25 makes a list of all subnets of a pool when it starts; of more than these it takes seconds and
/// hundreds of megabytes.
const MOST_SUBNETS_BITS: u8 = 16;

pub(super) fn parse(value: &Value) -> Result<Vec<AddressPool>, Problems> {
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
pub(super) fn is_ordinary(cidr: &Cidr) -> bool {
    let other: &[&str] = if cidr.address().is_ipv4() {
        &["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"]
    } else {
        &["::/16", "fe80::/10", "ff00::/8"]
    };
    let mut other = other.iter().filter_map(|text| text.parse::<Cidr>().ok());
    !other.any(|other| other.overlaps(cidr))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::network::tests::{assert_refused, networks};

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
}
