//! The cgroup mounts that dockerd needs. A stemcell with systemd or a booted machine has them; a Warden container may
//! not. On a machine with cgroup v2 nothing of v1 is ever mounted.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use tracing::{debug, info, warn};

use crate::mounts::{self, Mount};

const ROOT: &str = "/sys/fs/cgroup";
/// Where Warden containers have room for the mounts: their /sys is not theirs.
const WARDEN_ROOT: &str = "/cgroup";
const INFRASTRUCTURE: &str = "bosh/etc/infrastructure";

/// Mounts what is missing. One controller that cannot be mounted is no error here: dockerd knows which it needs.
pub fn mount_missing(bosh_root: &Path) -> anyhow::Result<()> {
    let present = mounts::all()?;
    let infrastructure =
        std::fs::read_to_string(bosh_root.join(INFRASTRUCTURE)).unwrap_or_default();
    let root = Path::new(if infrastructure.contains("warden") {
        WARDEN_ROOT
    } else {
        ROOT
    });
    let controllers = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    for step in plan(root, &present, &controllers) {
        let (mount, kind, options) = (step.target.display(), step.kind, step.options.as_str());
        match step.perform() {
            Ok(()) => info!(%mount, kind, options, "cgroup mounted"),
            // the controller belongs to the v2 hierarchy of a machine that has both
            Err(Errno::BUSY) => {
                debug!(%mount, kind, options, "cgroup controller is in use elsewhere");
            }
            Err(errno) => warn!(%mount, kind, options, "cannot mount: {errno}"),
        }
    }
    Ok(())
}

/// A mount to make.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    kind: &'static str,
    target: PathBuf,
    options: String,
}

impl Step {
    fn perform(&self) -> Result<(), Errno> {
        let is_new = match rustix::fs::mkdir(&self.target, Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let options = CString::new(self.options.as_str()).unwrap_or_default();
        let mounted = rustix::mount::mount(
            self.kind,
            &self.target,
            self.kind,
            flags,
            Some(options.as_c_str()),
        );
        if mounted.is_err() && is_new {
            // an empty directory would look like a controller
            let _ = rustix::fs::rmdir(&self.target);
        }
        mounted
    }
}

/// What has to be mounted, given what is, and `/proc/cgroups`.
fn plan(root: &Path, present: &[Mount], controllers: &str) -> Vec<Step> {
    let at_root = present.iter().rev().find(|mount| mount.target == root);
    if at_root.is_some_and(|mount| mount.kind == "cgroup2") {
        return Vec::new();
    }
    let mounted: BTreeSet<&str> = present
        .iter()
        .filter(|mount| mount.kind == "cgroup")
        .flat_map(|mount| mount.super_options.split(','))
        .collect();
    let enabled: Vec<(&str, &str)> = controllers.lines().filter_map(enabled_controller).collect();
    if mounted.is_empty() && !enabled.iter().any(|(_, hierarchy)| *hierarchy != "0") {
        // no controller is bound to a v1 hierarchy anywhere: this is a machine of v2
        return vec![Step {
            kind: "cgroup2",
            target: root.to_owned(),
            options: String::new(),
        }];
    }
    let mut steps = Vec::new();
    if at_root.is_none() {
        steps.push(Step {
            kind: "tmpfs",
            target: root.to_owned(),
            options: "mode=755".to_owned(),
        });
    }
    for (name, _) in &enabled {
        if !mounted.contains(name) {
            steps.push(Step {
                kind: "cgroup",
                target: root.join(name),
                options: (*name).to_owned(),
            });
        }
    }
    if !mounted.contains("name=systemd") {
        steps.push(Step {
            kind: "cgroup",
            target: root.join("systemd"),
            options: "none,name=systemd".to_owned(),
        });
    }
    steps
}

/// Name and hierarchy of a line of `/proc/cgroups`, if the controller is enabled.
fn enabled_controller(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let name = fields.next().filter(|name| !name.starts_with('#'))?;
    let hierarchy = fields.next()?;
    (fields.nth(1)? == "1").then_some((name, hierarchy))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t4\t1\t1\nmemory\t9\t1\t1\nrdma\t3\t1\t0\n";
    const V2: &str =
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t1\t1\nmemory\t0\t1\t1\n";

    fn mount(target: &str, kind: &str, options: &str) -> Mount {
        Mount {
            device: String::new(),
            root: "/".into(),
            target: target.into(),
            kind: kind.to_owned(),
            super_options: options.to_owned(),
        }
    }

    fn targets(steps: &[Step]) -> Vec<&str> {
        steps
            .iter()
            .filter_map(|step| step.target.to_str())
            .collect()
    }

    #[test]
    fn leaves_v2_alone() {
        assert_eq!(
            plan(Path::new(ROOT), &[mount(ROOT, "cgroup2", "rw")], V2),
            []
        );
        assert_eq!(
            plan(Path::new(ROOT), &[mount(ROOT, "cgroup2", "rw")], V1),
            []
        );
    }

    #[test]
    fn mounts_v2_where_no_controller_is_bound_to_v1() {
        let steps = plan(Path::new(ROOT), &[mount("/sys", "sysfs", "rw")], V2);
        assert_eq!(
            steps,
            [Step {
                kind: "cgroup2",
                target: ROOT.into(),
                options: String::new()
            }]
        );
    }

    #[test]
    fn mounts_the_missing_controllers_of_v1_one_by_one() {
        let present = [
            mount(ROOT, "tmpfs", "rw"),
            mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
        ];
        assert_eq!(
            targets(&plan(Path::new(ROOT), &present, V1)),
            ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/systemd"]
        );
    }

    #[test]
    fn makes_room_first_where_nothing_is_mounted() {
        let steps = plan(Path::new(WARDEN_ROOT), &[], V1);
        assert_eq!(
            targets(&steps),
            [
                "/cgroup",
                "/cgroup/cpu",
                "/cgroup/memory",
                "/cgroup/systemd"
            ]
        );
        assert_eq!(steps[0].kind, "tmpfs");
    }

    #[test]
    fn leaves_a_complete_v1_alone() {
        let present = [
            mount(ROOT, "tmpfs", "rw"),
            mount("/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"),
            mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
            mount("/sys/fs/cgroup/systemd", "cgroup", "rw,xattr,name=systemd"),
        ];
        assert_eq!(plan(Path::new(ROOT), &present, V1), []);
    }
}
