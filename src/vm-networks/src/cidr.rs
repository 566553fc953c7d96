//! Networks in the CIDR notation: an address and the length of the part of it that all hosts of the network share.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// An address and the length of its network's part, as in `10.0.0.0/8` (a network) and `10.0.0.1/8` (a host in it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl Cidr {
    /// The network of one address alone.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self(address.into())
    }

    /// An address in a network; nothing if the length is more than an address has bits.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        IpNet::new(address, bits).ok().map(Self)
    }

    /// The address as it was written.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.addr()
    }

    /// The length of the network's part, in bits.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.0.prefix_len()
    }

    /// The network, without the host's part.
    #[must_use]
    pub fn network(&self) -> Self {
        Self(self.0.trunc())
    }

    /// Whether no bit of the host's part is set.
    #[must_use]
    pub fn is_network(&self) -> bool {
        *self == self.network()
    }

    /// The last address of the network; with IPv4 that is its broadcast.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.address() == self.0.broadcast()
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether all addresses of `other` are in this network.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// The parts of the network whose own networks' part has `bits` bits; none if that is less than this one's.
    pub fn subnets(&self, bits: u8) -> impl Iterator<Item = Self> + use<> {
        self.0.subnets(bits).into_iter().flatten().map(Self)
    }
}

/// The text is no address with a length.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address and a length, such as 10.0.0.0/8 or fd00::/8")]
pub struct NoCidr;

impl FromStr for Cidr {
    type Err = NoCidr;

    /// ipnet's own parser takes `010.0.0.0/8`, which Go refuses, and dockerd with it.
    fn from_str(text: &str) -> Result<Self, NoCidr> {
        let (address, bits) = text.split_once('/').ok_or(NoCidr)?;
        if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoCidr);
        }
        let address = address.parse().map_err(|_| NoCidr)?;
        Self::new(address, bits.parse().map_err(|_| NoCidr)?).ok_or(NoCidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn reads_both_families_and_nothing_else() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.0.0.1/32",
            "fd00::/8",
            "::/0",
            "::1/128",
        ] {
            assert_eq!(cidr(text).to_string(), text);
        }
        for text in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "010.0.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            " 10.0.0.0/8",
            "10.0.0.0/256",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(NoCidr), "{text}");
        }
    }

    #[test]
    fn overlaps_are_symmetric_and_stay_in_the_family() {
        for (a, b, expected) in [
            ("10.0.0.0/8", "10.244.0.0/24", true),
            ("10.0.0.0/24", "10.0.1.0/24", false),
            ("10.0.0.0/23", "10.0.1.7/32", true),
            ("0.0.0.0/0", "1.2.3.4/32", true),
            ("::/0", "10.0.0.0/8", false),
            ("0.0.0.0/0", "::/96", false),
            ("fd00::/8", "fd12:3456::/48", true),
            ("fd00::/64", "fd00:0:0:1::/64", false),
        ] {
            let (a, b) = (cidr(a), cidr(b));
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected));
        }
        assert!(cidr("10.0.0.0/8").contains(&cidr("10.1.0.0/16")));
        assert!(!cidr("10.1.0.0/16").contains(&cidr("10.0.0.0/8")));
    }

    #[test]
    fn tells_networks_from_hosts() {
        assert!(cidr("10.0.0.0/8").is_network() && !cidr("10.0.0.1/8").is_network());
        assert!(cidr("fd00::/8").is_network() && !cidr("fd00::1/8").is_network());
        assert_eq!(cidr("10.1.2.3/16").network(), cidr("10.1.0.0/16"));
        assert_eq!(cidr("fd00::1/64").network(), cidr("fd00::/64"));
        assert_eq!(cidr("1.2.3.4/0").network(), cidr("0.0.0.0/0"));
        assert!(cidr("10.0.0.255/24").is_last() && !cidr("10.0.0.254/24").is_last());
    }
}
