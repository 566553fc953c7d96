//! The directories that dockerd and Compose need. All are made at every start: after a reboot no
//! lifecycle script has run and `sys/run` is empty.

use std::os::unix::fs::chown;
use std::path::Path;

use anyhow::Context;
use bosh_job::{Paths, make_dir};

/// Group that may use the engine, as it always could on BOSH VMs.
pub const GROUP: &str = "vcap";

/// Makes every directory.
pub fn make(paths: &Paths) -> anyhow::Result<()> {
    make_run_dir(paths)?;
    for dir in [paths.log_dir(), paths.data_dir(), paths.data_root()] {
        if !dir.is_dir() {
            make_dir(&dir, 0o750)?;
        }
    }
    let etc = paths
        .daemon_json()
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default();
    for dir in [
        etc,
        paths.tls_dir(),
        paths.tmp(),
        paths.cli_dir(),
        paths.compose_dir(),
        paths.running(),
    ] {
        make_dir(&dir, 0o700)?;
    }
    Ok(())
}

/// Removes the temporary files of a dockerd and a containerd that were killed: an import leaves whole layers behind, and dockerd
/// itself clears only a directory of its own choice (moby, `prepareTempDir`).
pub fn clear_tmp(paths: &Paths) -> anyhow::Result<()> {
    let tmp = paths.tmp();
    for entry in std::fs::read_dir(&tmp).with_context(|| format!("listing {}", tmp.display()))? {
        let path = entry?.path();
        let removed = if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match removed {
            // its owner was quicker
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes the directory of pidfiles and sockets, as the agent makes it.
pub fn make_run_dir(paths: &Paths) -> anyhow::Result<()> {
    let dir = paths.run_dir();
    if dir.is_dir() {
        return Ok(());
    }
    make_dir(&dir, 0o770)?;
    if let Some(gid) = group_id(GROUP) {
        chown(&dir, Some(0), Some(gid))
            .with_context(|| format!("giving {} to group {GROUP}", dir.display()))?;
    }
    Ok(())
}

/// The number of a group of this machine.
pub fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let line = groups
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}
