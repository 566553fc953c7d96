//! The repositories that there are.

use std::io;
use std::path::Path;

use super::Storage;
use super::files::entries;
use crate::digest::{Algorithm, Digest};
use crate::names::Repository;

impl Storage {
    /// Whether anything was ever pushed to a repository.
    pub fn has_repository(&self, repository: &Repository) -> bool {
        is_repository(&self.repository(repository))
    }

    /// All repositories, in the order of their names.
    pub fn repositories(&self) -> io::Result<Vec<Repository>> {
        let mut found = Vec::new();
        let mut ahead = vec![String::new()];
        while let Some(name) = ahead.pop() {
            let directory = self.root.join("repositories").join(&name);
            for entry in entries(&directory)? {
                let below = if name.is_empty() {
                    entry
                } else {
                    format!("{name}/{entry}")
                };
                let Ok(repository) = below.parse::<Repository>() else {
                    continue;
                };
                if self.has_repository(&repository) {
                    found.push(repository);
                }
                ahead.push(below);
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

fn is_repository(directory: &Path) -> bool {
    ["_blobs", "_manifests"]
        .iter()
        .any(|kind| directory.join(kind).is_dir())
}

/// The digests of the files `ALGORITHM/PREFIX/HEX` below a directory.
pub(super) fn digests_below(directory: &Path) -> io::Result<Vec<Digest>> {
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        let top = directory.join(algorithm.as_str());
        for prefix in entries(&top)? {
            let names = entries(&top.join(&prefix))?;
            let digest = |hex: &String| Digest::from_parts(algorithm.as_str(), hex);
            found.extend(names.iter().filter_map(digest));
        }
    }
    Ok(found)
}

/// The digests that entries below a directory are named by, in their order.
pub(super) fn digests(directory: &Path) -> io::Result<Vec<Digest>> {
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        let names = entries(&directory.join(algorithm.as_str()))?;
        let digest = |hex: &String| Digest::from_parts(algorithm.as_str(), hex);
        found.extend(names.iter().filter_map(digest));
    }
    found.sort_unstable();
    Ok(found)
}
