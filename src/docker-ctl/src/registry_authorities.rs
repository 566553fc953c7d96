//! Certificates where dockerd looks for them: `certs.d/<registry>/*.crt` of registries' authorities, and `*.cert` with `*.key`, which
//! it shows a registry. The job's have a name of their own, so that what others put there stays, and what the properties no longer
//! have goes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use bosh_job::{Paths, atomic_write, make_dir};
use job_properties::Registries;
use tracing::info;

const AUTHORITY: &str = "bosh-job-docker.crt";
const CLIENT_CERTIFICATE: &str = "bosh-job-docker.cert";
const CLIENT_KEY: &str = "bosh-job-docker.key";

/// Makes the job's certificates those of the properties and of link `registry`.
pub fn update(paths: &Paths, registries: &Registries) -> anyhow::Result<()> {
    let dir = paths.registry_authorities();
    let clients = registries.client_certificates();
    let keys = clients
        .iter()
        .map(|(name, client)| (name.clone(), client.private_key.reveal().to_owned()));
    let certificates = clients
        .iter()
        .map(|(name, client)| (name.clone(), client.certificate.clone()));
    // a graph driver pulls nothing from a registry that has one of key and certificate without the other
    update_files(&dir, AUTHORITY, 0o644, &registries.authorities(), &[])?;
    update_files(&dir, CLIENT_KEY, 0o600, &keys.collect(), &[])?;
    update_files(
        &dir,
        CLIENT_CERTIFICATE,
        0o644,
        &certificates.collect(),
        &[],
    )
}

/// Makes the files of one name, in the directories of registries, what they should be, and removes those of other registries, but
/// not of those that are `kept`.
pub fn update_files(
    dir: &Path,
    file_name: &str,
    mode: u32,
    wanted: &BTreeMap<String, String>,
    kept: &[String],
) -> anyhow::Result<()> {
    for (registry, content) in wanted {
        let parent = dir.join(registry);
        let file = parent.join(file_name);
        if std::fs::read(&file).is_ok_and(|present| present == content.as_bytes()) {
            continue;
        }
        if !parent.is_dir() {
            make_dir(&parent, 0o755)?;
        }
        atomic_write(&file, content.as_bytes(), mode)?;
        info!(registry, file = file_name, "the registry's file written");
    }
    for registry in names(dir)? {
        if wanted.contains_key(&registry) || kept.contains(&registry) {
            continue;
        }
        let parent = dir.join(&registry);
        let file = parent.join(file_name);
        match std::fs::remove_file(&file) {
            Ok(()) => {
                info!(registry, file = file_name, "the registry's file removed");
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

/// The registries that have a directory.
pub fn names(dir: &Path) -> anyhow::Result<Vec<String>> {
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
    use std::os::unix::fs::PermissionsExt;

    use job_fixture::rendered;
    use job_properties::JobConfig;
    use serde_json::{Value, json};

    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n";

    fn registries(entries: &Value) -> Registries {
        parsed(|config| config["properties"]["registries"] = entries.clone())
    }

    fn parsed(change: impl FnOnce(&mut Value)) -> Registries {
        let mut config = rendered();
        change(&mut config);
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
            std::fs::read_to_string(dir.join("a:1").join(AUTHORITY)).unwrap(),
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

    #[test]
    fn a_registry_is_shown_a_certificate_while_the_link_is_there() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        let dir = paths.registry_authorities();
        let linked = parsed(|config| {
            config["links"]["registry"] = json!({
                "address": "r", "instances": [], "port": 1, "ca": PEM, "upstreams": [], "frozen": null
            });
            config["properties"]["registry_client"] =
                json!({"certificate": PEM, "private_key": KEY, "host": null});
        });
        update(&paths, &linked).unwrap();
        let mut files = names(&dir.join("r:1")).unwrap();
        files.sort();
        assert_eq!(files, [CLIENT_CERTIFICATE, AUTHORITY, CLIENT_KEY]);
        let key = dir.join("r:1").join(CLIENT_KEY);
        assert_eq!(std::fs::read_to_string(&key).unwrap(), KEY);
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        update(&paths, &registries(&json!([]))).unwrap();
        assert_eq!(names(&dir).unwrap(), Vec::<String>::new());
    }
}
