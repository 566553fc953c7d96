//! The VM's own address, where BOSH does not say it: `bosh create-env` renders no `spec.ip`.

use std::net::{IpAddr, UdpSocket};

use crate::networks::{interface_addresses, is_named_by_dockerd};

/// Addresses for documentation (RFC 5737, RFC 3849): nobody has them, so the default route leads there. Nothing is sent.
const ELSEWHERE: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

/// The address by which the VM reaches others, or else the first of its interfaces; nothing if it has none.
#[must_use]
pub fn own_address() -> Option<IpAddr> {
    let by_route = ELSEWHERE.iter().find_map(|(local, remote)| {
        let socket = UdpSocket::bind(local).ok()?;
        socket.connect(remote).ok()?;
        let address = socket.local_addr().ok()?.ip();
        is_usable(&address).then_some(address)
    });
    by_route.or_else(first_of_interfaces)
}

fn first_of_interfaces() -> Option<IpAddr> {
    let interfaces = interface_addresses().ok()?.into_iter();
    let others = interfaces.filter(|(name, _)| !is_named_by_dockerd(name));
    let mut addresses: Vec<IpAddr> = others.flat_map(|(_, addresses)| addresses).collect();
    addresses.retain(is_usable);
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.into_iter().next()
}

fn is_usable(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || is_link_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_others_can_reach() {
        for (address, usable) in [
            ("10.0.0.7", true),
            ("fd00::7", true),
            ("127.0.0.1", false),
            ("169.254.0.2", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(is_usable(&address.parse().unwrap()), usable, "{address}");
        }
        if let Some(address) = own_address() {
            assert!(is_usable(&address), "{address}");
        }
    }
}
