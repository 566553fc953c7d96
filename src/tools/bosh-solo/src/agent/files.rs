//! Files of an instance, made from this machine with the owners and modes that the agent gives them.

use anyhow::{Context, Result, anyhow};
use solo_instance::Instance;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// The files of an instance, owned by root and its group `vcap`.
#[derive(Debug)]
pub struct Files<'a> {
    instance: &'a Instance,
    vcap: u32,
}

impl<'a> Files<'a> {
    /// The files of `instance`.
    pub fn new(instance: &'a Instance) -> Result<Self> {
        let groups = instance.host_path("/etc/group")?;
        let text =
            fs::read_to_string(&groups).with_context(|| format!("reading {}", groups.display()))?;
        let vcap = text
            .lines()
            .find_map(|line| line.strip_prefix("vcap:")?.split(':').nth(1)?.parse().ok())
            .with_context(|| format!("{} has no group vcap", groups.display()))?;
        Ok(Self { instance, vcap })
    }

    /// Where a path of the instance is on this machine.
    pub fn host(&self, path: &str) -> Result<PathBuf> {
        Ok(self.instance.host_path(path)?)
    }

    /// Gives an existing file or directory its mode and root:vcap.
    pub fn own(&self, path: &Path, mode: u32) -> Result<()> {
        let own = || -> std::io::Result<()> {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            chown(path, Some(0), Some(self.vcap))
        };
        own().with_context(|| format!("setting owner and mode of {}", path.display()))
    }

    /// Makes a directory with its missing parents, and gives it its mode and root:vcap.
    pub fn directory(&self, path: &str, mode: u32) -> Result<PathBuf> {
        let path = self.host(path)?;
        fs::create_dir_all(&path)
            .with_context(|| format!("making directory {}", path.display()))?;
        self.own(&path, mode)?;
        Ok(path)
    }

    /// Makes `link` point to `target`, a path inside the instance; replaces at once what was there.
    pub fn link(target: &str, directory: &Path, name: &str) -> Result<()> {
        let link = directory.join(name);
        let temporary = directory.join(format!(".{name}.new"));
        remove(&temporary)?;
        if fs::symlink_metadata(&link).is_ok_and(|metadata| !metadata.is_symlink()) {
            remove(&link)?;
        }
        symlink(target, &temporary)
            .and_then(|()| fs::rename(&temporary, &link))
            .with_context(|| format!("linking {}", link.display()))
    }
}

/// Removes a file, a link or a whole directory; nothing if there is nothing.
pub fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(anyhow!(error).context(format!("removing {}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Names of a directory's entries, sorted; none when there is no such directory.
pub fn entries(directory: &Path) -> Result<Vec<String>> {
    let list = match fs::read_dir(directory) {
        Ok(list) => list,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(anyhow!(error).context(format!("listing {}", directory.display())));
        }
    };
    let mut names = Vec::new();
    for entry in list {
        let entry = entry.with_context(|| format!("listing {}", directory.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Copies a tree with modes and links; owners become root, as when the agent unpacks a package.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("making directory {}", to.display()))?;
    let list = fs::read_dir(from).with_context(|| format!("listing {}", from.display()))?;
    for entry in list {
        let entry = entry.with_context(|| format!("listing {}", from.display()))?;
        let (source, destination) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &destination)?;
        } else {
            let copied = if kind.is_symlink() {
                fs::read_link(&source).and_then(|target| symlink(target, &destination))
            } else {
                fs::copy(&source, &destination).map(|_| ())
            };
            copied.with_context(|| format!("copying {}", source.display()))?;
        }
    }
    let permissions = fs::metadata(from)?.permissions();
    fs::set_permissions(to, permissions)
        .with_context(|| format!("setting mode of {}", to.display()))
}
