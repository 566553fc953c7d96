//! What is small: packages, jobs, and the list of blobs, against what `images.lock` makes of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::findings::{FREEZE_AGAIN, Findings};
use crate::release::images_lock::FILE as LOCK_FILE;
use crate::release::{Release, blobs, files, layers, names, remake, tree};

impl Release {
    /// The packages that the lock names are those that its images have.
    pub(super) fn verify_packages(&self, found: &Findings) {
        let mut images = self.lock.images().to_vec();
        tree::assign_packages(&mut images);
        for (written, expected) in self.lock.images().iter().zip(&images) {
            if written.packages != expected.packages {
                found.add(
                    LOCK_FILE,
                    format!(
                        "packages of {}: they are not those that its layers have",
                        written.reference.familiar()
                    ),
                    Some(FREEZE_AGAIN),
                );
            }
        }
    }

    /// Packages and jobs are byte for byte what the lock makes of them.
    pub(super) fn verify_files(&self, found: &Findings) {
        let expected = tree::files(&self.lock);
        for (path, text) in &expected {
            match files::read(&self.root.join(path)) {
                Ok(Some(bytes)) if bytes == text.as_bytes() => {}
                Ok(Some(bytes)) => {
                    let line = first_difference(&bytes, text.as_bytes());
                    let problem = format!("line {line} is not what {LOCK_FILE} makes of it");
                    found.add(path, problem, Some(FREEZE_AGAIN));
                }
                Ok(None) => found.add(path, "it is missing", Some(FREEZE_AGAIN)),
                Err(error) => found.error(self, path, &error),
            }
        }
        let documents: BTreeSet<String> = self
            .lock
            .images()
            .iter()
            .flat_map(tree::document_paths)
            .collect();
        for directory in tree::directories(&self.lock) {
            let Ok(paths) = remake::all_files(&self.root, Path::new(&directory)) else {
                found.add(&directory, "it cannot be read", None);
                continue;
            };
            for path in paths.iter().filter_map(|path| path.to_str()) {
                if !expected.contains_key(path) && !documents.contains(path) {
                    let problem = "it does not belong to what is frozen";
                    found.add(path, problem, Some("delete it"));
                }
            }
        }
        let known: BTreeSet<String> = tree::directories(&self.lock);
        for entry in fs::read_dir(self.root.join("packages"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("packages/{name}");
            if names::layer_of(&name).is_some() && !known.contains(&path) {
                found.add(&path, "no image needs this layer", Some("delete it"));
            }
        }
    }

    /// `config/blobs.yml` lists what is needed, with the right digests and sizes, and no layer beyond.
    pub(super) fn verify_blobs(&self, found: &Findings) {
        let needed = tree::layer_blobs(&self.lock);
        for (digest, size) in &needed {
            let path = layers::blob_path(digest);
            match self.blobs.get(&path) {
                None => found.add(
                    blobs::FILE,
                    format!("`{path}` is missing"),
                    Some(FREEZE_AGAIN),
                ),
                Some(blob) => {
                    if blob.sha != digest.to_string() {
                        found.add(
                            blobs::FILE,
                            format!("`{path}`: sha is not its digest"),
                            None,
                        );
                    }
                    if blob
                        .size
                        .is_some_and(|found| u64::try_from(found) != Ok(*size))
                    {
                        found.add(blobs::FILE, format!("`{path}`: size is not {size}"), None);
                    }
                }
            }
        }
        for path in self.blobs.entries().keys() {
            if layers::digest_of(path).is_some_and(|digest| !needed.contains_key(&digest)) {
                found.add(
                    blobs::FILE,
                    format!("`{path}`: no image needs this layer"),
                    None,
                );
            }
        }
    }
}

/// The number of the line in which two texts begin to differ.
fn first_difference(left: &[u8], right: &[u8]) -> usize {
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    1 + left[..same].split(|byte| *byte == b'\n').skip(1).count()
}
