//! Whose images a repository's name stands for.

use crate::names::Repository;

/// A repository, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// What is pushed here.
    Own(Repository),
}

impl Name {
    /// What a request's repository stands for; `registry` is the host in whose place a client asks (its `ns`). None if no images
    /// of it are here.
    pub fn of(repository: Repository, registry: Option<&str>) -> Option<Self> {
        registry.is_none().then_some(Self::Own(repository))
    }

    /// The repository by which rights to it are granted.
    pub fn repository(&self) -> &Repository {
        match self {
            Self::Own(repository) => repository,
        }
    }
}
