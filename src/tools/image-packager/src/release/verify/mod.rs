//! Whether blobs, lock, packages and jobs agree, with every digest computed again.

mod content;
mod files;
mod findings;

use std::sync::PoisonError;

use serde::Serialize;

use super::Release;
use findings::Findings;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Images that were looked at.
    pub images: usize,
    /// Layers that were looked at, each once.
    pub layers: usize,
    /// Bytes of those layers as stored.
    pub bytes: u64,
    /// Everything that is wrong, ordered by file.
    pub problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, relative to the release.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Release {
    /// Looks at everything, and reports all that is wrong rather than the first.
    #[must_use]
    pub fn verify(&self) -> Verdict {
        let found = Findings::default();
        self.verify_packages(&found);
        self.verify_files(&found);
        self.verify_blobs(&found);
        let layers = self.verify_layers(&found);
        self.verify_images(&found);
        let mut problems = found
            .problems
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        problems.sort();
        problems.dedup();
        Verdict {
            images: self.lock.images().len(),
            layers: layers.len(),
            bytes: layers
                .iter()
                .fold(0, |sum, (_, size)| size.saturating_add(sum)),
            problems,
        }
    }
}
