//! IPv4 subnets: which are taken, which is free, and the addresses in one.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An IPv4 network in CIDR form; host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet(Ipv4Net);

impl Subnet {
    /// The network that holds `address`, with a prefix of 0 to 32 bits (longer ones count as 32).
    #[must_use]
    pub fn containing(address: Ipv4Addr, prefix: u8) -> Self {
        Self(Ipv4Net::new(address, prefix).map_or_else(|_| address.into(), |net| net.trunc()))
    }

    /// The number of network bits.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }

    /// The network bits as an address.
    #[must_use]
    pub fn netmask(&self) -> Ipv4Addr {
        self.0.netmask()
    }

    /// The first address of hosts; this machine's end of the bridge has it.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0.network()).saturating_add(1))
    }

    /// Whether the address lies in the network.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.0.contains(&address)
    }

    /// Whether the two networks share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    /// The addresses that instances may have: all but the network's, the gateway's and the broadcast address.
    pub fn hosts(&self) -> impl Iterator<Item = Ipv4Addr> {
        let hosts = (self.prefix() <= 30).then(|| self.0.hosts().skip(1));
        hosts.into_iter().flatten()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Subnet {
    type Err = Error;

    /// `10.1.2.0/24`, or an address alone for a /32 (as `ip route` prints host routes).
    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::Invalid {
            what: "subnet",
            value: text.to_owned(),
            why: why.to_owned(),
        };
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let address: Ipv4Addr = address
            .parse()
            .map_err(|_| invalid("it is an IPv4 address, a slash and a prefix length"))?;
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|p| *p <= 32)
            .ok_or_else(|| invalid("its prefix length is 0 to 32"))?;
        Ok(Self::containing(address, prefix))
    }
}

impl TryFrom<String> for Subnet {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

/// The first free /24 of 10.244.0.0/16: outside Docker's default address pools (172.17.0.0 to 172.31.0.0/16 and
/// 192.168.0.0/16, moby `libnetwork/ipamutils`) and BOSH-lite's habit, so that recipes keep theirs.
pub(crate) fn first_free(taken: &[Subnet]) -> Option<Subnet> {
    (0..=255_u8)
        .map(|third| Subnet::containing(Ipv4Addr::new(10, 244, third, 0), 24))
        .find(|candidate| !taken.iter().any(|t| t.overlaps(candidate)))
}

/// The lowest free address of the subnet.
pub(crate) fn first_free_address(
    subnet: Subnet,
    taken: impl Fn(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    subnet.hosts().find(|address| !taken(*address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn a_subnet_survives_printing_and_parsing() {
        assert_eq!(subnet("10.244.3.7/24").to_string(), "10.244.3.0/24");
        assert_eq!(subnet("192.0.2.1").to_string(), "192.0.2.1/32");
        assert_eq!(subnet("0.0.0.0/0").to_string(), "0.0.0.0/0");
        assert!("10.0.0.0/33".parse::<Subnet>().is_err());
        assert!("ten/8".parse::<Subnet>().is_err());
    }

    #[test]
    fn subnets_overlap_when_one_holds_the_other() {
        assert!(subnet("10.0.0.0/8").overlaps(&subnet("10.244.1.0/24")));
        assert!(subnet("10.244.1.128/25").overlaps(&subnet("10.244.1.0/24")));
        assert!(!subnet("10.244.0.0/24").overlaps(&subnet("10.244.1.0/24")));
    }

    #[test]
    fn the_first_subnet_that_no_route_touches_is_taken() {
        assert_eq!(first_free(&[]), Some(subnet("10.244.0.0/24")));
        assert_eq!(
            first_free(&[subnet("10.244.0.0/23"), subnet("10.244.2.9/32")]),
            Some(subnet("10.244.3.0/24"))
        );
        assert_eq!(first_free(&[subnet("10.0.0.0/8")]), None);
    }

    #[test]
    fn instances_get_neither_the_gateway_nor_the_broadcast_address() {
        let net = subnet("10.244.0.0/30");
        assert_eq!(net.gateway(), Ipv4Addr::new(10, 244, 0, 1));
        assert_eq!(
            net.hosts().collect::<Vec<_>>(),
            vec![Ipv4Addr::new(10, 244, 0, 2)]
        );
        assert_eq!(
            first_free_address(net, |a| a == Ipv4Addr::new(10, 244, 0, 2)),
            None
        );
    }
}
