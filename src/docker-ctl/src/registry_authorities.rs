//! Certificates of registries' authorities where dockerd looks for them: `certs.d/<registry>/*.crt`. The job's have a name of
//! their own, so that what others put there stays, and what the properties no longer have goes.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use bosh_job::{Paths, atomic_write, make_dir};
use job_properties::Registries;
use tracing::info;

const NAME: &str = "bosh-job-docker.crt";

/// Makes the job's certificates those of the properties.
pub fn update(paths: &Paths, registries: &Registries) -> anyhow::Result<()> {
    let dir = paths.registry_authorities();
    let wanted = registries.authorities();
    for (name, certificates) in &wanted {
        let file = dir.join(name).join(NAME);
        if std::fs::read(&file).is_ok_and(|present| present == certificates.as_bytes()) {
            continue;
        }
        let parent = dir.join(name);
        if !parent.is_dir() {
            make_dir(&parent, 0o755)?;
        }
        atomic_write(&file, certificates.as_bytes(), 0o644)?;
        info!(registry = name, "the registry's authority written");
    }
    for name in names(&dir)? {
        if wanted.contains_key(&name) {
            continue;
        }
        let (parent, file) = (dir.join(&name), dir.join(&name).join(NAME));
        match std::fs::remove_file(&file) {
            Ok(()) => {
                info!(registry = name, "the registry's authority removed");
                remove_if_empty(&parent)?;
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("removing {}", file.display()));
            }
        }
    }
    Ok(())
}

fn names(dir: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", dir.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", dir.display()))?;
        // the name of a registry is ASCII, so another's is not the job's
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}

fn remove_if_empty(dir: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir(dir) {
        Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => {
            Err(error).with_context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use job_fixture::rendered;
    use job_properties::JobConfig;
    use serde_json::{Value, json};

    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";

    fn registries(entries: &Value) -> Registries {
        let mut config = rendered();
        config["properties"]["registries"] = entries.clone();
        let daemon = JobConfig::from_value(config).unwrap().daemon().unwrap();
        daemon.registries
    }

    #[test]
    fn writes_its_own_removes_its_own_and_leaves_others() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        let dir = paths.registry_authorities();
        update(&paths, &registries(&json!([]))).unwrap();
        assert!(!dir.exists());
        let both = json!([{"address": "a:1", "ca_cert": PEM}, {"address": "b:1", "ca_cert": PEM}]);
        update(&paths, &registries(&both)).unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.join("a:1").join(NAME)).unwrap(),
            PEM
        );

        std::fs::write(dir.join("b:1/ca.crt"), "an operator's").unwrap();
        std::fs::write(dir.join("file"), "").unwrap();
        let other = json!([{"address": "c:1", "ca_cert": PEM}]);
        update(&paths, &registries(&other)).unwrap();
        let mut left = names(&dir).unwrap();
        left.sort();
        assert_eq!(left, ["b:1", "c:1", "file"]);
        assert_eq!(names(&dir.join("b:1")).unwrap(), ["ca.crt"]);
    }
}
