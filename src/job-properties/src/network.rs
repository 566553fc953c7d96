//! How dockerd makes networks for containers: their addresses, their MTU, their resolvers.

use std::net::IpAddr;

use serde_json::Value;

use super::{
    address_pools::{self, AddressPool, is_ordinary},
    properties::Properties,
    resolvers,
    values::{each, kind, number},
};
use bosh_job::{Problem, Problems};
use vm_networks::Cidr;

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

/// What every host must be able to take whole (RFC 791).
const SMALLEST_MTU: u64 = 576;

pub(super) fn parse(properties: &Properties) -> Result<Networks, Problems> {
    let mut problems = Problems::default();
    let bip = problems.note(bip(&properties.bip));
    let pools = problems.note_all(address_pools::parse(&properties.default_address_pools));
    let mtu = problems.note(mtu(&properties.mtu));
    let dns_servers = problems.note_all(resolvers::servers(&properties.dns_servers));
    let dns_search = problems.note_all(each(
        "dns_search",
        &properties.dns_search,
        resolvers::domain,
    ));
    let dns_options = problems.note_all(each(
        "dns_options",
        &properties.dns_options,
        resolvers::option,
    ));
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

fn mtu(value: &Value) -> Result<Option<u64>, Problem> {
    match value {
        Value::Null => Ok(None),
        value => number("mtu", value, "bytes", SMALLEST_MTU, 65_535).map(Some),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::tests::with;
    use super::*;

    pub(in super::super) fn networks(property: &str, value: Value) -> Result<Networks, Problems> {
        with(&[(property, value)]).networks()
    }

    #[track_caller]
    pub(in super::super) fn assert_refused(property: &str, value: &Value, named: &str, why: &str) {
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
}
