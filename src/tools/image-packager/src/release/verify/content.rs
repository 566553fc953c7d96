//! What is large: every layer's digest, and that each image is whole.

use std::collections::BTreeSet;
use std::fs;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use image_archive::Digest;

use super::findings::{FREEZE_AGAIN, Findings};
use crate::release::images_lock::{FILE as LOCK_FILE, Layout, LockedImage};
use crate::release::stored::{self, Stored};
use crate::release::{Error, Release, blobs, files, layers, tree};

impl Release {
    /// The layers that are to be there, and their sizes.
    pub(super) fn verify_layers(&self, found: &Findings) -> Vec<(Digest, u64)> {
        let layers: Vec<(Digest, u64)> = tree::layer_blobs(&self.lock).into_iter().collect();
        in_parallel(&layers, |(digest, size)| {
            let path = format!("{}/{}", blobs::DIRECTORY, layers::blob_path(digest));
            let file = self.root.join(&path);
            let uploaded = self
                .blobs
                .get(&layers::blob_path(digest))
                .is_some_and(|blob| blob.object_id.is_some());
            match fs::symlink_metadata(&file) {
                Err(_) if uploaded => {
                    found.add(&path, "it is missing", Some("run `bosh sync-blobs`"));
                }
                Err(_) => found.add(&path, "it is missing", Some("freeze the image again")),
                Ok(metadata) if metadata.is_file() && metadata.len() != *size => {
                    let error = Error::WrongSize {
                        path: file,
                        expected: *size,
                        actual: metadata.len(),
                    };
                    found.error(self, &path, &error);
                }
                Ok(metadata) if metadata.is_file() => {
                    if let Err(error) = self.hash_layer(digest) {
                        found.error(self, &path, &error);
                    }
                }
                Ok(_) => found.add(&path, "it is not a file", Some("delete it")),
            }
        });
        layers
    }

    /// Documents, tarballs, and that every layer unpacks to what the config says.
    pub(super) fn verify_images(&self, found: &Findings) {
        let damaged: BTreeSet<String> = {
            let problems = found.problems.lock();
            let problems = problems.unwrap_or_else(PoisonError::into_inner);
            problems
                .iter()
                .map(|problem| problem.file.clone())
                .collect()
        };
        in_parallel(self.lock.images(), |image| {
            self.verify_documents(image, found);
            let layer_is_bad = image.layers.iter().any(|layer| {
                let path = layers::blob_path(&layer.digest);
                image.layout != Layout::Archive && damaged.contains(&format!("blobs/{path}"))
            });
            if let Some(blob) = tree::archive_blob(image) {
                self.verify_tarball(image, &blob, found);
            } else if !layer_is_bad && let Err(error) = Stored::open(self, image) {
                // Files of a scratch directory would tell nobody anything.
                let path = tree::documents_directory(image);
                found.error(self, &path, &error);
            }
        });
    }

    fn verify_documents(&self, image: &LockedImage, found: &Findings) {
        let directory = tree::documents_directory(image);
        let frozen = match stored::read_documents(self, image) {
            Ok(frozen) => frozen,
            Err(error) => return found.error(self, &directory, &error),
        };
        let documents: Vec<(Digest, &[u8])> = Vec::new();
        let Some((first, _)) = frozen.documents.first() else {
            return;
        };
        for (path, bytes) in tree::documents(image, first, &documents) {
            if !files::read(&self.root.join(&path)).is_ok_and(|read| read.as_ref() == Some(&bytes))
            {
                let problem = format!("it is not what {LOCK_FILE} makes of it");
                found.add(&path, problem, Some(FREEZE_AGAIN));
            }
        }
    }

    fn verify_tarball(&self, image: &LockedImage, blob: &str, found: &Findings) {
        let path = format!("{}/{blob}", blobs::DIRECTORY);
        let Some(entry) = self.blobs.get(blob) else {
            return found.add(
                blobs::FILE,
                format!("`{blob}` is missing"),
                Some(FREEZE_AGAIN),
            );
        };
        match files::digest(&self.root.join(&path)) {
            Err(_) if entry.object_id.is_some() => {
                found.add(&path, "it is missing", Some("run `bosh sync-blobs`"));
            }
            Err(error) => found.error(self, &path, &error),
            Ok((digest, _)) if entry.sha != digest.to_string() => {
                let problem = format!("it has digest {digest} instead of {}", entry.sha);
                found.add(&path, problem, Some(FREEZE_AGAIN));
            }
            Ok(_) => {
                if let Err(error) = Stored::open(self, image) {
                    found.error(self, &path, &error);
                }
            }
        }
    }
}

/// Calls `work` for each item on as many threads as there are processors.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}
