//! Whose images a repository's name stands for.

use crate::mirrored::Mirrored;
use crate::names::Repository;

/// A repository, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// What is pushed here.
    Own(Repository),
    /// What belongs to another registry.
    Mirrored(Mirrored),
}

impl Name {
    /// Its whole name, by which rights to it are granted.
    pub fn repository(&self) -> &Repository {
        match self {
            Self::Own(repository) => repository,
            Self::Mirrored(mirrored) => &mirrored.repository,
        }
    }
}
