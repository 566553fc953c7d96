//! Networks in the CIDR notation: an address and the length of the part of it that all hosts of the network share.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and the length of its network's part, as in `10.0.0.0/8` (a network) and `10.0.0.1/8` (a host in it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// The network of one address alone.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        let bits = longest(address);
        Self { address, bits }
    }

    /// An address in a network; nothing if the length is more than an address has bits.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        (bits <= longest(address)).then_some(Self { address, bits })
    }

    /// The address as it was written.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of the network's part, in bits.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The network, without the host's part.
    #[must_use]
    pub fn network(&self) -> Self {
        let kept = self.number() & self.mask();
        Self {
            address: match self.address {
                // the upper bits are none's
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(
                    u32::try_from(kept & u128::from(u32::MAX)).unwrap_or_default(),
                )),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(kept)),
            },
            bits: self.bits,
        }
    }

    /// Whether no bit of the host's part is set.
    #[must_use]
    pub fn is_network(&self) -> bool {
        *self == self.network()
    }

    /// The last address of the network; with IPv4 that is its broadcast.
    #[must_use]
    pub fn is_last(&self) -> bool {
        let host = !self.mask() & all(self.address);
        self.number() & host == host
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let wider = if self.bits < other.bits { self } else { other };
        self.address.is_ipv4() == other.address.is_ipv4()
            && (self.number() ^ other.number()) & wider.mask() == 0
    }

    /// Whether all addresses of `other` are in this network.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.overlaps(other)
    }

    fn number(&self) -> u128 {
        match self.address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn mask(&self) -> u128 {
        let host = u32::from(longest(self.address) - self.bits);
        all(self.address) & u128::MAX.checked_shl(host).unwrap_or(0)
    }
}

fn longest(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn all(address: IpAddr) -> u128 {
    if address.is_ipv4() {
        u128::from(u32::MAX)
    } else {
        u128::MAX
    }
}

/// The text is no address with a length.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address and a length, such as 10.0.0.0/8 or fd00::/8")]
pub struct NoCidr;

impl FromStr for Cidr {
    type Err = NoCidr;

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
        write!(f, "{}/{}", self.address, self.bits)
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
