//! The mounts of this machine, and undoing those that containers left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bosh_job::{Advise, ProcessInfo};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use tracing::info;

/// A mount, as far as it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Number of the device, as `major:minor`.
    pub device: String,
    /// Which directory of the file system is mounted.
    pub root: PathBuf,
    /// Where.
    pub target: PathBuf,
    /// Type of the file system.
    pub kind: String,
    /// The file system's own options.
    pub super_options: String,
}

/// All mounts that this process sees, in the order in which they were made.
pub fn all() -> anyhow::Result<Vec<Mount>> {
    let text =
        std::fs::read_to_string("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
    Ok(text.lines().filter_map(parse).collect())
}

/// A line of `mountinfo` (proc(5)): six fields, optional ones up to a dash, then type, source and options.
fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(2);
    let device = fields.next()?.to_owned();
    let root = unescape(fields.next()?).into();
    let target = unescape(fields.next()?).into();
    let mut fields = after.split(' ');
    let kind = fields.next()?.to_owned();
    let super_options = fields.nth(1).unwrap_or_default().to_owned();
    Some(Mount {
        device,
        root,
        target,
        kind,
        super_options,
    })
}

/// Whether a directory is mounted onto itself, which dockerd does with its data root where mounts are not shared. It undoes
/// it in the end, but not when it was killed once in between (moby, `setupDaemonRootPropagation`).
fn is_mounted_onto_itself(mounts: &[Mount], dir: &Path) -> bool {
    let Some(position) = mounts.iter().rposition(|mount| mount.target == dir) else {
        return false;
    };
    let beneath = mounts[..position]
        .iter()
        .filter(|mount| dir.starts_with(&mount.target));
    let Some(parent) = beneath.max_by_key(|mount| mount.target.components().count()) else {
        return false;
    };
    let expected = dir
        .strip_prefix(&parent.target)
        .map(|rest| parent.root.join(rest));
    mounts[position].device == parent.device
        && expected.is_ok_and(|expected| expected == mounts[position].root)
}

/// Undoes the mounts of a directory onto itself.
pub fn unmount_from_itself(dir: &Path) -> anyhow::Result<()> {
    while is_mounted_onto_itself(&all()?, dir) {
        unmount_one(dir)?;
    }
    Ok(())
}

/// `mountinfo` writes blanks, line breaks and backslashes as `\` and three octal digits.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let escaped =
            digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(byte) = escaped {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Unmounts everything below `roots`, the last mount first. A root itself is left: it may be a disk of its own.
pub fn unmount_below(roots: &[&Path]) -> anyhow::Result<()> {
    let below = |target: &Path| {
        roots
            .iter()
            .any(|root| target != *root && target.starts_with(root))
    };
    for mount in all()?
        .into_iter()
        .rev()
        .filter(|mount| below(&mount.target))
    {
        unmount_one(&mount.target)?;
    }
    Ok(())
}

/// Unmounts one.
pub fn unmount_one(target: &Path) -> anyhow::Result<()> {
    for _ in 0..20 {
        match unmount(target, UnmountFlags::NOFOLLOW) {
            Ok(()) => {
                info!(mount = %target.display(), "unmounted what was left");
                return Ok(());
            }
            // gone meanwhile, with a mount above it
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) => std::thread::sleep(Duration::from_millis(100)),
            Err(errno) => {
                return Err(errno).with_context(|| format!("unmounting {}", target.display()));
            }
        }
    }
    let holders = holders(target);
    let who = if holders.is_empty() {
        "nobody that can be seen".to_owned()
    } else {
        holders.join(", ")
    };
    Err(anyhow::anyhow!(
        "cannot unmount {}, in use by {who}",
        target.display()
    ))
    .hint("end the process and stop again; until then the persistent disk cannot be unmounted")
}

/// The processes that hold something below a path open, as `name (pid)`.
pub fn holders(path: &Path) -> Vec<String> {
    let is_below =
        |link: &Path| std::fs::read_link(link).is_ok_and(|target| target.starts_with(path));
    ProcessInfo::all()
        .into_iter()
        .filter(|info| {
            let dir = PathBuf::from(format!("/proc/{}", info.pid.as_raw_nonzero()));
            let open_files = std::fs::read_dir(dir.join("fd"))
                .into_iter()
                .flatten()
                .flatten();
            ["cwd", "root", "exe"]
                .iter()
                .any(|name| is_below(&dir.join(name)))
                || open_files.into_iter().any(|file| is_below(&file.path()))
        })
        .map(|info| format!("{} ({})", info.program(), info.pid.as_raw_nonzero()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_with_optional_fields_and_escapes() {
        let line = r"36 35 98:0 /mnt1 /mnt\040two rw,noatime shared:1 master:2 - ext4 /dev/root rw,errors=continue";
        let mount = parse(line).unwrap();
        assert_eq!(mount.target, Path::new("/mnt two"));
        assert_eq!(
            (mount.device.as_str(), mount.root.as_path()),
            ("98:0", Path::new("/mnt1"))
        );
        assert_eq!(
            (mount.kind.as_str(), mount.super_options.as_str()),
            ("ext4", "rw,errors=continue")
        );
        assert_eq!(parse("broken"), None);
        assert_eq!(unescape(r"a\134b\0x\"), r"a\b\0x\");
    }

    fn mounts(lines: &[&str]) -> Vec<Mount> {
        lines.iter().filter_map(|line| parse(line)).collect()
    }

    #[test]
    fn tells_a_directory_mounted_onto_itself_from_a_disk_of_its_own() {
        let dir = Path::new("/var/vcap/store/docker");
        let onto_itself = [
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
            "2 1 8:2 / /var/vcap/store rw - ext4 /dev/sdb1 rw",
            "3 2 8:2 /docker /var/vcap/store/docker rw - ext4 /dev/sdb1 rw",
        ];
        assert!(is_mounted_onto_itself(&mounts(&onto_itself), dir));
        assert!(!is_mounted_onto_itself(&mounts(&onto_itself[..2]), dir));
        let disk = [
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
            "2 1 8:2 / /var/vcap/store/docker rw - ext4 /dev/sdb1 rw",
        ];
        assert!(!is_mounted_onto_itself(&mounts(&disk), dir));
        let elsewhere = [
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
            "2 1 8:1 /big /var/vcap/store/docker rw - ext4 /dev/sda1 rw",
        ];
        assert!(!is_mounted_onto_itself(&mounts(&elsewhere), dir));
    }

    #[test]
    fn sees_the_mounts_of_this_machine() {
        assert!(
            all()
                .unwrap()
                .iter()
                .any(|mount| mount.target == Path::new("/proc"))
        );
    }

    #[test]
    fn names_who_holds_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let _file = std::fs::File::create(dir.path().join("x")).unwrap();
        let me = format!("({})", std::process::id());
        assert!(
            holders(&dir.path().canonicalize().unwrap())
                .iter()
                .any(|holder| holder.contains(&me))
        );
    }
}
