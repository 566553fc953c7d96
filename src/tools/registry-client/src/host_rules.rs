//! Which hosts a list means: insecure registries, and `NO_PROXY`.

use std::net::IpAddr;

use ipnet::IpNet;
use ureq::http::Uri;
use ureq::http::uri::Authority;

/// `127.0.0.1`, `::1` and `localhost` are this machine, whatever a list says.
pub(crate) fn is_loopback(authority: &Authority) -> bool {
    let host = host(authority);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether a list of insecure registries (`host`, `host:port`, a CIDR range) means this server.
pub(crate) fn is_listed(list: &[String], authority: &Authority) -> bool {
    list.iter().any(|entry| {
        let entry = entry.to_lowercase();
        let entry = entry
            .split_once("://")
            .map_or(entry.as_str(), |(_, rest)| rest);
        let entry = entry.trim_end_matches('/');
        entry == authority.as_str().to_lowercase()
            || entry == host(authority)
            || in_range(entry, &host(authority))
    })
}

/// Whether `NO_PROXY` means this URL, by the rules of Go's `httpproxy`, which Docker follows.
pub(crate) fn is_exempt(list: &str, uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else {
        return false;
    };
    if is_loopback(authority) {
        return true;
    }
    let host = host(authority);
    let port = authority
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("http") {
            80
        } else {
            443
        });
    list.split(',')
        .map(|entry| entry.trim().to_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| entry == "*" || in_range(&entry, &host) || names(&entry, &host, port))
}

fn names(entry: &str, host: &str, port: u16) -> bool {
    let (name, entry_port) = match entry.rsplit_once(':') {
        // More colons are an IPv6 address without a port.
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
            (name, digits.parse::<u16>().ok())
        }
        _ => (entry, None),
    };
    if entry_port.is_some_and(|entry_port| entry_port != port) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.')),
        None => {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

fn in_range(entry: &str, host: &str) -> bool {
    let (Some((network, bits)), Ok(address)) = (entry.split_once('/'), host.parse::<IpAddr>())
    else {
        return false;
    };
    let (Ok(network), Ok(bits)) = (network.parse(), bits.parse()) else {
        return false;
    };
    IpNet::new(network, bits).is_ok_and(|network| network.contains(&address))
}

/// In lower case, an IPv6 address without its brackets.
pub(crate) fn host(authority: &Authority) -> String {
    let host = authority.host().to_lowercase();
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exempts_what_go_exempts() {
        for (list, url, expected) in [
            ("", "https://registry.example/v2/", false),
            ("", "http://localhost:5000/v2/", true),
            ("", "http://127.0.0.1:5000/v2/", true),
            ("", "http://[::1]:5000/v2/", true),
            ("*", "https://registry.example/", true),
            ("registry.example", "https://registry.example/", true),
            ("example", "https://registry.example/", true),
            ("other,  EXAMPLE", "https://registry.Example/", true),
            (".example", "https://registry.example/", true),
            (".example", "https://example/", false),
            ("*.example", "https://registry.example/", true),
            ("gistry.example", "https://registry.example/", false),
            ("registry.example:443", "https://registry.example/", true),
            ("registry.example:80", "https://registry.example/", false),
            (
                "registry.example:5000",
                "https://registry.example:5000/",
                true,
            ),
            ("10.0.0.0/8", "https://10.1.2.3:5000/", true),
            ("10.0.0.0/8", "https://11.1.2.3:5000/", false),
            ("10.1.2.3", "https://10.1.2.3/", true),
            ("fd00::/8", "https://[fd12::1]/", true),
            ("fd12::1", "https://[fd12::1]/", true),
            ("0.0.0.0/0", "https://10.1.2.3/", true),
            ("10.0.0.0/99", "https://10.1.2.3/", false),
        ] {
            assert_eq!(
                is_exempt(list, &url.parse().unwrap()),
                expected,
                "{list} {url}"
            );
        }
    }

    #[test]
    fn lists_insecure_registries_with_and_without_a_port() {
        let list = [
            "registry.example".to_owned(),
            "http://other:5000/".to_owned(),
            "10.0.0.0/8".to_owned(),
        ];
        for (authority, expected) in [
            ("registry.example", true),
            ("registry.example:5000", true),
            ("sub.registry.example", false),
            ("other", false),
            ("other:5000", true),
            ("10.9.9.9:5000", true),
            ("11.9.9.9:5000", false),
        ] {
            assert_eq!(
                is_listed(&list, &authority.parse().unwrap()),
                expected,
                "{authority}"
            );
        }
    }
}
