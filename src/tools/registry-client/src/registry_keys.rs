//! Which keys of `auths` mean a repository, and which of them goes first.
//!
//! Docker writes hosts, for Docker Hub `https://index.docker.io/v1/`, and older versions wrote URLs (docker/cli,
//! `cli/config/credentials/file_store.go`); podman and skopeo also write repositories and what goes before them, of which
//! the longest counts (containers/image, `pkg/docker/config`, and containers-auth.json(5)).

use std::cmp::Reverse;

pub(crate) const HUB: &str = "docker.io";
/// Docker's own key for Docker Hub.
pub(crate) const HUB_KEY: &str = "https://index.docker.io/v1/";
/// What a login in the browser keeps beside Docker's own key: tokens for Docker's API, no password of the registry.
const TOKENS: [&str; 2] = ["access-token", "refresh-token"];

/// How well a key fits; the smallest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The repository, or what it lies below: the longer, the better.
    Path(Reverse<usize>),
    /// The key that Docker writes.
    Own,
    /// The registry's name.
    Host,
    /// Another name of it.
    Alias,
    /// A URL of its API.
    Url,
    /// Another URL there.
    OtherUrl,
}

/// The keys that mean this repository of this registry, the best first. Without a repository: those that mean the whole
/// registry. `.dockercfg` has no keys with repositories, so that `legacy` takes them for the whole registry.
pub(crate) fn ranked<'k>(
    keys: impl Iterator<Item = &'k str>,
    registry: &str,
    repository: &str,
    legacy: bool,
) -> Vec<&'k str> {
    let mut found: Vec<(Fit, &str)> = keys
        .filter_map(|key| Some((fit(key, registry, repository, legacy)?, key)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, key)| key).collect()
}

/// The registry that a key means, without regard to repositories.
pub(crate) fn normal_name(key: &str) -> String {
    let name = key.split_once("://").map_or(key, |(_, rest)| rest);
    normal_host(name.split('/').next().unwrap_or_default()).to_owned()
}

fn normal_host(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}

fn fit(key: &str, registry: &str, repository: &str, legacy: bool) -> Option<Fit> {
    let (is_url, rest) = match key.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, key),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    if normal_host(host) != registry || TOKENS.contains(&last) {
        return None;
    }
    if key == HUB_KEY {
        return Some(Fit::Own);
    }
    let is_api = matches!(path, "" | "v1" | "v2");
    if !is_url && !is_api && !legacy {
        let below = repository.strip_prefix(path)?;
        let is_below = below.is_empty() || below.starts_with('/');
        return is_below.then_some(Fit::Path(Reverse(path.len())));
    }
    Some(if key == registry {
        Fit::Host
    } else if is_url && is_api {
        Fit::Url
    } else if is_api {
        Fit::Alias
    } else {
        Fit::OtherUrl
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[&'static str], registry: &str, repository: &str) -> Vec<&'static str> {
        ranked(keys.iter().copied(), registry, repository, false)
    }

    #[test]
    fn dockers_own_key_goes_before_every_other_name_of_docker_hub() {
        let keys = [
            "registry-1.docker.io",
            "index.docker.io",
            "docker.io",
            "https://index.docker.io/v2/",
            "https://registry-1.docker.io/x",
            "https://index.docker.io/v1/",
            "docker.io.example",
        ];
        assert_eq!(
            of(&keys, "docker.io", "library/redis"),
            [
                "https://index.docker.io/v1/",
                "docker.io",
                "index.docker.io",
                "registry-1.docker.io",
                "https://index.docker.io/v2/",
                "https://registry-1.docker.io/x",
            ]
        );
    }

    #[test]
    fn tokens_that_a_login_in_the_browser_keeps_are_no_login() {
        for key in [
            "https://index.docker.io/v1/access-token",
            "https://index.docker.io/v1/refresh-token",
            "https://index.docker.io/v1/refresh-token/",
            "index.docker.io/v1/access-token",
            "https://registry.example/v1/refresh-token",
        ] {
            assert!(of(&[key], "docker.io", "a/b").is_empty(), "{key}");
            assert!(of(&[key], "registry.example", "a/b").is_empty(), "{key}");
        }
    }

    #[test]
    fn the_longest_path_that_a_repository_lies_below_goes_first() {
        let keys = [
            "quay.io",
            "quay.io/team",
            "quay.io/team/app",
            "quay.io/te",
            "quay.io/team/app/more",
            "quay.io/other",
            "quay.io:443/team",
        ];
        for (repository, expected) in [
            (
                "team/app",
                vec!["quay.io/team/app", "quay.io/team", "quay.io"],
            ),
            ("team/web", vec!["quay.io/team", "quay.io"]),
            ("team", vec!["quay.io/team", "quay.io"]),
            ("x/app", vec!["quay.io"]),
            ("", vec!["quay.io"]),
        ] {
            assert_eq!(of(&keys, "quay.io", repository), expected, "{repository}");
        }
        assert_eq!(
            of(
                &["https://index.docker.io/v1/", "docker.io/team"],
                "docker.io",
                "team/app"
            ),
            ["docker.io/team", "https://index.docker.io/v1/"]
        );
    }

    #[test]
    fn the_registrys_name_goes_before_urls_of_it() {
        let keys = [
            "http://registry.example:5000",
            "https://registry.example:5000/v2/",
            "registry.example:5000/v1/",
            "registry.example:5000",
            "registry.example",
        ];
        assert_eq!(
            of(&keys, "registry.example:5000", "a"),
            [
                "registry.example:5000",
                "registry.example:5000/v1/",
                "http://registry.example:5000",
                "https://registry.example:5000/v2/",
            ]
        );
        assert_eq!(of(&["[::1]:5000"], "[::1]:5000", "a"), ["[::1]:5000"]);
    }

    #[test]
    fn the_older_file_has_no_keys_with_repositories() {
        let keys = ["registry.example/some/api"].into_iter();
        assert_eq!(
            ranked(keys, "registry.example", "a", true),
            ["registry.example/some/api"]
        );
    }
}
