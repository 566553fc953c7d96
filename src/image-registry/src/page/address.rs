//! The addresses of the page. Folders and repositories are at `/ui/NAME`, images at `/ui/NAME/_/TAG`: no part of a name is `_`.

use crate::digest::Digest;
use crate::names::{ManifestReference, Repository};

/// Something that the page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// All folders and repositories.
    Top,
    /// A folder, a repository, or both.
    Place(Repository),
    /// An image of a repository.
    Image(Repository, ManifestReference),
    /// A file that belongs to the page itself.
    Asset(String),
    /// Asks for a login of those who have come without one.
    Login,
}

/// Where those who have come without a login are asked for one: beside `/`, because browsers send a login to what is beside and
/// below the address that asked for it (RFC 7617, 2.2), and to nothing else.
pub const LOGIN: &str = "/login";

/// Whether a path is the page's to answer.
pub fn is_here(path: &str) -> bool {
    path == "/" || path == LOGIN || path == "/ui" || path.starts_with("/ui/")
}

impl Address {
    /// Reads a path; nothing if the page has none such.
    pub fn parse(path: &str) -> Option<Self> {
        if path == LOGIN {
            return Some(Self::Login);
        }
        let path = path.replace("%3A", ":").replace("%3a", ":");
        let path = path.strip_prefix("/ui").unwrap_or(&path);
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.is_empty() {
            return Some(Self::Top);
        }
        if let Some(own) = path.strip_prefix("_/") {
            return Some(Self::Asset(own.to_owned()));
        }
        if let Some((name, reference)) = path.split_once("/_/") {
            return Some(Self::Image(name.parse().ok()?, reference.parse().ok()?));
        }
        let name = path.strip_suffix('/').unwrap_or(path);
        name.parse().ok().map(Self::Place)
    }
}

/// Where a folder or repository is.
pub fn of_place(name: &str) -> String {
    format!("/ui/{name}")
}

/// Where a tag is.
pub fn of_tag(repository: &str, tag: &str) -> String {
    format!("/ui/{repository}/_/{tag}")
}

/// Where a manifest is.
pub fn of_digest(repository: &str, digest: &Digest) -> String {
    format!("/ui/{repository}/_/{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_where_links_point() {
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let name: Repository = "team/app".parse().unwrap();
        let image = |text: &str| Some(Address::Image(name.clone(), text.parse().unwrap()));
        for (path, expected) in [
            ("/".to_owned(), Some(Address::Top)),
            ("/ui".to_owned(), Some(Address::Top)),
            ("/ui/".to_owned(), Some(Address::Top)),
            (of_place("team/app"), Some(Address::Place(name.clone()))),
            (
                "/ui/team/app/".to_owned(),
                Some(Address::Place(name.clone())),
            ),
            (of_tag("team/app", "1.0"), image("1.0")),
            (of_tag("team/app", "_"), image("_")),
            (of_digest("team/app", &digest), image(&digest.to_string())),
            (
                of_digest("team/app", &digest).replace(':', "%3A"),
                image(&digest.to_string()),
            ),
            ("/login".to_owned(), Some(Address::Login)),
            (
                "/ui/_/style.css".to_owned(),
                Some(Address::Asset("style.css".to_owned())),
            ),
            ("/ui//".to_owned(), None),
            ("/ui/..".to_owned(), None),
            ("/ui/a/../b".to_owned(), None),
            ("/ui/A".to_owned(), None),
            ("/ui/a%2fb".to_owned(), None),
            ("/ui/a/_/".to_owned(), None),
            ("/ui/a/_/..".to_owned(), None),
            ("/ui/a/_/b/_/c".to_owned(), None),
            ("/ui/_tags".to_owned(), None),
        ] {
            assert_eq!(Address::parse(&path), expected, "{path}");
            assert!(is_here(&path), "{path}");
        }
        for path in ["/uix", "/v2/", "", "/favicon.ico", "/metrics", "/login/"] {
            assert!(!is_here(path), "{path}");
        }
    }
}
