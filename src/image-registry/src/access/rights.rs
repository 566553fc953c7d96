//! What a login may do, and where.

use serde::Deserialize;

use crate::names::Repository;

/// What can be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Read everything that is there.
    Pull,
    /// Put blobs, manifests and tags there.
    Push,
    /// Take them away.
    Delete,
}

impl Right {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// Rights in the repositories whose names begin so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `team/` for all below `team`, `team/app` for that one and all below it; empty for all.
    #[serde(default)]
    pub repositories: String,
    /// What may be done there.
    pub rights: Vec<Right>,
}

impl Grant {
    /// Whether it grants this.
    pub fn allows(&self, right: Right, repository: &Repository) -> bool {
        let prefix = self.repositories.trim_end_matches('/');
        let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        let is_here =
            prefix.is_empty() || (repository.as_str().strip_prefix(prefix)).is_some_and(is_below);
        is_here && self.rights.contains(&right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_whole_parts_of_a_name() {
        for (prefix, repository, expected) in [
            ("", "a/b", true),
            ("team", "team", true),
            ("team", "team/app", true),
            ("team/", "team/app/x", true),
            ("team", "teams", false),
            ("team/", "teams/app", false),
            ("team/app", "team/apps", false),
            ("team/app", "team", false),
        ] {
            let grant = Grant {
                repositories: prefix.to_owned(),
                rights: vec![Right::Pull],
            };
            let repository = repository.parse().unwrap();
            assert_eq!(
                grant.allows(Right::Pull, &repository),
                expected,
                "{prefix} {repository}"
            );
            assert!(!grant.allows(Right::Push, &repository));
        }
    }
}
