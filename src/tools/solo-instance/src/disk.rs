//! The persistent disk: an ext4 image on a loop device, mounted at `/var/vcap/store` inside the instance.
//!
//! The loop device is told to go when its last mount goes (autoclear), so that a machine that dies leaves none.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command;
use crate::error::{DiskHolder, Error, Result};
use crate::mountinfo;
use crate::process::{self, Stat};
use crate::storage;

/// Where BOSH mounts it.
pub(crate) const MOUNT_POINT: &str = "/var/vcap/store";
/// Its name inside the instance: the second disk of a VM.
pub(crate) const DEVICE: &str = "/dev/sdb";
/// How long something may use the disk after it was asked to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const BLOCK_DEVICES: &str = "/sys/block";

/// Makes the image, or gives the one that is there another size (larger, or smaller if what is in it fits).
pub(crate) fn ensure(image: &Path, megabytes: u64) -> Result<()> {
    let bytes = megabytes << 20;
    let Ok(metadata) = image.metadata() else {
        return storage::make_ext4(image, bytes);
    };
    if metadata.len() == bytes {
        return Ok(());
    }
    if !loops_of(image).is_empty() {
        return Err(Error::Invalid {
            what: "persistent disk size",
            value: format!("{megabytes} MB"),
            why: "the disk is attached: detach it before its size changes".to_owned(),
        });
    }
    let resize = |length: u64| {
        let file = File::options()
            .write(true)
            .open(image)
            .map_err(Error::io("opening", image))?;
        file.set_len(length).map_err(Error::io("sizing", image))
    };
    if bytes > metadata.len() {
        resize(bytes)?;
    }
    // 1 is "errors corrected": what a journal after a power cut asks for.
    match command::run("e2fsck", [Path::new("-fp"), image]) {
        Err(Error::Failed { status, .. }) if status.code() == Some(1) => {}
        result => result.map(drop)?,
    }
    command::run(
        "resize2fs",
        [image.as_os_str(), format!("{megabytes}M").as_ref()],
    )?;
    if bytes < metadata.len() {
        resize(bytes)?;
    }
    Ok(())
}

/// A loop device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loop {
    /// `loop7`.
    pub(crate) name: String,
    /// `major:minor`.
    pub(crate) device: String,
    /// The file behind it.
    pub(crate) file: PathBuf,
}

/// Every loop device with a file behind it.
pub(crate) fn loops() -> Vec<Loop> {
    let Ok(entries) = fs::read_dir(BLOCK_DEVICES) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let file = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
            let file = file.trim_end();
            Some(Loop {
                name: entry.file_name().into_string().ok()?,
                device: fs::read_to_string(entry.path().join("dev"))
                    .ok()?
                    .trim()
                    .to_owned(),
                file: file.strip_suffix(" (deleted)").unwrap_or(file).into(),
            })
        })
        .collect()
}

pub(crate) fn loops_of(image: &Path) -> Vec<Loop> {
    loops().into_iter().filter(|l| l.file == image).collect()
}

/// Puts the image on a loop device of its own.
pub(crate) fn set_up(image: &Path) -> Result<Loop> {
    command::run("losetup", [Path::new("--find"), Path::new("--show"), image])?;
    loops_of(image).pop().ok_or_else(|| Error::Unsupported {
        what: format!("the loop device of {} vanished", image.display()),
        hint: "`losetup --list` shows who uses it".to_owned(),
    })
}

/// Frees a loop device: at once, or when its last mount goes.
pub(crate) fn free(device: &Loop) -> Result<()> {
    command::run("losetup", ["--detach", &format!("/dev/{}", device.name)]).map(drop)
}

/// Waits until no loop device has the image.
pub(crate) fn wait_until_free(image: &Path, bound: Duration) -> bool {
    process::wait_until(bound, || loops_of(image).is_empty())
}

/// Who of `pids` uses the file system on `device`, and how. `init` is the instance's PID 1: its own mount at
/// [`MOUNT_POINT`] is what is to go.
pub(crate) fn holders(device: &str, init: i32, pids: &[i32]) -> Vec<DiskHolder> {
    let own_namespace = mount_namespace(init);
    let mut seen_namespaces = BTreeSet::new();
    let mut holders = Vec::new();
    for &pid in pids {
        let mut hold = |how: String| {
            let command = Stat::of(pid).map_or_else(|| "?".to_owned(), |s| s.command);
            holders.push(DiskHolder { pid, command, how });
        };
        if let Some(how) = held_by_files(device, pid) {
            hold(how);
        }
        let Some(namespace) = mount_namespace(pid) else {
            continue;
        };
        if seen_namespaces.insert(namespace.clone()) {
            let own = own_namespace.as_ref() == Some(&namespace);
            if let Some(how) = held_by_mounts(device, pid, own) {
                hold(how);
            }
        }
    }
    holders
}

fn mount_namespace(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()
}

fn held_by_files(device: &str, pid: i32) -> Option<String> {
    let on_device = |path: &Path| {
        path.metadata()
            .is_ok_and(|m| device_name(m.dev()) == device)
    };
    for (file, how) in [
        ("cwd", "working directory"),
        ("root", "root directory"),
        ("exe", "program"),
    ] {
        if on_device(Path::new(&format!("/proc/{pid}/{file}"))) {
            return Some(how.to_owned());
        }
    }
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let open = descriptors
        .flatten()
        .map(|d| d.path())
        .find(|d| on_device(d))?;
    let name = fs::read_link(&open)
        .map_or_else(|_| "a file".to_owned(), |name| name.display().to_string());
    Some(format!("open file {name}"))
}

/// A mount of the device besides the instance's own one, or an overlay (a container's root) that lies on it.
fn held_by_mounts(device: &str, pid: i32, own: bool) -> Option<String> {
    let mounts = mountinfo::of(&pid.to_string()).ok()?;
    let own_point = Path::new(MOUNT_POINT);
    mounts
        .iter()
        .find(|m| {
            let lies_on_it = m
                .options
                .iter()
                .any(|o| o.contains(&format!("dir={MOUNT_POINT}/")));
            let below = m.point != own_point && m.point.starts_with(own_point);
            if own {
                below || lies_on_it || (m.device == device && m.point != own_point)
            } else {
                m.device == device || lies_on_it
            }
        })
        .map(|m| format!("mount at {}", m.point.display()))
}

/// `major:minor`, as mountinfo and sysfs write it.
fn device_name(device: u64) -> String {
    format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_and_a_working_directory_hold_their_file_system() {
        let me = i32::try_from(std::process::id()).unwrap();
        let device = device_name(std::env::current_dir().unwrap().metadata().unwrap().dev());
        assert_eq!(
            held_by_files(&device, me).as_deref(),
            Some("working directory")
        );
        assert_eq!(held_by_files("9999:1", me), None);
    }
}
