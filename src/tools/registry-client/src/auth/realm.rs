//! Where a token server may be. A registry out in the internet has no business to send anyone to this machine or into the
//! network behind it: anyone who controls its answers would have requests, and passwords, go where they themselves cannot.

use std::net::{IpAddr, Ipv6Addr, ToSocketAddrs as _};

use ureq::http::Uri;

use super::challenge::Bearer;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::host_rules::host;
use crate::location::shown;
use crate::retry::Failure;
use crate::transport::Transport;

/// Refuses a token server on this machine or in a private network, unless the registry is there, too, or somebody named
/// that server as insecure. What is no URL is for [`super::token`] to refuse.
pub(super) fn check(
    transport: &Transport,
    endpoint: &Endpoint,
    bearer: &Bearer,
) -> Result<(), Failure> {
    let Ok(realm) = bearer.realm.parse::<Uri>() else {
        return Ok(());
    };
    let Some(authority) = realm.authority() else {
        return Ok(());
    };
    let registry = endpoint.authority();
    if authority.host().eq_ignore_ascii_case(registry.host())
        || transport.is_named_insecure(authority)
        || !is_misplaced(&host(registry), &host(authority), &addresses)
    {
        return Ok(());
    }
    Err(Failure::from(Error::Realm {
        realm: shown(&realm),
        host: authority.to_string(),
        registry: endpoint.registry.clone(),
    }))
}

/// Whether a realm is in here, and the registry out there. Only of names that can be resolved here is more known than what
/// they look like: behind a proxy, none may be.
fn is_misplaced(registry: &str, realm: &str, resolve: &dyn Fn(&str) -> Vec<IpAddr>) -> bool {
    match (literal(registry), literal(realm)) {
        (Some(registry), Some(realm)) => is_inside(realm) && !is_inside(registry),
        (Some(registry), None) => !is_inside(registry) && resolve(realm).into_iter().any(is_inside),
        (None, Some(realm)) => {
            // A name that is made to stand for this machine is still that of a registry elsewhere.
            let is_private = |address| is_inside(address) && !is_this_machine(address);
            let registry = resolve(registry);
            is_inside(realm) && (registry.is_empty() || !registry.into_iter().all(is_private))
        }
        (None, None) => {
            let is_outside = |address| !is_inside(address);
            resolve(realm).into_iter().any(is_inside)
                && resolve(registry).into_iter().any(is_outside)
        }
    }
}

/// The address that a host is by itself.
fn literal(host: &str) -> Option<IpAddr> {
    let host = host.trim_end_matches('.');
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(Ipv6Addr::LOCALHOST.into());
    }
    host.parse().ok()
}

fn addresses(host: &str) -> Vec<IpAddr> {
    let found = (host, 0).to_socket_addrs();
    found.map_or_else(
        |_| Vec::new(),
        |found| found.map(|address| address.ip()).collect(),
    )
}

fn is_this_machine(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

/// Addresses that mean something else wherever one is (RFC 1918, 3927, 4193, 4291, 6598).
fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || first == 0
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(host: &str) -> Vec<IpAddr> {
        let addresses: &[&str] = match host {
            "public.example" | "auth.example" => &["203.0.113.5", "2001:db8::5"],
            "inside.example" => &["10.1.2.3"],
            "rebound.example" => &["203.0.113.6", "192.168.0.1"],
            "stand-in.example" | "127.1" => &["127.0.0.1"],
            _ => &[],
        };
        addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect()
    }

    #[test]
    fn a_public_registry_names_no_token_server_in_here() {
        for registry in ["public.example", "203.0.113.5", "unknown.example"] {
            for realm in [
                "127.0.0.1",
                "localhost",
                "localhost.",
                "x.localhost",
                "::1",
                "::ffff:127.0.0.1",
                "0.0.0.0",
                "10.0.0.1",
                "172.16.0.1",
                "192.168.1.1",
                "169.254.169.254",
                "100.64.0.1",
                "fd00::1",
                "fe80::1",
            ] {
                assert!(
                    is_misplaced(registry, realm, &resolve),
                    "{registry} {realm}"
                );
            }
        }
        for registry in ["public.example", "203.0.113.5"] {
            for realm in [
                "inside.example",
                "rebound.example",
                "stand-in.example",
                "127.1",
            ] {
                assert!(
                    is_misplaced(registry, realm, &resolve),
                    "{registry} {realm}"
                );
            }
        }
        assert!(is_misplaced("stand-in.example", "127.0.0.1", &resolve));
        assert!(is_misplaced("rebound.example", "10.0.0.1", &resolve));
    }

    #[test]
    fn a_registry_in_here_may_have_its_token_server_in_here_and_any_one_out_there() {
        for (registry, realm) in [
            ("10.0.0.7", "10.0.0.8"),
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "::1"),
            ("inside.example", "10.0.0.8"),
            ("inside.example", "inside.example"),
            ("stand-in.example", "stand-in.example"),
            ("10.0.0.7", "auth.example"),
            ("public.example", "auth.example"),
            ("public.example", "198.51.100.1"),
            ("public.example", "100.128.0.1"),
            ("public.example", "unknown.example"),
            ("unknown.example", "inside.example"),
        ] {
            assert!(
                !is_misplaced(registry, realm, &resolve),
                "{registry} {realm}"
            );
        }
    }
}
