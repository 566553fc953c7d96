//! What of a deployment is on this machine, found without its state files: what deletion must have removed, also
//! when the state files are lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::disk;
use crate::error::Result;
use crate::mountinfo;
use crate::process::{self, Stat};
use crate::{command, firewall, links, network};

pub(crate) fn of(tag: &str, cgroup_path: &Path, directory: &Path) -> Result<Vec<String>> {
    let cgroup = Cgroup::new(cgroup_path)?;
    let mut left: Vec<String> = Vec::new();
    left.extend(
        cgroup
            .pids()
            .into_iter()
            .map(|pid| format!("process {}", named(pid))),
    );
    left.extend(
        cgroup
            .existing()
            .iter()
            .map(|group| format!("cgroup {}", group.display())),
    );
    left.extend(
        mounts_below(directory)?
            .iter()
            .map(|point| format!("mount {}", point.display())),
    );
    left.extend(namespaces(directory));
    left.extend(
        disk::loops()
            .iter()
            .filter(|l| l.file.starts_with(directory))
            .map(|l| format!("loop device /dev/{} of {}", l.name, l.file.display())),
    );
    left.extend(links(tag).iter().map(|name| format!("link {name}")));
    left.extend(
        firewall::present(tag)
            .iter()
            .map(|(table, rule)| format!("firewall rule of table {table}: {rule}")),
    );
    Ok(left)
}

/// Removes what [`of`] finds.
pub(crate) fn sweep(tag: &str, cgroup_path: &Path, directory: &Path) -> Result<()> {
    let cgroup = Cgroup::new(cgroup_path)?;
    cgroup.kill()?;
    cgroup.remove()?;
    for name in links(tag) {
        links::remove_link(&name)?;
    }
    firewall::unset(tag)?;
    for point in mounts_below(directory)?.iter().rev() {
        command::run("umount", [point])?;
    }
    // The last mount takes its loop device along, a moment later.
    let wanted = |l: &disk::Loop| l.file.starts_with(directory);
    process::wait_until(Duration::from_secs(2), || !disk::loops().iter().any(wanted));
    for device in disk::loops().iter().filter(|l| wanted(l)) {
        disk::free(device)?;
    }
    Ok(())
}

/// In the order in which they were made.
fn mounts_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mounts = mountinfo::of("self")?;
    Ok(mounts
        .into_iter()
        .map(|m| m.point)
        .filter(|point| point.starts_with(directory))
        .collect())
}

fn named(pid: i32) -> String {
    Stat::of(pid).map_or_else(
        || pid.to_string(),
        |stat| format!("{pid} ({})", stat.command),
    )
}

/// Processes whose root is an instance's: they are in its namespaces, whatever their cgroup is.
fn namespaces(directory: &Path) -> impl Iterator<Item = String> {
    let upper = format!("upperdir={}/", directory.display());
    process::all().into_iter().filter_map(move |pid| {
        let mounts = mountinfo::of(&pid.to_string()).ok()?;
        let inside = mounts
            .iter()
            .any(|m| m.options.iter().any(|option| option.starts_with(&upper)));
        inside.then(|| format!("namespaces of process {}", named(pid)))
    })
}

fn links(tag: &str) -> Vec<String> {
    let wanted = network::alias(tag);
    let Ok(entries) = fs::read_dir("/sys/class/net") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            fs::read_to_string(entry.path().join("ifalias"))
                .is_ok_and(|alias| alias.trim() == wanted)
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
