//! What a dockerd that died hard leaves behind: its containerd, shims, containers, mounts. Only what is proved to be of
//! this root is touched.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::{Advise, Paths, Pidfile, Process, ProcessInfo, Signal};
use tracing::{info, warn};

use crate::mounts;

/// Before a start: ends a containerd whose dockerd is gone, and clears away a pidfile that names a stranger.
///
/// dockerd takes any living process of that number for its containerd: it would wait for it in vain, and kill it when it
/// stops (moby, `libcontainerd/supervisor`). And one that is really containerd it adopts without watching it.
pub fn end_stale_containerd(paths: &Paths) -> anyhow::Result<()> {
    for process in containerds(paths) {
        info!(
            pid = process.pid().as_raw_nonzero(),
            "ending the containerd of a dockerd that is gone"
        );
        end(&process, Duration::from_secs(5))?;
    }
    let pidfile = Pidfile::new(paths.exec_root().join("containerd/containerd.pid"));
    pidfile
        .remove()
        .with_context(|| format!("removing {}", pidfile.path().display()))
}

/// Before a start: removes the files of network namespaces on which nothing is mounted any more. dockerd does that once a minute,
/// and forgets in its end which they were (moby, `libnetwork/osl`, `removeUnusedPaths`).
pub fn clear_network_namespaces(paths: &Paths) -> anyhow::Result<()> {
    let dir = paths.exec_root().join("netns");
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("listing {}", dir.display()))?,
    };
    for entry in entries {
        let path = entry?.path();
        match std::fs::remove_file(&path) {
            // a container's, which lives on
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
            done => done.with_context(|| format!("removing {}", path.display()))?,
        }
    }
    Ok(())
}

/// Whether containers of this root run.
pub fn has_containers(paths: &Paths) -> bool {
    !shims(paths).is_empty()
}

/// After a full stop: ends what dockerd did not, and undoes its mounts, so that the persistent disk can be unmounted.
/// Containers get SIGTERM and `grace` first.
pub fn end_all(paths: &Paths, grace: Duration) -> anyhow::Result<()> {
    let shims = shims(paths);
    let containers = processes_of(&container_ids(paths));
    if !containers.is_empty() {
        warn!(
            processes = containers.len(),
            "containers are left; ending them"
        );
        end_containers(&containers, grace)?;
    }
    for process in shims.iter().chain(&containerds(paths)) {
        end(process, Duration::from_millis(500))?;
    }
    unmount(paths)
}

/// Ends processes of containers: SIGTERM to the first of each, SIGKILL to all that are left after `grace`.
pub fn end_containers(processes: &[Process], grace: Duration) -> anyhow::Result<()> {
    for first in first_of(processes) {
        first.signal(Signal::TERM)?;
    }
    let deadline = Instant::now() + grace;
    for process in processes {
        if !process.wait_until_gone(deadline.saturating_duration_since(Instant::now())) {
            process.signal(Signal::KILL)?;
        }
    }
    for process in processes {
        end(process, Duration::ZERO)?;
    }
    Ok(())
}

/// The first process of each container: it has no parent among them.
pub fn first_of(processes: &[Process]) -> Vec<&Process> {
    let pids: BTreeSet<i32> = processes
        .iter()
        .map(|process| process.pid().as_raw_nonzero().get())
        .collect();
    let is_first = |process: &&Process| !pids.contains(&process.info().parent);
    processes.iter().filter(is_first).collect()
}

fn unmount(paths: &Paths) -> anyhow::Result<()> {
    // the kernel names mounts by their real paths
    let real = |path: PathBuf| std::fs::canonicalize(&path).unwrap_or(path);
    let (data_root, exec_root) = (real(paths.data_root()), real(paths.exec_root()));
    mounts::unmount_below(&[&data_root, &exec_root])?;
    mounts::unmount_from_itself(&data_root)?;
    let holders = mounts::holders(&data_root);
    if !holders.is_empty() {
        // no container's, so not ours to end
        warn!(
            holders = holders.join(", "),
            "the data root is in use; the persistent disk cannot be unmounted before that ends"
        );
    }
    Ok(())
}

/// Ends a process: SIGTERM, and SIGKILL after `grace`.
pub fn end(process: &Process, grace: Duration) -> anyhow::Result<()> {
    let info = process.info();
    let name = format!("{} ({})", info.program(), info.pid.as_raw_nonzero());
    let ended = process
        .end(grace)
        .with_context(|| format!("ending {name}"))?;
    if ended {
        return Ok(());
    }
    Err(anyhow::anyhow!("{name} does not end, even by SIGKILL"))
        .hint("it is stuck in the kernel, often on a dead disk or network share: reboot the VM")
}

fn containerds(paths: &Paths) -> Vec<Process> {
    let config = text(&paths.exec_root().join("containerd/containerd.toml"));
    let old_config = text(&paths.exec_root().join("containerd/daemon/containerd.toml"));
    Process::find(|info| {
        info.program() == "containerd"
            && (info.has_argument(&config) || info.has_argument(&old_config))
    })
}

/// The shims of containers that this root's containerd started.
pub fn shims(paths: &Paths) -> Vec<Process> {
    let socket = text(&paths.exec_root().join("containerd/containerd.sock"));
    Process::find(|info| {
        info.program().starts_with("containerd-shim") && info.has_argument(&socket)
    })
}

/// The containers that the data root knows.
pub fn container_ids(paths: &Paths) -> BTreeSet<String> {
    let entries = std::fs::read_dir(paths.data_root().join("containers"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_id(name))
        .collect()
}

/// Processes in the cgroup of a container. A container's ID is 64 random hexadecimal digits, so nobody else's cgroup has
/// one of them in its path.
pub fn processes_of(ids: &BTreeSet<String>) -> Vec<Process> {
    if ids.is_empty() {
        return Vec::new();
    }
    Process::find(|info| in_container(info, ids))
}

fn in_container(info: &ProcessInfo, ids: &BTreeSet<String>) -> bool {
    let cgroups = std::fs::read_to_string(format!("/proc/{}/cgroup", info.pid.as_raw_nonzero()))
        .unwrap_or_default();
    cgroups
        .split(|c: char| !c.is_ascii_hexdigit())
        .any(|word| ids.contains(word))
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_no_cgroup_of_a_container_is_left_alone() {
        let me = ProcessInfo::read(rustix::process::getpid()).unwrap();
        assert!(!in_container(&me, &BTreeSet::from(["0".repeat(64)])));
        assert!(is_id(&"0a".repeat(32)) && !is_id("0a") && !is_id(&"x".repeat(64)));
    }

    #[test]
    fn a_containerd_pidfile_that_names_a_stranger_goes_and_the_stranger_lives() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        let pidfile = paths.exec_root().join("containerd/containerd.pid");
        std::fs::create_dir_all(pidfile.parent().unwrap()).unwrap();
        let mut stranger = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        std::fs::write(&pidfile, stranger.id().to_string()).unwrap();
        end_stale_containerd(&paths).unwrap();
        assert!(!pidfile.exists());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
