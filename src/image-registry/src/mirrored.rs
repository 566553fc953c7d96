//! Repositories of other registries: their hosts, and the names that they have here.

use crate::names::Repository;

/// Docker Hub, which clients mean that name no registry.
const DOCKER_HUB: &str = "docker.io";

/// A repository of another registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The registry's host, with its port if it has one.
    pub host: String,
    /// The repository's name there: `library/redis`.
    pub path: Repository,
    /// Its name here, by which rights to it are granted: `docker.io/library/redis`.
    pub repository: Repository,
}

/// The other registries whose images are here, each with the name that stands before its repositories' names.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Vec<(String, String)>);

impl Hosts {
    /// These: the host, and the first part of its repositories' names.
    pub fn new(hosts: Vec<(String, String)>) -> Self {
        Self(hosts)
    }

    /// A repository of a registry, by its name there. None if no images of that registry are here, or the name gets too long.
    pub fn at(&self, host: &str, path: &Repository) -> Option<Mirrored> {
        let (host, first) = self.0.iter().find(|(known, _)| known == host)?;
        Some(Mirrored {
            host: host.clone(),
            path: path.clone(),
            repository: format!("{first}/{path}").parse().ok()?,
        })
    }

    /// A repository of Docker Hub.
    pub fn at_docker_hub(&self, path: &Repository) -> Option<Mirrored> {
        self.at(DOCKER_HUB, path)
    }

    /// The repository of another registry that a whole name is of.
    pub fn of(&self, repository: &Repository) -> Option<Mirrored> {
        self.0.iter().find_map(|(host, first)| {
            let path = repository.as_str().strip_prefix(first)?;
            Some(Mirrored {
                host: host.clone(),
                path: path.strip_prefix('/')?.parse().ok()?,
                repository: repository.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_and_a_host_with_a_name_mean_the_same() {
        let host = |host: &str, first: &str| (host.to_owned(), first.to_owned());
        let hosts = Hosts::new(vec![
            host("docker.io", "docker.io"),
            host("registry.corp:5000", "corp"),
        ]);
        let name = |text: &str| text.parse::<Repository>().unwrap();
        let redis = hosts.at("docker.io", &name("library/redis")).unwrap();
        assert_eq!(redis.repository, name("docker.io/library/redis"));
        assert_eq!(
            hosts.of(&name("docker.io/library/redis")),
            Some(redis.clone())
        );
        assert_eq!(hosts.at_docker_hub(&name("library/redis")), Some(redis));
        let app = hosts.at("registry.corp:5000", &name("app")).unwrap();
        assert_eq!(hosts.of(&name("corp/app")), Some(app));
        for other in ["library/redis", "docker.io", "docker.iox/a", "corporation"] {
            assert_eq!(hosts.of(&name(other)), None, "{other}");
        }
        assert_eq!(hosts.at("ghcr.io", &name("app")), None);
        assert_eq!(Hosts::default().at_docker_hub(&name("app")), None);
    }
}
