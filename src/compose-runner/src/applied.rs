//! What was brought up last, remembered over deploys: the recipe of today may carry another project's name.

use std::{io, path::PathBuf};

use bosh_job::{Paths, atomic_write, make_dir};
use recipe::ProjectName;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Applied {
    project: String,
}

fn path(paths: &Paths) -> PathBuf {
    paths.compose_dir().join("applied.json")
}

/// The project that was brought up last; nothing if there is none, or if the file cannot be read.
pub fn project(paths: &Paths) -> Option<String> {
    let bytes = std::fs::read(path(paths)).ok()?;
    let applied: Applied = serde_json::from_slice(&bytes).ok()?;
    // It becomes an argument.
    ProjectName::new(&applied.project).map(|name| name.as_str().to_owned())
}

/// Remembers the project that is about to be brought up.
pub fn remember(paths: &Paths, project: &ProjectName) -> io::Result<()> {
    make_dir(&paths.compose_dir(), 0o700)?;
    let applied = Applied {
        project: project.as_str().to_owned(),
    };
    atomic_write(&path(paths), &serde_json::to_vec(&applied)?, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_a_project_and_distrusts_what_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        assert_eq!(project(&paths), None);
        remember(&paths, &ProjectName::new("running").unwrap()).unwrap();
        assert_eq!(project(&paths).as_deref(), Some("running"));
        for content in [
            "",
            "{}",
            "[]",
            r#"{"project":"--help"}"#,
            r#"{"project":7}"#,
        ] {
            std::fs::write(path(&paths), content).unwrap();
            assert_eq!(project(&paths), None, "{content}");
        }
    }
}
