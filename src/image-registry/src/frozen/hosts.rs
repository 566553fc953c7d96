//! Which repository an image has here that is named after another registry.

use crate::names::Repository;

/// Docker Hub, whose host clients leave out.
pub const DOCKER_HUB: &str = "docker.io";

/// The repository of `path` at a registry: its host goes before. A repository has no colon, so that a port stands after `_`,
/// which no host has: `registry.example_5000/team/app`. None for a name that is too long, and for addresses of IPv6.
pub fn repository_at(host: &str, path: &str) -> Option<Repository> {
    let host = host.to_ascii_lowercase().replacen(':', "_", 1);
    format!("{host}/{path}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_goes_before_the_path_and_its_port_after_an_underscore() {
        let at = |host, path| repository_at(host, path).map(|repository| repository.to_string());
        for (host, path, expected) in [
            ("docker.io", "library/redis", "docker.io/library/redis"),
            ("localhost:5000", "app", "localhost_5000/app"),
            ("Registry.Example", "a/b", "registry.example/a/b"),
            ("10.0.0.1:443", "a", "10.0.0.1_443/a"),
        ] {
            assert_eq!(at(host, path).as_deref(), Some(expected));
        }
        assert_eq!(at("[fd00::1]:5000", "app"), None);
        assert_eq!(at("docker.io", &"a".repeat(250)), None);
    }
}
