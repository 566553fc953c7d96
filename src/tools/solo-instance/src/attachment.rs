//! The persistent disk and its instance: attached, detached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::instance::{Instance, remove_if_there};
use crate::{command, disk, mountinfo, plan, process};

/// How long something may use the disk after it was asked to end.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

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
            self.mount_disk(pid)?;
        }
        remove_if_there(&self.detached_marker())
    }

    pub(crate) fn mount_disk(&self, pid: i32) -> Result<()> {
        let image = self.disk_image();
        let device = disk::set_up(&image)?;
        let mounted = Self::mount_device(pid, &device);
        // Frees it now if it is not mounted, and with its last mount otherwise.
        disk::free(&device)?;
        mounted
    }

    fn mount_device(pid: i32, device: &disk::Loop) -> Result<()> {
        let (major, minor) = device.device.split_once(':').unwrap_or_default();
        let target = pid.to_string();
        let inside = ["--target", &target, "--mount", "--"];
        let run = |words: &[&str]| command::run("nsenter", inside.iter().chain(words)).map(drop);
        run(&["rm", "-f", disk::DEVICE])?;
        run(&["mknod", disk::DEVICE, "b", major, minor])?;
        run(&["mount", "-t", "ext4", disk::DEVICE, disk::MOUNT_POINT])
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
        let target = pid.to_string();
        let inside = ["--target", &target, "--mount", "--"];
        let run = |words: &[&str]| command::run("nsenter", inside.iter().chain(words)).map(drop);
        let mut holders = Vec::new();
        let unmounted = process::wait_until(DISK_PATIENCE, || {
            let devices = disk::loops_of(&image);
            holders = devices
                .iter()
                .flat_map(|l| disk::holders(&l.device, pid, &cgroup.pids()))
                .collect();
            holders.is_empty() && run(&["umount", disk::MOUNT_POINT]).is_ok()
        });
        if !unmounted {
            return Err(Error::DiskBusy { holders });
        }
        run(&["rm", "-f", disk::DEVICE])?;
        if disk::wait_until_free(&image, DISK_PATIENCE) {
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
