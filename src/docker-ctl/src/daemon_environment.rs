//! The proxies in dockerd's environment: engines before 23.0 take them from nowhere else. They lie beside the `daemon.json` that
//! they go with, so that settings that worked come back whole.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bosh_job::{Secret, atomic_write};
use job_properties::Proxies;
use serde::{Deserialize, Serialize};

/// Variables and their values. They are not shown: a proxy's URL may hold a password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonEnvironment(BTreeMap<String, String>);

impl DaemonEnvironment {
    /// In both cases: dockerd and what it calls differ in which they read.
    pub fn new(proxies: &Proxies) -> Self {
        let direct = (!proxies.direct.is_empty()).then_some(proxies.direct.as_str());
        let variables = [
            ("HTTP_PROXY", proxies.http.as_ref().map(Secret::reveal)),
            ("HTTPS_PROXY", proxies.https.as_ref().map(Secret::reveal)),
            ("NO_PROXY", direct),
        ];
        let set = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_owned())));
        let both = set.flat_map(|(name, value)| {
            [
                (name.to_ascii_lowercase(), value.clone()),
                (name.to_owned(), value),
            ]
        });
        Self(both.collect())
    }

    /// What goes with the `daemon.json` in a path: nothing where an older release wrote that.
    pub fn read_beside(daemon_json: &Path) -> anyhow::Result<Self> {
        let path = path_beside(daemon_json);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("reading {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Writes it for the `daemon.json` in a path.
    pub fn write_beside(&self, daemon_json: &Path) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        Ok(atomic_write(&path_beside(daemon_json), &bytes, 0o600)?)
    }

    /// The variables.
    pub fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}

fn path_beside(daemon_json: &Path) -> PathBuf {
    let mut name = OsString::from(daemon_json);
    name.push(".env");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use bosh_job::Paths;
    use job_properties::JobConfig;
    use serde_json::json;

    use super::*;
    use crate::daemon_json::DaemonJson;

    #[test]
    fn proxies_are_in_the_environment_alone_and_come_back_with_the_file() {
        let mut config = job_fixture::rendered();
        config["properties"]["env"]["http_proxy"] = json!("http://u:hunter2@p:1");
        config["properties"]["env"]["no_proxy"] = json!("a");
        let daemon = JobConfig::from_value(config).unwrap().daemon().unwrap();
        let with_proxies = DaemonJson::new(&Paths::new("/r"), &daemon, None);
        let text = String::from_utf8(with_proxies.to_bytes().unwrap()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.json");
        with_proxies.write(&path).unwrap();
        assert!(DaemonJson::read(&path).is_some_and(|read| read == with_proxies));
        let DaemonEnvironment(variables) = DaemonEnvironment::read_beside(&path).unwrap();
        for name in ["HTTP_PROXY", "http_proxy"] {
            assert_eq!(variables[name], "http://u:hunter2@p:1");
        }
        assert!(variables["no_proxy"].starts_with("a,localhost,"));
        assert!(!variables.contains_key("HTTPS_PROXY"));
        let mode = std::fs::metadata(path_beside(&path)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);

        std::fs::write(path_beside(&path), "{").unwrap();
        assert!(DaemonJson::read(&path).is_none());
        std::fs::remove_file(path_beside(&path)).unwrap();
        assert!(DaemonJson::read(&path).is_some());
    }
}
