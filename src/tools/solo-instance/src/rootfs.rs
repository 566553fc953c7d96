//! The root of an instance or a compile sandbox, built in a mount namespace of its own.
//!
//! The mounts are those of a BOSH VM (bosh-agent, `platform/linux_platform.go`), on overlayfs over the base tree.
//! What is one for all namespaces (most of `/proc/sys`, `/sys`) is read-only: nothing of this machine changes.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};

use crate::error::{Error, Result};
use crate::hierarchy::Hierarchy;

/// The group and user `vcap` of a stemcell.
pub(crate) const VCAP: u32 = 1000;

/// A root under construction: every path is one of the future root.
pub(crate) struct Root {
    at: PathBuf,
}

impl Root {
    /// Mounts an overlay of `base` with what is written in `upper`.
    pub(crate) fn overlay(at: &Path, base: &Path, upper: &Path, work: &Path) -> Result<Self> {
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            base.display(),
            upper.display(),
            work.display()
        );
        mount_new("overlay", at, "overlay", MountFlags::empty(), &options)?;
        Ok(Self { at: at.to_owned() })
    }

    /// Where a path of the future root is now.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.at.join(path.trim_start_matches('/'))
    }

    pub(crate) fn directory(&self, path: &str, mode: u32) -> Result<PathBuf> {
        let path = self.path(path);
        make_directory(&path, mode)?;
        Ok(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.path(path);
        // A link (Debian's /etc/resolv.conf, alternatives) is replaced, not followed out of the root.
        if path.is_symlink() {
            fs::remove_file(&path).map_err(Error::io("removing", &path))?;
        }
        fs::write(&path, text).map_err(Error::io("writing", &path))
    }

    pub(crate) fn tmpfs(&self, path: &str, options: &str, flags: MountFlags) -> Result<()> {
        let point = self.directory(path, 0o755)?;
        mount_new("tmpfs", &point, "tmpfs", flags, options)
    }

    /// Binds a directory of this machine, or of the root itself, with exactly these flags.
    pub(crate) fn bind(&self, source: &Path, path: &str, flags: MountFlags) -> Result<()> {
        let point = self.path(path);
        mount_bind(source, &point).map_err(Error::sys("binding", &point))?;
        mount_remount(&point, MountFlags::BIND | flags, c"")
            .map_err(Error::sys("remounting", &point))
    }

    /// `/tmp` and `/var/tmp` in this directory of the root.
    pub(crate) fn temporary_files(&self, directory: &Path) -> Result<()> {
        let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        ["/tmp", "/var/tmp"]
            .into_iter()
            .try_for_each(|point| self.bind(directory, point, flags))
    }

    /// `/proc` of this PID namespace; of `/proc/sys` only `net`, which each network namespace has for itself, can be
    /// written.
    pub(crate) fn proc(&self) -> Result<()> {
        let point = self.directory("/proc", 0o555)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount_new("proc", &point, "proc", flags, "")?;
        for shared in [
            "/proc/sys",
            "/proc/sysrq-trigger",
            "/proc/irq",
            "/proc/bus",
            "/proc/fs",
        ] {
            if self.path(shared).exists() {
                self.bind(&self.path(shared), shared, flags | MountFlags::RDONLY)?;
            }
        }
        self.bind(&self.path("/proc/sys/net"), "/proc/sys/net", flags)
    }

    /// `/sys` of this network namespace, read-only, and the cgroup hierarchies with the cgroup namespace's root.
    pub(crate) fn sys(&self, cgroups: &[Hierarchy]) -> Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let point = self.directory("/sys", 0o555)?;
        mount_new("sysfs", &point, "sysfs", flags | MountFlags::RDONLY, "")?;
        if cgroups.iter().any(|h| h.v1.is_some()) {
            mount_new(
                "tmpfs",
                &self.path("/sys/fs/cgroup"),
                "tmpfs",
                flags,
                "mode=755,size=1m",
            )?;
        }
        for hierarchy in cgroups {
            let point = self.path(&hierarchy.point.to_string_lossy());
            if !point.exists() {
                make_directory(&point, 0o755)?;
            }
            match &hierarchy.v1 {
                None => mount_new("cgroup2", &point, "cgroup2", flags, "")?,
                Some(named) if named.starts_with("name=") => {
                    mount_new("cgroup", &point, "cgroup", flags, &format!("none,{named}"))?;
                }
                Some(controllers) => mount_new("cgroup", &point, "cgroup", flags, controllers)?,
            }
            link_each_controller(hierarchy, &point)?;
        }
        Ok(())
    }

    /// A `/dev` with what every program may expect, and no disk of this machine.
    pub(crate) fn dev(&self) -> Result<()> {
        self.tmpfs(
            "/dev",
            "mode=755,size=64k",
            MountFlags::NOSUID | MountFlags::NOEXEC,
        )?;
        for (name, major, minor) in [
            ("null", 1, 3),
            ("zero", 1, 5),
            ("full", 1, 7),
            ("random", 1, 8),
            ("urandom", 1, 9),
            ("tty", 5, 0),
        ] {
            let path = self.path(&format!("/dev/{name}"));
            mknodat(
                CWD,
                &path,
                FileType::CharacterDevice,
                Mode::from_raw_mode(0o666),
                makedev(major, minor),
            )
            .map_err(Error::sys("making device", &path))?;
            set_mode(&path, 0o666)?;
        }
        for (name, target) in [
            ("ptmx", "pts/ptmx"),
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] {
            let path = self.path(&format!("/dev/{name}"));
            symlink(target, &path).map_err(Error::io("linking", path))?;
        }
        let quiet = MountFlags::NOSUID | MountFlags::NOEXEC;
        let pts = self.directory("/dev/pts", 0o755)?;
        mount_new(
            "devpts",
            &pts,
            "devpts",
            quiet,
            "newinstance,ptmxmode=0666,mode=0620,gid=5",
        )?;
        self.tmpfs("/dev/shm", "mode=1777", quiet | MountFlags::NODEV)?;
        let mqueue = self.directory("/dev/mqueue", 0o1777)?;
        mount_new("mqueue", &mqueue, "mqueue", quiet | MountFlags::NODEV, "")
    }

    /// Makes this the root of the mount namespace; nothing of this machine's own tree is in reach after it.
    pub(crate) fn enter(self) -> Result<()> {
        let Self { at } = self;
        std::env::set_current_dir(&at).map_err(Error::io("entering", &at))?;
        // The old root is stacked onto the new one and then taken off: no directory is needed for it (pivot_root(2)).
        rustix::process::pivot_root(".", ".").map_err(Error::sys("making the root", &at))?;
        unmount(".", UnmountFlags::DETACH).map_err(Error::sys("leaving the old root of", &at))?;
        std::env::set_current_dir("/").map_err(Error::io("entering", "/"))?;
        // As systemd has it on a stemcell: mounts made by one program are seen by containers that ask for it.
        mount_change(
            "/",
            MountPropagationFlags::SHARED | MountPropagationFlags::REC,
        )
        .map_err(Error::sys("sharing", "/"))
    }
}

/// `cpu,cpuacct` is found under `cpu` and `cpuacct`, too.
fn link_each_controller(hierarchy: &Hierarchy, point: &Path) -> Result<()> {
    let (Some(controllers), Some(parent), Some(name)) =
        (&hierarchy.v1, point.parent(), point.file_name())
    else {
        return Ok(());
    };
    for controller in controllers
        .split(',')
        .filter(|c| controllers.contains(',') && !c.contains('='))
    {
        let link = parent.join(controller);
        if !link.exists() && !link.is_symlink() {
            symlink(name, &link).map_err(Error::io("linking", link))?;
        }
    }
    Ok(())
}

fn mount_new(
    source: &str,
    point: &Path,
    kind: &str,
    flags: MountFlags,
    options: &str,
) -> Result<()> {
    let invalid = |_| Error::Invalid {
        what: "mount options",
        value: options.to_owned(),
        why: "they hold a NUL".to_owned(),
    };
    let data = CString::new(options).map_err(invalid)?;
    mount(source, point, kind, flags, data.as_c_str()).map_err(Error::sys("mounting", point))
}

/// A tmpfs that is not part of a root.
pub(crate) fn mount_tmpfs(point: &Path) -> Result<()> {
    mount_new("tmpfs", point, "tmpfs", MountFlags::empty(), "mode=700")
}

/// Makes a directory (and its parents) and sets its mode, whatever the umask.
pub(crate) fn make_directory(path: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("making directory", path))?;
    set_mode(path, mode)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::io("setting the mode of", path))
}

/// Gives a file or directory to root and group vcap.
pub(crate) fn give_to_vcap(path: &Path) -> Result<()> {
    chown(path, Some(0), Some(VCAP)).map_err(Error::io("setting the owner of", path))
}

/// Removes what is in a directory, but not the directory.
pub(crate) fn empty(directory: &Path) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(Error::io("reading", directory))?;
    for entry in entries.flatten() {
        remove(&entry.path())?;
    }
    Ok(())
}

/// Removes a file, or a directory with all that is in it.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let directory = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir());
    let removed = if directory {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(Error::io("removing", path))
}
