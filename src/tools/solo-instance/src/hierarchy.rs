//! The cgroup hierarchies that this machine has mounted: v1, v2 or both.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mountinfo::{self, Mount};

/// A hierarchy that this machine has mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hierarchy {
    /// Where this machine has it.
    pub(crate) point: PathBuf,
    /// Its v1 controllers or name, as mount options (`cpu,cpuacct`, `name=systemd`); none: it is v2.
    pub(crate) v1: Option<String>,
}

/// A version of cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CgroupVersion {
    V1,
    V2,
}

impl CgroupVersion {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

impl Hierarchy {
    pub(crate) fn is_v2(&self) -> bool {
        self.v1.is_none()
    }
}

/// The hierarchies of this machine.
pub(crate) fn of_this_machine() -> Result<Vec<Hierarchy>> {
    let controllers = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let controllers: Vec<&str> = controllers
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    let found = select(&mountinfo::of("self")?, &controllers);
    if found.is_empty() {
        return Err(Error::Unsupported {
            what: "this machine has no cgroups mounted".to_owned(),
            hint: "mount cgroup2 at /sys/fs/cgroup".to_owned(),
        });
    }
    Ok(found)
}

fn select(mounts: &[Mount], controllers: &[&str]) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for mount in mounts
        .iter()
        .filter(|m| m.point.starts_with("/sys/fs/cgroup"))
    {
        let v1 = match mount.kind.as_str() {
            "cgroup2" => None,
            "cgroup" => {
                let wanted =
                    |o: &&String| o.starts_with("name=") || controllers.contains(&o.as_str());
                Some(
                    mount
                        .options
                        .iter()
                        .filter(wanted)
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(","),
                )
            }
            _ => continue,
        };
        if !found.iter().any(|h| h.v1 == v1) {
            found.push(Hierarchy {
                point: mount.point.clone(),
                v1,
            });
        }
    }
    found
}

/// The hierarchies of one version or all of them. A machine with v2 alone has it at the top.
pub(crate) fn seen(hierarchies: &[Hierarchy], wanted: Option<CgroupVersion>) -> Vec<Hierarchy> {
    let top = |h: &Hierarchy| Hierarchy {
        point: "/sys/fs/cgroup".into(),
        v1: h.v1.clone(),
    };
    match wanted {
        Some(CgroupVersion::V1) => hierarchies.iter().filter(|h| !h.is_v2()).cloned().collect(),
        Some(CgroupVersion::V2) => hierarchies.iter().filter(|h| h.is_v2()).map(top).collect(),
        None => hierarchies.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &str, kind: &str, options: &str) -> Mount {
        Mount {
            device: "0:1".to_owned(),
            point: point.into(),
            kind: kind.to_owned(),
            options: options.split(',').map(str::to_owned).collect(),
        }
    }

    #[test]
    fn v1_hierarchies_are_known_by_their_controllers_or_name() {
        let mounts = [
            mount("/sys/fs/cgroup", "tmpfs", "rw,mode=755"),
            mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
            mount(
                "/sys/fs/cgroup/systemd",
                "cgroup",
                "rw,xattr,release_agent=/x,name=systemd",
            ),
            mount("/sys/fs/cgroup/unified", "cgroup2", "rw,nsdelegate"),
            mount("/srv/elsewhere", "cgroup", "rw,cpu,cpuacct"),
        ];
        let found = select(&mounts, &["cpu", "cpuacct", "memory"]);
        let v1: Vec<Option<&str>> = found.iter().map(|h| h.v1.as_deref()).collect();
        assert_eq!(v1, [Some("cpu,cpuacct"), Some("name=systemd"), None]);
    }

    #[test]
    fn an_instance_can_be_shown_one_version_alone() {
        let mounts = [
            mount("/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"),
            mount("/sys/fs/cgroup/unified", "cgroup2", "rw"),
        ];
        let both = select(&mounts, &["cpu"]);
        assert_eq!(seen(&both, None).len(), 2);
        assert_eq!(
            seen(&both, Some(CgroupVersion::V1)),
            [Hierarchy {
                point: "/sys/fs/cgroup/cpu".into(),
                v1: Some("cpu".into())
            }]
        );
        assert_eq!(
            seen(&both, Some(CgroupVersion::V2)),
            [Hierarchy {
                point: "/sys/fs/cgroup".into(),
                v1: None
            }]
        );
    }

    #[test]
    fn a_hierarchy_that_is_mounted_twice_is_used_once() {
        let mounts = [
            mount("/sys/fs/cgroup", "cgroup2", "rw"),
            mount("/sys/fs/cgroup/x", "cgroup2", "rw"),
        ];
        assert_eq!(select(&mounts, &[]).len(), 1);
    }
}
