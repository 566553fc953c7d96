//! Addresses of the host that ports are published on, however they are written.

use std::net::IpAddr;

/// Where a port is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// On every address of both families.
    Every,
    /// On one, or with `0.0.0.0` and `::` on every one of its family.
    One(IpAddr),
}

impl HostAddress {
    /// Reads an address, also one in brackets; nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim_matches(['[', ']']) {
            "" => Some(Self::Every),
            text => Some(Self::One(text.parse::<IpAddr>().ok()?.to_canonical())),
        }
    }

    /// Whether the two cannot have the same port.
    pub fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::One(a), Self::One(b)) => {
                a.is_ipv4() == b.is_ipv4() && (a == b || a.is_unspecified() || b.is_unspecified())
            }
            (Self::Every, _) | (_, Self::Every) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_may_be_spelled_any_way_and_the_families_are_apart() {
        for (a, b, expected) in [
            ("", "127.0.0.1", true),
            ("", "[::1]", true),
            ("0.0.0.0", "127.0.0.1", true),
            ("0.0.0.0", "", true),
            ("::ffff:127.0.0.1", "127.0.0.1", true),
            ("[::]", "::1", true),
            ("0:0:0:0:0:0:0:0", "[::1]", true),
            ("0.0.0.0", "::", false),
            ("::", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.2", false),
            ("::1", "0:0:0:0:0:0:0:1", true),
        ] {
            let [first, second] = [a, b].map(|text| HostAddress::parse(text).unwrap());
            assert_eq!(first.overlaps(second), expected, "{a} and {b}");
            assert_eq!(second.overlaps(first), expected, "{b} and {a}");
        }
        assert_eq!(HostAddress::parse("nonsense"), None);
    }
}
