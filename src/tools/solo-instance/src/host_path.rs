//! Where files of an instance are on this machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::storage::Storage;

impl Instance {
    /// Where a path of the instance (absolute; links are followed inside the instance) is on this machine. Under
    /// `/var/vcap` it also works while the instance is stopped, except in `sys/run` and on the persistent disk.
    /// Elsewhere it is valid until the next stop; of a stopped instance it shows only what differs from the base tree.
    /// The path need not exist.
    ///
    /// # Errors
    /// [`Error::NotRunning`] where the path is only there while the instance runs.
    pub fn host_path(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let pid = self.init_pid()?;
        let storage = self.storage();
        let has_disk = self.record.spec.persistent_disk_mb.is_some();
        let on_host = |path: &Path| place(&storage, pid, path, has_disk);
        let resolved = resolve(path.as_ref(), |path| fs::read_link(on_host(path)?).ok())?;
        on_host(&resolved).ok_or_else(|| Error::NotRunning {
            deployment: self.record.spec.deployment.clone(),
            instance: self.record.spec.name(),
        })
    }
}

/// Where a path without links is on this machine, if it is anywhere.
fn place(storage: &Storage, pid: Option<i32>, path: &Path, has_disk: bool) -> Option<PathBuf> {
    let below = path.strip_prefix("/var/vcap").ok();
    let volatile = below
        .is_some_and(|p| p.starts_with("data/sys/run") || (has_disk && p.starts_with("store")));
    match (below, pid) {
        (Some(below), _) if !volatile => Some(storage.vcap().join(below)),
        (_, Some(pid)) => {
            Some(Path::new(&format!("/proc/{pid}/root")).join(path.strip_prefix("/").ok()?))
        }
        (None, None) => Some(storage.upper().join(path.strip_prefix("/").ok()?)),
        (Some(_), None) => None,
    }
}

/// Follows links as the instance would: an absolute one starts at its root, `..` does not leave it.
fn resolve(path: &Path, link_at: impl Fn(&Path) -> Option<PathBuf>) -> Result<PathBuf> {
    let invalid = |why: &str| Error::Invalid {
        what: "path",
        value: path.display().to_string(),
        why: why.to_owned(),
    };
    if !path.is_absolute() {
        return Err(invalid("it is not absolute"));
    }
    let mut resolved = PathBuf::from("/");
    let mut pending: Vec<OsString> = parts(path);
    let mut links = 0;
    while let Some(part) = pending.pop() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&part);
        match link_at(&next) {
            None => resolved = next,
            Some(target) => {
                links += 1;
                if links > 40 {
                    return Err(invalid("it has too many symbolic links"));
                }
                if target.is_absolute() {
                    resolved = PathBuf::from("/");
                }
                pending.extend(parts(&target));
            }
        }
    }
    Ok(resolved)
}

/// The names in a path, the last first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(path: &str) -> PathBuf {
        resolve(Path::new(path), |at| match at.to_str()? {
            "/var/vcap/sys" => Some("data/sys".into()),
            "/var/vcap/jobs/x" => Some("/var/vcap/data/jobs/x/1".into()),
            "/loop" => Some("/loop".into()),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn links_are_followed_inside_the_instance() {
        assert_eq!(
            resolved("/var/vcap/sys/log/a.log"),
            PathBuf::from("/var/vcap/data/sys/log/a.log")
        );
        assert_eq!(
            resolved("/var/vcap/jobs/x/bin/run"),
            PathBuf::from("/var/vcap/data/jobs/x/1/bin/run")
        );
        assert_eq!(resolved("/../../etc/passwd"), PathBuf::from("/etc/passwd"));
    }

    #[test]
    fn a_link_to_itself_ends() {
        let error = resolve(Path::new("/loop"), |_| Some("/loop".into())).unwrap_err();
        assert!(error.to_string().contains("too many symbolic links"));
    }
}
