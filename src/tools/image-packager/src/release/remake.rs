//! From one state of `images.lock` to another: every file that follows from it, in one change.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use image_archive::Digest;

use super::blobs::{self, Blob};
use super::change::{Change, Changes, RemovedBlob};
use super::change_set::ChangeSet;
use super::error::{Error, Result};
use super::images_lock::{self, ImagesLock, Layout, LockedImage};
use super::{Release, export, files, gitignore, layers, tree};
use crate::image::Frozen;

/// Makes the release that of `new`. `frozen` are the images whose documents are in memory; of the others they are there.
pub(crate) fn remake(
    release: &mut Release,
    new: ImagesLock,
    frozen: &[&Frozen],
    mut changes: Changes,
) -> Result<Changes> {
    // What is written must be readable.
    let text = new.to_text();
    match ImagesLock::parse(&text) {
        Ok(read) if read == new => {}
        Ok(_) => {
            return Err(unwritable(
                release,
                "an image would be read back differently",
            ));
        }
        Err(why) => return Err(unwritable(release, &why)),
    }
    let mut set = ChangeSet::default();
    let mut blobs = release.blobs.clone();
    plan(release, &new, frozen, &mut set, &mut blobs, &mut changes)?;

    if release.lock != new {
        set.write(&release.root, images_lock::FILE, text.into_bytes());
    }
    if release.blobs != blobs {
        set.write(&release.root, blobs::FILE, blobs.to_text().into_bytes());
    }
    (changes.written, changes.deleted) = set.paths();
    if changes.dry_run {
        return Ok(changes);
    }
    if release.guard.is_none() {
        let source = std::io::Error::other("the release was opened for reading only");
        return Err(Error::write(&release.root)(source));
    }
    let ignored = changes
        .written
        .iter()
        .filter(|path| !path.starts_with("blobs/"));
    changes
        .warnings
        .extend(gitignore::warning(&release.root, ignored));
    set.commit(&release.root)?;
    release.lock = new;
    release.blobs = blobs;
    release.checked.write(&release.root);
    Ok(changes)
}

fn unwritable(release: &Release, why: &str) -> Error {
    Error::invalid(&release.root.join(images_lock::FILE), why)
}

fn plan(
    release: &Release,
    new: &ImagesLock,
    frozen: &[&Frozen],
    set: &mut ChangeSet,
    blobs: &mut blobs::Blobs,
    changes: &mut Changes,
) -> Result<()> {
    let (root, old) = (release.root.as_path(), &release.lock);
    let packages = |lock: &ImagesLock| -> BTreeSet<String> {
        let images = lock.images().iter();
        images.flat_map(|image| image.packages.clone()).collect()
    };
    let (before, now) = (packages(old), packages(new));
    changes.packages_added = now.difference(&before).cloned().collect();
    changes.packages_removed = before.difference(&now).cloned().collect();

    // Everything in our directories goes that is not written again.
    let directories = tree::directories(new);
    for directory in tree::directories(old).difference(&directories) {
        for path in all_files(root, Path::new(directory))? {
            set.delete(root, path);
        }
    }
    for (path, text) in tree::files(new) {
        set.write(root, path, text.into_bytes());
    }
    for image in frozen {
        if let Some(locked) = new.find(&image.reference) {
            write_documents(root, image, locked, set)?;
        }
    }

    let layers = tree::layer_blobs(new);
    for (digest, size) in &layers {
        let path = layers::blob_path(digest);
        if blobs.get(&path).is_none() {
            changes.blobs_added.push(path.clone());
        }
        blobs.insert(path, Blob::new(digest, *size));
    }
    for image in new
        .images()
        .iter()
        .filter(|image| image.layout == Layout::Archive)
    {
        write_archive(release, image, frozen, set, blobs, changes)?;
    }
    let mut gone: BTreeSet<String> = tree::layer_blobs(old)
        .into_keys()
        .filter(|digest| !layers.contains_key(digest))
        .map(|digest| layers::blob_path(&digest))
        .collect();
    // Layers that came only to be put into a tarball are no blobs of the release.
    let passing = new.images().iter().flat_map(|image| &image.layers);
    let passing = passing.map(|layer| layers::blob_path(&layer.digest));
    gone.extend(passing.filter(|path| blobs.get(path).is_none()));
    let archives: BTreeSet<_> = new.images().iter().filter_map(tree::archive_blob).collect();
    gone.extend(
        old.images()
            .iter()
            .filter_map(tree::archive_blob)
            .filter(|path| !archives.contains(path)),
    );
    for path in gone {
        set.delete(root, Path::new(blobs::DIRECTORY).join(&path));
        if let Some(blob) = blobs.remove(&path) {
            let object_id = blob.object_id;
            changes.blobs_removed.push(RemovedBlob { path, object_id });
        }
    }
    Ok(())
}

fn write_documents(
    root: &Path,
    image: &Frozen,
    locked: &LockedImage,
    set: &mut ChangeSet,
) -> Result<()> {
    let Some((first, _)) = image.documents.first() else {
        return Ok(());
    };
    let documents: Vec<(Digest, &[u8])> = image
        .documents
        .iter()
        .chain([&image.config])
        .map(|(descriptor, bytes)| (descriptor.digest, bytes.as_slice()))
        .collect();
    let files = tree::documents(locked, first, &documents);
    for path in all_files(root, Path::new(&tree::documents_directory(locked)))? {
        if path.to_str().is_none_or(|path| !files.contains_key(path)) {
            set.delete(root, path);
        }
    }
    for (path, bytes) in files {
        set.write(root, path, bytes);
    }
    Ok(())
}

/// Whether the image's tarball is there, and still that of the image.
pub(crate) fn has_archive(release: &Release, image: &LockedImage) -> bool {
    let unchanged = release.lock.find(&image.reference) == Some(image);
    tree::archive_blob(image).is_some_and(|path| unchanged && archive_size_agrees(release, &path))
}

fn archive_size_agrees(release: &Release, path: &str) -> bool {
    let size = release.blobs.get(path).and_then(|blob| blob.size);
    let file = release.root.join(blobs::DIRECTORY).join(path);
    let found = fs::metadata(file)
        .ok()
        .and_then(|file| i64::try_from(file.len()).ok());
    size.is_some() && size == found
}

fn write_archive(
    release: &Release,
    image: &LockedImage,
    frozen: &[&Frozen],
    set: &mut ChangeSet,
    blobs: &mut blobs::Blobs,
    changes: &mut Changes,
) -> Result<()> {
    let Some(path) = tree::archive_blob(image) else {
        return Ok(());
    };
    let Some(frozen) = frozen
        .iter()
        .find(|frozen| frozen.reference == image.reference)
    else {
        return Ok(());
    };
    let is_there = blobs.get(&path).is_some() && archive_size_agrees(release, &path);
    let unchanged = changes
        .images
        .iter()
        .any(|change| change.package == image.package && change.change == Change::Unchanged);
    if is_there && unchanged {
        return Ok(());
    }
    if blobs.get(&path).is_none() {
        changes.blobs_added.push(path.clone());
    }
    let relative = Path::new(blobs::DIRECTORY).join(&path);
    if changes.dry_run {
        set.place(relative, PathBuf::new());
        return Ok(());
    }
    let tarball = export::build_archive(release, image, frozen)?;
    let (digest, size) = files::digest(&tarball)?;
    blobs.insert(path, Blob::new(&digest, size));
    set.place(relative, tarball);
    Ok(())
}

/// All files below a directory of the release, relative to it. A link is a file here, and not followed.
pub(crate) fn all_files(root: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    let path = root.join(directory);
    let entries = match fs::read_dir(&path) {
        Ok(entries) if !path.is_symlink() => entries,
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::read(&path)(error));
        }
        _ => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::read(&path))?;
        let relative = directory.join(entry.file_name());
        let kind = entry.file_type().map_err(Error::read(&path))?;
        if kind.is_dir() {
            found.extend(all_files(root, &relative)?);
        } else {
            found.push(relative);
        }
    }
    Ok(found)
}
