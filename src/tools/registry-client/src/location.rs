//! URLs: how they are shown, and where a redirect leads.

use ureq::http::Uri;
use url::Url;

/// Scheme, host, port and path; neither user nor query, which may hold secrets.
pub(crate) fn shown(uri: &Uri) -> String {
    format!("{}{}", origin(uri), uri.path())
}

/// Scheme, host and port.
pub(crate) fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri.host().unwrap_or_default();
    match port(uri) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Whether both go to the same server: to no other may credentials go.
pub(crate) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    origin(one).eq_ignore_ascii_case(&origin(other))
}

/// The port, where it is not the scheme's own.
fn port(uri: &Uri) -> Option<u16> {
    let usual = if uri.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    uri.port_u16().filter(|port| *port != usual)
}

/// What the header `Location` means in the answer to `from` (RFC 3986, section 5.2, as the URL standard has it).
pub(crate) fn follow(from: &Uri, location: &str) -> Result<Uri, &'static str> {
    const NO_URL: &str = "its Location is not a URL";
    let from = Url::parse(&from.to_string()).map_err(|_| NO_URL)?;
    let mut url = from.join(location).map_err(|_| NO_URL)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its Location is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its Location holds a user");
    }
    url.set_fragment(None);
    url.as_str().parse().map_err(|_| NO_URL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_locations() {
        let from: Uri = "https://registry.example:5000/v2/a/blobs/x?y=1"
            .parse()
            .unwrap();
        for (location, expected) in [
            (
                "https://store.example/x?sig=1",
                "https://store.example/x?sig=1",
            ),
            ("//store.example/x", "https://store.example/x"),
            (
                "/v2/z?a=https://b",
                "https://registry.example:5000/v2/z?a=https://b",
            ),
            (
                "z?a=https://b",
                "https://registry.example:5000/v2/a/blobs/z?a=https://b",
            ),
            ("?z=2", "https://registry.example:5000/v2/a/blobs/x?z=2"),
            ("https://store.example/x#part", "https://store.example/x"),
            ("../z/./y", "https://registry.example:5000/v2/a/z/y"),
            ("/v2/../../z", "https://registry.example:5000/z"),
            ("http://my_store:9000/x", "http://my_store:9000/x"),
            ("https://[fd00::1]:5000/x", "https://[fd00::1]:5000/x"),
            (
                "https://xn--bcher-kva.example/x",
                "https://xn--bcher-kva.example/x",
            ),
            (
                "/x?X-Amz-Credential=a%2Fb&X-Amz-Signature=0%2B1=",
                "https://registry.example:5000/x?X-Amz-Credential=a%2Fb&X-Amz-Signature=0%2B1=",
            ),
        ] {
            assert_eq!(follow(&from, location).unwrap().to_string(), expected);
        }
        for location in [
            "ftp://x/y",
            "file:///etc/passwd",
            "https://anna:geheim@x/y",
            "https://anna@x/y",
            "mailto:anna",
            "https://x:99999/y",
            "https://",
            "http://a b/",
        ] {
            assert!(follow(&from, location).is_err(), "{location}");
        }
    }

    #[test]
    fn compares_servers_with_their_ports() {
        let same =
            |one: &str, other: &str| is_same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("https://a.example/x", "https://A.example:443/y"));
        assert!(!same("https://a.example/x", "http://a.example/x"));
        assert!(!same("https://a.example/x", "https://a.example:5000/x"));
        assert!(!same("https://a.example/x", "https://b.example/x"));
    }

    #[test]
    fn shows_no_query_and_no_user() {
        let uri: Uri = "https://anna:geheim@a.example:5000/x?sig=geheim"
            .parse()
            .unwrap();
        assert_eq!(shown(&uri), "https://a.example:5000/x");
    }
}
