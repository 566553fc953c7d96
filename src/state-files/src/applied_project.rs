//! What was brought up last, remembered over deploys: the recipe of today may carry another project's name.

use std::io;
use std::path::PathBuf;

use bosh_job::Paths;
use recipe::ProjectName;
use serde::{Deserialize, Serialize};

use crate::StateFile;

/// The project that compose-runner brought up last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliedProject {
    project: String,
}

impl StateFile for AppliedProject {
    const VERSION: u32 = 1;

    fn path(paths: &Paths) -> PathBuf {
        paths.applied()
    }
}

impl AppliedProject {
    /// Its name; nothing if there is none, or if the file cannot be read.
    #[must_use]
    pub fn name(paths: &Paths) -> Option<ProjectName> {
        let applied = Self::read(paths).ok().flatten()?;
        // It becomes an argument.
        ProjectName::new(&applied.project)
    }

    /// Remembers the project that is about to be brought up.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remember(paths: &Paths, project: &ProjectName) -> io::Result<()> {
        let project = project.as_str().to_owned();
        Self { project }.write(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_a_project_and_distrusts_what_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        assert_eq!(AppliedProject::name(&paths), None);
        let running = ProjectName::new("running").unwrap();
        AppliedProject::remember(&paths, &running).unwrap();
        assert_eq!(AppliedProject::name(&paths), Some(running));
        for content in [
            "",
            "{}",
            "[]",
            r#"{"project":"--help"}"#,
            r#"{"project":7}"#,
        ] {
            std::fs::write(paths.applied(), content).unwrap();
            assert_eq!(AppliedProject::name(&paths), None, "{content}");
        }
    }
}
