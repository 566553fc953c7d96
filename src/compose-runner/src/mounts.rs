//! Files of the recipe that its services mount: whether they are there, and what they hold.
//!
//! Compose compares a service's settings, not the content of what it mounts. So each service gets a label with a digest
//! of the files that it mounts from the recipe's directory and, within bounds, from elsewhere, and of the configs and secrets
//! that are no files, in an override file; when a content changes, the label does, and `up` recreates exactly that
//! service's containers.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Component, Path, PathBuf},
};

use bosh_job::ErrorReport;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    failure::error,
    model::{Model, Mount, MountKind},
};
pub use outside::Outside;
pub use texts::Texts;

mod outside;
mod texts;

/// The label; its value is a SHA-256 in hexadecimal.
pub const LABEL: &str = "containers.files.sha256";

/// The recipe's directory, and what of it the operator's property `files` wrote.
pub struct RecipeFiles<'a> {
    /// `$PWD` of the recipe.
    pub directory: &'a Path,
    /// Paths in the directory, each with a digest of what the operator asked for (content, owner, mode).
    pub written: BTreeMap<&'a Path, String>,
    /// What counts beyond that directory.
    pub outside: Outside<'a>,
    /// What counts and is no file.
    pub texts: Texts<'a>,
}

impl RecipeFiles<'_> {
    /// What the recipe mounts and is not there. Below the recipe's directory dockerd would make an empty directory of
    /// it, and the service would find that in place of its file.
    pub fn missing(&self, model: &Model) -> Vec<ErrorReport> {
        let mut errors = Vec::new();
        for (name, service) in model
            .services
            .iter()
            .filter(|(_, service)| service.replicas > 0)
        {
            let wanted = service.mounts.iter().filter(|mount| {
                mount.kind != MountKind::Volume || self.inside(&mount.source).is_some()
            });
            for mount in wanted.filter(|mount| fs::symlink_metadata(&mount.source).is_err()) {
                let place = mount.kind.word();
                let (what, hint) = match self.inside(&mount.source) {
                    Some(inside) => (
                        format!("service {name}, `{place}`: there is no ./{} in the recipe's directory", inside.display()),
                        "put the file into property `files`, or have `prep` make it (a directory too: `mkdir -p`)".to_owned(),
                    ),
                    None => (
                        format!("service {name}, `{place}`: there is no {}", mount.source.display()),
                        "fix the path, or put the file into property `files`".to_owned(),
                    ),
                };
                let mut found = error(what);
                found.service = Some(name.clone());
                found.property = Some("recipe".to_owned());
                found.hint = Some(hint);
                errors.push(found);
            }
        }
        errors
    }

    /// The override file: a label for each service that mounts something that counts, and the image of
    /// each whose own name for it the engine cannot resolve.
    pub fn override_file(
        &self,
        model: &Model,
        images: &BTreeMap<String, String>,
    ) -> io::Result<serde_json::Value> {
        let mut services: BTreeMap<&String, serde_json::Value> = images
            .iter()
            // There is no registry to pull a bare digest from, whatever the recipe says of pulling.
            .map(|(service, image)| (service, json!({ "image": image, "pull_policy": "missing" })))
            .collect();
        for (name, service) in &model.services {
            let mut digest = None;
            for mount in &service.mounts {
                if let Some(inside) = self.inside(&mount.source) {
                    self.add(digest.get_or_insert_with(Sha256::new), mount, &inside)?;
                }
            }
            // After these, so that what has none of the following keeps the label that it had before they counted.
            for mount in &service.mounts {
                if self.inside(&mount.source).is_none() {
                    self.outside.add(&mut digest, mount)?;
                }
            }
            self.texts.add(&mut digest, &service.texts)?;
            if let Some(digest) = digest {
                let entry = services.entry(name).or_insert_with(|| json!({}));
                entry["labels"] = json!({ LABEL: hex::encode(digest.finalize()) });
            }
        }
        Ok(json!({ "services": services }))
    }

    /// The path in the recipe's directory, if it is there. Also by another way to the same directory (`/var/vcap/data`
    /// may be a link).
    fn inside(&self, source: &Path) -> Option<PathBuf> {
        let within = |source: &Path, directory: &Path| {
            source.strip_prefix(directory).map(Path::to_owned).ok()
        };
        within(&without_dots(source), self.directory).or_else(|| {
            within(
                &fs::canonicalize(source).ok()?,
                &fs::canonicalize(self.directory).ok()?,
            )
        })
    }

    fn add(&self, digest: &mut Sha256, mount: &Mount, inside: &Path) -> io::Result<()> {
        let metadata = fs::metadata(&mount.source).map_err(|error| named(&mount.source, &error))?;
        if !metadata.is_dir() {
            return self.add_one(digest, inside, &mount.source, &metadata);
        }
        if mount.read_only {
            return self.add_tree(digest, inside, &mount.source);
        }
        // What a container writes into its directory is its own affair; only what the operator wrote counts.
        add_text(digest, b"directory", inside.as_os_str().as_bytes());
        for path in self.written.keys().filter(|path| path.starts_with(inside)) {
            let file = self.directory.join(path);
            let metadata = fs::metadata(&file).map_err(|error| named(&file, &error))?;
            self.add_one(digest, path, &file, &metadata)?;
        }
        Ok(())
    }

    /// A directory's entries, sorted, so that two looks at the same tree agree.
    fn add_tree(&self, digest: &mut Sha256, inside: &Path, directory: &Path) -> io::Result<()> {
        let listed = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = listed.map_err(|error| named(directory, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let metadata = fs::symlink_metadata(directory).map_err(|error| named(directory, &error))?;
        add_mode(digest, b"directory", inside, &metadata);
        for entry in entries {
            let (inside, path) = (inside.join(entry.file_name()), entry.path());
            let metadata = fs::symlink_metadata(&path).map_err(|error| named(&path, &error))?;
            if metadata.is_dir() {
                self.add_tree(digest, &inside, &path)?;
            } else {
                self.add_one(digest, &inside, &path, &metadata)?;
            }
        }
        Ok(())
    }

    /// A file. Of one that the operator wrote, the owner and mode that were asked for count: a container that gives
    /// what it mounts to its own user changes nothing by that.
    fn add_one(
        &self,
        digest: &mut Sha256,
        inside: &Path,
        path: &Path,
        metadata: &fs::Metadata,
    ) -> io::Result<()> {
        if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(|error| named(path, &error))?;
            add_text(digest, b"link", inside.as_os_str().as_bytes());
            add_text(digest, b"to", target.as_os_str().as_bytes());
            return Ok(());
        }
        match self.written.get(inside) {
            Some(asked_for) => add_text(digest, b"asked for", asked_for.as_bytes()),
            None => add_mode(digest, b"file", inside, metadata),
        }
        // Of a socket, a pipe or a device there is nothing to compare.
        if metadata.is_file() {
            add_content(digest, path).map_err(|error| named(path, &error))
        } else {
            Ok(())
        }
    }
}

/// The path with its `.` and `..` resolved as text; Compose leaves those of a long-form volume in.
pub fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    clean
}

fn add_mode(digest: &mut Sha256, kind: &[u8], inside: &Path, metadata: &fs::Metadata) {
    add_text(digest, kind, inside.as_os_str().as_bytes());
    add_text(
        digest,
        b"mode",
        format!("{:o}", metadata.mode() & 0o7777).as_bytes(),
    );
}

fn add_content(digest: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut content = Sha256::new();
    let mut part = vec![0; 64 << 10];
    loop {
        match file.read(&mut part)? {
            0 => break,
            read => content.update(&part[..read]),
        }
    }
    add_text(digest, b"content", &content.finalize());
    Ok(())
}

/// Adds kind and text, each with its length, so that no two lists look alike.
fn add_text(digest: &mut Sha256, kind: &[u8], text: &[u8]) {
    for part in [kind, text] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("reading {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
