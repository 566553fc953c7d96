//! The persistent disk and its instance: attached, detached.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::instance::{Instance, remove_if_there};
use crate::{command, disk, mountinfo, plan, process};

impl Instance {
    /// The file that says that the next boot does not attach the disk.
    pub(crate) fn detached_marker(&self) -> PathBuf {
        self.files().named("disk-detached")
    }

    /// Whether the persistent disk is mounted at `/var/vcap/store`.
    ///
    /// # Errors
    /// When the instance's mounts cannot be read.
    pub fn disk_attached(&self) -> Result<bool> {
        let loops = disk::loops_of(&self.disk_image());
        let Some(pid) = self.init_pid()? else {
            return Ok(false);
        };
        let mounts = mountinfo::of(&pid.to_string())?;
        Ok(mounts.iter().any(|m| {
            m.point == Path::new(disk::MOUNT_POINT) && loops.iter().any(|l| l.device == m.device)
        }))
    }

    /// Attaches the persistent disk at `/var/vcap/store`; nothing if it is attached. Survives reboots.
    ///
    /// # Errors
    /// [`Error::NoDisk`], [`Error::NotRunning`], or what the mount said.
    pub fn attach_disk(&self) -> Result<()> {
        if self.record.spec.persistent_disk_mb.is_none() {
            return Err(Error::NoDisk(self.record.spec.name()));
        }
        let pid = self.living_pid()?;
        if !self.disk_attached()? {
            self.mount_disk(pid, "rw")?;
        }
        remove_if_there(&self.detached_marker())
    }

    pub(crate) fn mount_disk(&self, pid: i32, mode: &str) -> Result<()> {
        let image = self.disk_image();
        let device = disk::set_up(&image)?;
        let mounted = mount_device(pid, &device, disk::DEVICE, disk::MOUNT_POINT, mode);
        // Frees it now if it is not mounted, and with its last mount otherwise.
        disk::free(&device)?;
        mounted
    }

    /// Unmounts the persistent disk and frees its loop device; retries for 10 s while it is busy. Nothing if it is
    /// not attached. Survives reboots.
    ///
    /// # Errors
    /// [`Error::DiskBusy`] names who holds it; the disk stays attached then.
    pub fn detach_disk(&self) -> Result<()> {
        if self.disk_attached()? {
            self.unmount_disk()?;
        }
        plan::write_private(&self.detached_marker(), b"")
    }

    fn unmount_disk(&self) -> Result<()> {
        let pid = self.living_pid()?;
        let image = self.disk_image();
        let cgroup = self.cgroup()?;
        let mut holders = Vec::new();
        let unmounted = process::wait_until(disk::PATIENCE, || {
            let devices = disk::loops_of(&image);
            holders = devices
                .iter()
                .flat_map(|l| disk::holders(&l.device, pid, &cgroup.pids()))
                .collect();
            holders.is_empty() && inside(pid, &["umount", disk::MOUNT_POINT]).is_ok()
        });
        if !unmounted {
            return Err(Error::DiskBusy { holders });
        }
        inside(pid, &["rm", "-f", disk::DEVICE])?;
        if disk::wait_until_free(&image, disk::PATIENCE) {
            return Ok(());
        }
        let devices = disk::loops_of(&image);
        let holders = devices
            .iter()
            .flat_map(|l| disk::holders(&l.device, pid, &process::all()))
            .collect();
        Err(Error::DiskBusy { holders })
    }
}

/// Runs a program where the instance's mounts are.
pub(crate) fn inside(pid: i32, words: &[&str]) -> Result<()> {
    let target = pid.to_string();
    let nsenter = ["--target", &target, "--mount", "--"];
    command::run("nsenter", nsenter.iter().chain(words)).map(drop)
}

/// Mounts a disk inside the instance, at a point and under a name of its own; `mode` is `rw` or `ro`.
pub(crate) fn mount_device(
    pid: i32,
    device: &disk::Loop,
    name: &str,
    point: &str,
    mode: &str,
) -> Result<()> {
    let (major, minor) = device.device.split_once(':').unwrap_or_default();
    inside(pid, &["rm", "-f", name])?;
    inside(pid, &["mknod", name, "b", major, minor])?;
    inside(pid, &["mount", "-t", "ext4", "-o", mode, name, point])
}
