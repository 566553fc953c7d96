//! Control groups of an instance: one subtree in each hierarchy that this machine has mounted (v1, v2 or both).
//!
//! An instance's subtree is the root of its cgroup namespace, so that dockerd finds what it finds on a VM. On v2 a
//! group with processes in it cannot hand controllers down (cgroups(7), "no internal processes"), which the real
//! root may: so PID 1 and what is run later live in a leaf `init` of it.

use std::fs;
use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::environment;
use crate::error::{Error, Result};
use crate::hierarchy::{self, Hierarchy};
use crate::process;

const LEAF: &str = "init";

/// The groups of one instance, or (to look for what is left) of a whole deployment.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup {
    hierarchies: Vec<Hierarchy>,
    path: PathBuf,
}

impl Cgroup {
    /// `path` is relative to each hierarchy's root: `bosh-solo/<deployment>/<instance>`.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self {
            hierarchies: hierarchy::of_this_machine()?,
            path: path.into(),
        })
    }

    /// What the instance mounts of the hierarchies. Both versions where this machine has both, unless the
    /// environment asks for one, as a Jammy or a Noble stemcell has it.
    pub(crate) fn seen_inside(&self) -> Result<Vec<Hierarchy>> {
        let wanted = environment::cgroup()?;
        let seen = hierarchy::seen(&self.hierarchies, wanted);
        match wanted {
            Some(version) if seen.is_empty() => Err(environment::no_such_cgroup(version)),
            _ => Ok(seen),
        }
    }

    fn directories(&self) -> impl Iterator<Item = (&Hierarchy, PathBuf)> {
        self.hierarchies
            .iter()
            .map(|h| (h, h.point.join(&self.path)))
    }

    /// Makes the groups. Another instance that goes takes the parents along as long as they are empty: they are made
    /// again then.
    pub(crate) fn create(&self) -> Result<()> {
        let vanished =
            |error: &Error| matches!(error, Error::Io { source, .. } if source.kind() == NotFound);
        let mut result = self.try_create();
        for _ in 0..10 {
            if !result.as_ref().is_err_and(vanished) {
                break;
            }
            result = self.try_create();
        }
        result
    }

    fn try_create(&self) -> Result<()> {
        for hierarchy in &self.hierarchies {
            let mut directory = hierarchy.point.clone();
            for part in &self.path {
                if hierarchy.is_v2() {
                    hand_down_controllers(&directory);
                }
                let child = directory.join(part);
                make(&child)?;
                if hierarchy
                    .v1
                    .as_deref()
                    .is_some_and(|o| o.split(',').any(|c| c == "cpuset"))
                {
                    copy_cpuset(&directory, &child)?;
                }
                directory = child;
            }
            if hierarchy.is_v2() {
                make(&directory.join(LEAF))?;
            }
        }
        Ok(())
    }

    /// The files that a process writes `0` to in order to enter the groups themselves: what is then unshared as the
    /// cgroup namespace has them as its root.
    pub(crate) fn root_entries(&self) -> Vec<PathBuf> {
        self.directories()
            .map(|(_, directory)| directory.join("cgroup.procs"))
            .collect()
    }

    /// The same for where processes live.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        self.directories()
            .map(|(h, directory)| {
                if h.is_v2() {
                    directory.join(LEAF)
                } else {
                    directory
                }
            })
            .map(|directory| directory.join("cgroup.procs"))
            .collect()
    }

    /// Every process in the groups and the groups below.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = Vec::new();
        for (_, directory) in self.directories() {
            for_each_below(&directory, &mut |group| {
                let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                pids.extend(procs.lines().filter_map(|l| l.parse::<i32>().ok()));
            });
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Kills every process in the groups, until there is none.
    pub(crate) fn kill(&self) -> Result<()> {
        let gone = process::wait_until(Duration::from_secs(20), || {
            let pids = self.pids();
            for pid in &pids {
                process::signal(*pid, Signal::KILL);
            }
            pids.is_empty()
        });
        if gone {
            return Ok(());
        }
        let pids = self
            .pids()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        Err(Error::Unsupported {
            what: format!(
                "processes in cgroup {} survive SIGKILL: {pids}",
                self.path.display()
            ),
            hint: "they hang in the kernel; `ps -o pid,stat,wchan,cmd` shows where".to_owned(),
        })
    }

    /// Removes the groups and those below, and the parents that are empty then.
    pub(crate) fn remove(&self) -> Result<()> {
        for (hierarchy, directory) in self.directories() {
            // A group is busy for a moment after its last process ended.
            let mut refused = None;
            let gone = process::wait_until(Duration::from_secs(5), || {
                refused = None;
                for_each_below(&directory, &mut |group| {
                    if let Err(source) = fs::remove_dir(group) {
                        refused = Some((group.to_owned(), source));
                    }
                });
                !directory.exists()
            });
            if let (false, Some((group, source))) = (gone, refused) {
                return Err(Error::Io {
                    doing: "removing cgroup",
                    path: group,
                    source,
                });
            }
            let mut parent = directory.parent();
            while let Some(group) = parent.filter(|g| **g != *hierarchy.point) {
                if fs::remove_dir(group).is_err() {
                    break;
                }
                parent = group.parent();
            }
        }
        Ok(())
    }

    /// The groups that are there.
    pub(crate) fn existing(&self) -> Vec<PathBuf> {
        self.directories()
            .map(|(_, directory)| directory)
            .filter(|d| d.exists())
            .collect()
    }
}

fn make(directory: &Path) -> Result<()> {
    match fs::create_dir(directory) {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::Io {
            doing: "making cgroup",
            path: directory.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// A new v1 cpuset group has no CPU and no memory node, and takes no process before it has.
fn copy_cpuset(parent: &Path, child: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let file = child.join(name);
        if fs::read_to_string(&file).is_ok_and(|now| now.trim().is_empty()) {
            let value = fs::read_to_string(parent.join(name))
                .map_err(Error::io("reading", parent.join(name)))?;
            fs::write(&file, value.trim()).map_err(Error::io("writing", file))?;
        }
    }
    Ok(())
}

/// Lets the groups below use what this group may use. A controller that a group with processes cannot hand down (a
/// container's root) is missing below, where dockerd says so if it needs it.
fn hand_down_controllers(directory: &Path) {
    let available = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    let control = directory.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&control).unwrap_or_default();
    for controller in available
        .split_whitespace()
        .filter(|c| !enabled.split_whitespace().any(|e| e == *c))
    {
        let _ = fs::write(&control, format!("+{controller}"));
    }
}

/// Calls `visit` for each group below `directory` and for itself, the deepest first.
fn for_each_below(directory: &Path, visit: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
    {
        for_each_below(&entry.path(), visit);
    }
    visit(directory);
}
