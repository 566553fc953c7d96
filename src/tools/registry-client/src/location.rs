//! URLs: how they are shown, and where a redirect leads.

use ureq::http::Uri;

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

/// What the header `Location` means in the answer to `from` (RFC 3986, section 5.2, but for `.` and `..`).
pub(crate) fn follow(from: &Uri, location: &str) -> Result<Uri, &'static str> {
    const NO_URL: &str = "its Location is not a URL";
    let location = location.split('#').next().unwrap_or_default();
    let scheme = from.scheme_str().unwrap_or("https");
    let has_scheme = location
        .split_once("://")
        .is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let absolute = if has_scheme {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else {
        let base = from.authority().ok_or(NO_URL)?;
        let path = if location.starts_with('/') {
            location.to_owned()
        } else if location.starts_with('?') {
            format!("{}{location}", from.path())
        } else {
            let directory = from
                .path()
                .rfind('/')
                .map_or("/", |end| &from.path()[..=end]);
            format!("{directory}{location}")
        };
        format!("{scheme}://{base}{path}")
    };
    let uri: Uri = absolute.parse().map_err(|_| NO_URL)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("its Location is neither http nor https");
    }
    let authority = uri.authority().ok_or(NO_URL)?;
    if authority.host().is_empty() {
        return Err(NO_URL);
    }
    if authority.as_str().contains('@') {
        return Err("its Location holds a user");
    }
    Ok(uri)
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
        ] {
            assert_eq!(follow(&from, location).unwrap().to_string(), expected);
        }
        for location in [
            "ftp://x/y",
            "file:///etc/passwd",
            "https://anna:geheim@x/y",
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
