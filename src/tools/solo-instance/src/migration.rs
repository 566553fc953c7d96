//! Another persistent disk in the place of the one that is there: what a Director and its agent do when a manifest asks for
//! another size (bosh-agent, `platform/linux_platform.go`, `MigratePersistentDisk`). The new disk is mounted beside the old one, the
//! old one mounted again read-only, everything copied by tar, and the new one mounted in its place.

use std::path::Path;

use crate::attachment::{inside, mount_device};
use crate::error::{Error, Result};
use crate::instance::{Instance, remove_if_there};
use crate::{disk, plan, storage};

/// Where the agent mounts the new disk meanwhile.
const TARGET: &str = "/var/vcap/store_migration_target";
/// The name of the new disk inside the instance: the third disk of a VM.
const DEVICE: &str = "/dev/sdc";
/// The agent's own words: what they lose (sockets) is lost under a Director, too.
const COPY: &str = "(tar -C /var/vcap/store --xattrs --xattrs-include=*.* --sparse -cf - .) | \
                    (tar -C /var/vcap/store_migration_target --xattrs --xattrs-include=*.* -xpf -)";

impl Instance {
    /// Gives the instance, which must run, a new persistent disk of this size with all that is on the attached one. The old
    /// one is deleted; a Director would keep it for some days.
    ///
    /// # Errors
    /// [`Error::DiskBusy`] when something uses the old disk; what tar said when not all fits. The old disk is attached then.
    pub fn migrate_disk(mut self, megabytes: u64) -> Result<Self> {
        let pid = self.living_pid()?;
        let (image, fresh) = (self.disk_image(), self.files().named("disk-new.img"));
        remove_if_there(&fresh)?;
        storage::make_ext4(&fresh, megabytes << 20)?;
        let copied = self.copy_to(pid, &fresh);
        // Also after a failure, when a mount of it may be left.
        let target_unmounted = inside(pid, &["umount", TARGET]);
        let _ = inside(pid, &["rmdir", TARGET]);
        if let Err(error) = copied.and(target_unmounted) {
            self.detach_disk()?;
            disk::wait_until_free(&fresh, disk::PATIENCE);
            remove_if_there(&fresh)?;
            self.attach_disk()?;
            return Err(error);
        }
        self.detach_disk()?;
        if !disk::wait_until_free(&fresh, disk::PATIENCE) {
            return Err(Error::DiskBusy {
                holders: Vec::new(),
            });
        }
        std::fs::rename(&fresh, &image).map_err(Error::io("renaming to", image))?;
        self.record.spec.persistent_disk_mb = Some(megabytes);
        plan::save(&self.files().named("instance.json"), &self.record)?;
        self.attach_disk()?;
        Ok(self)
    }

    fn copy_to(&self, pid: i32, fresh: &Path) -> Result<()> {
        inside(pid, &["mkdir", "-p", TARGET])?;
        let device = disk::set_up(fresh)?;
        let mounted = mount_device(pid, &device, DEVICE, TARGET, "rw");
        // Frees it now if it is not mounted, and with its last mount otherwise.
        disk::free(&device)?;
        mounted?;
        // The agent's way to a read-only disk is to unmount it and mount it again; so whatever uses it fails the migration.
        self.detach_disk()?;
        self.mount_disk(pid, "ro")?;
        inside(pid, &["sh", "-c", COPY])
    }
}
