//! Files that a service mounts from outside the recipe's directory.
//!
//! A container keeps the file that it was created with: one that another job's deploy or `prep` replaces is another file, even
//! under the same name. What counts is what other people write and a container reads. What a container writes itself does not,
//! nor what is too large to be read at each start.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{add_text, named};
use crate::model::{Mount, MountKind};

/// A directory with more entries than this is no configuration.
const MOST_ENTRIES: usize = 2000;
/// Nor is one with more bytes, or a file.
const MOST_BYTES: u64 = 64 << 20;

/// What is the kernel's, or gone with the next boot.
const NO_FILES: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/var/run"];
/// The VM's lists of users and hosts: each `bosh ssh` changes them.
const VM_LISTS: [&str; 5] = ["passwd", "group", "shadow", "gshadow", "hosts"];

/// Where things lie on the VM.
pub struct Outside<'a> {
    /// `/var/vcap`.
    pub root: &'a Path,
    /// The engine's socket.
    pub socket: PathBuf,
}

impl Outside<'_> {
    /// Adds what a mount's source holds, if it counts.
    pub fn add(&self, digest: &mut Option<Sha256>, mount: &Mount) -> io::Result<()> {
        // dockerd makes a directory of what is not there
        let Ok(real) = fs::canonicalize(&mount.source) else {
            return Ok(());
        };
        let metadata = fs::metadata(&real).map_err(|error| named(&real, &error))?;
        let source = mount.source.as_os_str().as_bytes();
        if metadata.file_type().is_socket() {
            // A dockerd that starts makes another one, and the old one leads nowhere.
            if fs::canonicalize(&self.socket).is_ok_and(|socket| socket == real) {
                let digest = digest.get_or_insert_with(Sha256::new);
                add_text(digest, b"socket", source);
                add_text(digest, b"identity", identity(&metadata).as_bytes());
            }
        } else if metadata.is_file() && self.counts(&real, mount) {
            let digest = digest.get_or_insert_with(Sha256::new);
            add_text(digest, b"outside", source);
            add_file(digest, &real, &metadata)?;
        } else if metadata.is_dir() && self.is_configuration(&real, mount) {
            let digest = digest.get_or_insert_with(Sha256::new);
            add_text(digest, b"outside", source);
            Self::add_directory(digest, &real)?;
        }
        Ok(())
    }

    fn counts(&self, file: &Path, mount: &Mount) -> bool {
        let is_list = file.parent() == Some(Path::new("/etc"))
            && file
                .file_name()
                .is_some_and(|name| VM_LISTS.iter().any(|list| name == OsStr::new(list)));
        let is_data = !mount.read_only
            && mount.kind == MountKind::Volume
            && file.starts_with(real_or_same(&self.root.join("store")));
        !is_list && !is_data && !NO_FILES.iter().any(|place| file.starts_with(place))
    }

    /// What other jobs bring, and what a container only reads of the disk that every deploy may write to.
    fn is_configuration(&self, directory: &Path, mount: &Mount) -> bool {
        let data = real_or_same(&self.root.join("data"));
        let is_of = |place: &Path| directory.starts_with(real_or_same(place));
        if is_of(&data.join("jobs")) || is_of(&self.root.join("jobs")) {
            return directory != data.join("jobs") && directory != self.root.join("jobs");
        }
        let others = ["sys", "docker", "packages", "bosh", "tmp", "root_tmp"];
        mount.read_only
            && is_of(&data)
            && directory != data
            && !others.iter().any(|other| is_of(&data.join(other)))
    }

    fn add_directory(digest: &mut Sha256, directory: &Path) -> io::Result<()> {
        let mut tree = Tree {
            digest: Sha256::new(),
            entries: 0,
            bytes: 0,
        };
        if tree.add(directory, Path::new(""))? {
            add_text(digest, b"tree", &tree.digest.finalize());
        } else {
            tracing::info!(
                directory = %directory.display(),
                "too large for its content to be compared: a change of it makes no container new"
            );
            add_text(digest, b"large", directory.as_os_str().as_bytes());
        }
        Ok(())
    }
}

/// A directory's content, as far as it is not too much.
struct Tree {
    digest: Sha256,
    entries: usize,
    bytes: u64,
}

impl Tree {
    /// Whether all of it was added.
    fn add(&mut self, directory: &Path, inside: &Path) -> io::Result<bool> {
        let listed = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = listed.map_err(|error| named(directory, &error))?;
        self.entries += entries.len();
        if self.entries > MOST_ENTRIES {
            return Ok(false);
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, inside) = (entry.path(), inside.join(entry.file_name()));
            let kind = entry.file_type().map_err(|error| named(&path, &error))?;
            if kind.is_dir() {
                add_text(
                    &mut self.digest,
                    b"directory",
                    inside.as_os_str().as_bytes(),
                );
                if !self.add(&path, &inside)? {
                    return Ok(false);
                }
                continue;
            }
            if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(|error| named(&path, &error))?;
                add_text(&mut self.digest, b"link", inside.as_os_str().as_bytes());
                add_text(&mut self.digest, b"to", target.as_os_str().as_bytes());
            }
            // also that of a link; one that leads nowhere holds nothing
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if metadata.is_file() {
                self.bytes += metadata.len();
                if self.bytes > MOST_BYTES {
                    return Ok(false);
                }
                add_text(&mut self.digest, b"file", inside.as_os_str().as_bytes());
                add_file(&mut self.digest, &path, &metadata)?;
            }
        }
        Ok(true)
    }
}

/// A file's content; of one that is too large, which file it is.
fn add_file(digest: &mut Sha256, path: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.len() > MOST_BYTES {
        add_text(digest, b"large", metadata.ino().to_string().as_bytes());
        return Ok(());
    }
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut content))
        .map_err(|error| named(path, &error))?;
    add_text(digest, b"content", &Sha256::digest(&content));
    Ok(())
}

/// Which one of the sockets that followed each other under a name it is.
fn identity(metadata: &fs::Metadata) -> String {
    format!(
        "{} {}.{}",
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

fn real_or_same(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
