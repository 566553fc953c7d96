//! Addresses: of other registries, of what they redirect to, and of proxies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bosh_job::Secret;
use hyper::Uri;
use hyper::http::uri::{PathAndQuery, Scheme};

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether through TLS.
    pub is_tls: bool,
    /// The host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

impl Address {
    /// Reads `https://HOST[:PORT][/PATH]` or the same with `http`.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_tls = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .map_or(host, |host| host.strip_suffix(']').unwrap_or(host));
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" if is_tls => 443,
            "" => 80,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        Some(Self {
            is_tls,
            host: host.to_owned(),
            port,
            path: uri
                .path_and_query()
                .map_or("/", PathAndQuery::as_str)
                .to_owned(),
        })
    }

    /// Where a `Location` of this address leads.
    pub fn join(&self, location: &str) -> Option<Self> {
        if let Some(path) = location.strip_prefix("//") {
            let scheme = if self.is_tls { "https" } else { "http" };
            return Self::parse(&format!("{scheme}://{path}"));
        }
        if location.starts_with('/') {
            return Some(self.with_path(location));
        }
        Self::parse(location)
    }

    /// The same with another path.
    pub fn with_path(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// `HOST:PORT`, with brackets around an address of IPv6.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The value of the header `Host`.
    pub fn host_header(&self) -> String {
        let standard = if self.is_tls { 443 } else { 80 };
        let authority = self.authority();
        if self.port == standard {
            let port = format!(":{standard}");
            return authority
                .strip_suffix(&port)
                .unwrap_or(&authority)
                .to_owned();
        }
        authority
    }

    /// Whether both are the same server: what one may know the other may.
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.is_tls == other.is_tls && self.host == other.host && self.port == other.port
    }
}

/// A proxy that makes tunnels.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: Address,
    /// What it wants to hear.
    pub authorization: Option<Secret>,
}

impl Proxy {
    /// Reads `http://[USER:PASSWORD@]HOST:PORT`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let (login, server) = match rest.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, rest),
        };
        Some(Self {
            address: Address::parse(&format!("http://{server}"))?,
            authorization: login.map(|login| basic(&decoded(login))),
        })
    }
}

/// The value of `Authorization` for `USER:PASSWORD`.
pub fn basic(login: &str) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(login)))
}

/// Text in which bytes may be percent-encoded.
fn decoded(text: &str) -> String {
    let escaped = text
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(escaped.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(text, _)| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_a_host_and_a_port() {
        let parsed = |text: &str| {
            Address::parse(text).map(|found| (found.is_tls, found.authority(), found.path))
        };
        for (text, is_tls, authority, path) in [
            ("https://a.b", true, "a.b:443", "/"),
            ("http://a:5000/v2?x=1", false, "a:5000", "/v2?x=1"),
            ("https://[::1]:5000", true, "[::1]:5000", "/"),
        ] {
            let expected = (is_tls, authority.to_owned(), path.to_owned());
            assert_eq!(parsed(text), Some(expected), "{text}");
        }
        for bad in [
            "",
            "a",
            "a:5000",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "http://a:x",
            "file:///a",
            "http://a:99999",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn locations_are_read_against_the_address_that_they_came_from() {
        let from = Address::parse("https://a/v2/x").unwrap();
        for (location, expected) in [
            ("/y?z", "https://a/y?z"),
            ("//b/y", "https://b/y"),
            ("http://b:1/y", "http://b:1/y"),
        ] {
            assert_eq!(from.join(location), Address::parse(expected), "{location}");
        }
        assert_eq!(from.join("y"), None);
        assert!(!from.is_same_server(&Address::parse("http://a").unwrap()));
        assert_eq!(from.host_header(), "a");
        assert_eq!(
            Address::parse("http://[::1]:443").unwrap().host_header(),
            "[::1]:443"
        );
    }

    #[test]
    fn a_proxy_may_want_a_login_that_nothing_shows() {
        let proxy = Proxy::parse("http://u:p%40ss+&=@proxy:3128").unwrap();
        assert_eq!(proxy.address.authority(), "proxy:3128");
        let login = STANDARD.encode("u:p@ss+&=");
        assert_eq!(
            proxy.authorization.as_ref().unwrap().reveal(),
            format!("Basic {login}")
        );
        assert!(!format!("{proxy:?}").contains(&login));
        assert!(Proxy::parse("https://proxy:3128").is_none());
        assert!(
            Proxy::parse("http://proxy:3128")
                .unwrap()
                .authorization
                .is_none()
        );
    }
}
