//! Where an instance's files lie on this machine: `upper` and `work` of its root, and `vcap`, its `/var/vcap`.
//!
//! A plain directory where the state directory's file system can carry overlayfs and Docker's overlay2 (moby,
//! `daemon/graphdriver/overlay2`); elsewhere (a container's own overlay root, NFS) an ext4 image of its own.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::command;
use crate::error::{Error, Result};
use crate::monit;
use crate::mountinfo;
use crate::rootfs::{give_to_vcap, make_directory, set_mode};

/// Sparse: it takes on this machine what is written to it.
const IMAGE_BYTES: u64 = 64 << 30;

/// `f_type` of statfs(2): ext2 to ext4, XFS, btrfs, tmpfs, F2FS.
const CARRIES_OVERLAY: [i64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0xF2F5_2010];

#[derive(Debug, Clone)]
pub(crate) struct Storage {
    directory: PathBuf,
    image: PathBuf,
}

impl Storage {
    pub(crate) fn of(instance_directory: &Path) -> Self {
        Self {
            directory: instance_directory.join("fs"),
            image: instance_directory.join("fs.img"),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The instance's `/var/vcap`.
    pub(crate) fn vcap(&self) -> PathBuf {
        self.directory.join("vcap")
    }

    pub(crate) fn upper(&self) -> PathBuf {
        self.directory.join("upper")
    }

    /// Makes what is missing and mounts the image, if there is one (a reboot of this machine unmounts it).
    pub(crate) fn ensure(&self) -> Result<()> {
        make_directory(&self.directory, 0o755)?;
        if !self.image.exists() && !self.upper().exists() && !carries_overlay(&self.directory)? {
            make_ext4(&self.image, IMAGE_BYTES)?;
        }
        if self.image.exists() && !self.mounted()? {
            command::run(
                "mount",
                [
                    Path::new("-o"),
                    Path::new("loop"),
                    &self.image,
                    &self.directory,
                ],
            )?;
        }
        make_directory(&self.upper(), 0o755)?;
        make_directory(&self.directory.join("work"), 0o700)?;
        self.ensure_vcap()
    }

    /// What a stemcell and BOSH's agent have in `/var/vcap` (bosh-agent, `platform/linux_platform.go`).
    fn ensure_vcap(&self) -> Result<()> {
        let vcap = self.vcap();
        for (path, mode, for_vcap) in [
            ("", 0o755, false),
            ("bosh/bin", 0o755, false),
            ("bosh/etc", 0o755, false),
            ("bosh/log", 0o755, false),
            ("data", 0o755, false),
            ("data/jobs", 0o750, true),
            ("data/packages", 0o755, true),
            ("data/sys", 0o750, true),
            ("data/sys/log", 0o750, true),
            ("data/sys/run", 0o750, true),
            ("data/tmp", 0o755, true),
            ("data/root_tmp", 0o1777, true),
            ("jobs", 0o755, false),
            ("packages", 0o755, false),
            ("store", 0o755, false),
            ("monit", 0o700, false),
            ("monit/job", 0o700, false),
        ] {
            let path = if path.is_empty() {
                vcap.clone()
            } else {
                vcap.join(path)
            };
            if !path.exists() {
                make_directory(&path, mode)?;
                if for_vcap {
                    give_to_vcap(&path)?;
                }
            }
        }
        for (link, target) in [("sys", "data/sys"), ("bosh/bin/monit", "/usr/bin/monit")] {
            let link = vcap.join(link);
            if !link.is_symlink() {
                symlink(target, &link).map_err(Error::io("linking", link))?;
            }
        }
        monit::write_configuration(&vcap)
    }

    fn mounted(&self) -> Result<bool> {
        Ok(mountinfo::of("self")?
            .iter()
            .any(|m| m.point == self.directory))
    }

    /// Unmounts the image, if it is mounted; its loop device goes with the mount.
    pub(crate) fn release(&self) -> Result<()> {
        if self.image.exists() && self.mounted()? {
            command::run("umount", [&self.directory])?;
        }
        Ok(())
    }
}

fn carries_overlay(directory: &Path) -> Result<bool> {
    let stat = rustix::fs::statfs(directory)
        .map_err(Error::sys("looking at the file system of", directory))?;
    Ok(CARRIES_OVERLAY.contains(&stat.f_type))
}

/// A sparse file with an ext4 file system, for root alone.
pub(crate) fn make_ext4(image: &Path, bytes: u64) -> Result<()> {
    // Under another name until it is whole.
    let fresh = image.with_extension("img.new");
    let file = File::create(&fresh).map_err(Error::io("making", &fresh))?;
    set_mode(&fresh, 0o600)?;
    file.set_len(bytes).map_err(Error::io("sizing", &fresh))?;
    command::run("mkfs.ext4", [Path::new("-q"), Path::new("-F"), &fresh])?;
    fs::rename(&fresh, image).map_err(Error::io("renaming to", image))
}
