//! Layers as blobs of the release: each once, under its digest, there only when whole.

use std::fs;
use std::path::{Path, PathBuf};

use image_archive::{Descriptor, Digest};

use super::error::{Error, Result};
use super::{Release, blobs, files, journal};

/// The path that `config/blobs.yml` has for a layer.
pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("layers/sha256/{}", digest.hex())
}

/// The layer of a path in `config/blobs.yml`.
pub(crate) fn digest_of(blob_path: &str) -> Option<Digest> {
    Digest::from_hex(blob_path.strip_prefix("layers/sha256/")?)
}

impl Release {
    /// Where a layer lies once it is whole: `blobs/layers/sha256/<digits>`.
    #[must_use]
    pub fn layer_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(blobs::DIRECTORY).join(blob_path(digest))
    }

    /// Where a layer grows while it is fetched, and what an interrupted fetch left of it.
    ///
    /// It lies outside `blobs`, because the BOSH CLI deletes there what `config/blobs.yml` does not list, and is ignored
    /// by git.
    ///
    /// # Errors
    /// When the directory for it cannot be made.
    pub fn part_path(&self, digest: &Digest) -> Result<PathBuf> {
        journal::make_directory(&self.root)?;
        let directory = self.root.join(journal::DIRECTORY).join(journal::PARTS);
        fs::create_dir_all(&directory).map_err(Error::write(&directory))?;
        Ok(directory.join(digest.hex()))
    }

    /// Whether a layer is there, whole.
    ///
    /// Its digest is computed unless that was done before and the file has not been touched since. What is there and
    /// damaged counts as absent: [`Release::keep_layer`] replaces it.
    #[must_use]
    pub fn has_layer(&self, digest: &Digest, size: u64) -> bool {
        self.check_layer(digest, size).is_ok()
    }

    /// Takes a fetched layer into the release, after computing its digest.
    ///
    /// # Errors
    /// When its bytes are not those of the descriptor; the part is then left as it is.
    pub fn keep_layer(&self, part: &Path, layer: &Descriptor) -> Result<()> {
        let (actual, size) = files::digest(part)?;
        compare_size(part, layer.size, size)?;
        if actual != layer.digest {
            return Err(Error::WrongDigest {
                path: part.to_owned(),
                expected: layer.digest,
                actual,
            });
        }
        self.keep_checked_layer(part, layer)
    }

    /// Takes a fetched layer into the release whose digest the caller has computed; only the size is compared.
    ///
    /// # Errors
    /// When the size differs or the file system refuses.
    pub fn keep_checked_layer(&self, part: &Path, layer: &Descriptor) -> Result<()> {
        let metadata = fs::metadata(part).map_err(Error::read(part))?;
        compare_size(part, layer.size, metadata.len())?;
        files::sync(part)?;
        let relative = Path::new(blobs::DIRECTORY).join(blob_path(&layer.digest));
        files::make_directory_of(&self.root, &relative)?;
        let path = self.root.join(relative);
        fs::rename(part, &path).map_err(Error::write(&path))?;
        files::sync_directory_of(&path)?;
        self.checked.note(&layer.digest, &path);
        Ok(())
    }

    /// Remembers for the next run which layers were found whole; [`Release::put`] does it too.
    pub fn remember_layers(&self) {
        self.checked.write(&self.root);
    }

    /// Why a layer is not there, or not whole.
    pub(crate) fn check_layer(&self, digest: &Digest, size: u64) -> Result<()> {
        let path = self.layer_path(digest);
        let metadata = fs::symlink_metadata(&path).map_err(Error::read(&path))?;
        if !metadata.is_file() {
            return Err(Error::Link { path });
        }
        compare_size(&path, size, metadata.len())?;
        if self.checked.knows(digest, &path) {
            return Ok(());
        }
        self.hash_layer(digest)
    }

    /// Computes the digest, whatever is known of it.
    pub(crate) fn hash_layer(&self, digest: &Digest) -> Result<()> {
        let path = self.layer_path(digest);
        let (actual, _) = files::digest(&path)?;
        if actual != *digest {
            return Err(Error::WrongDigest {
                path,
                expected: *digest,
                actual,
            });
        }
        self.checked.note(digest, &path);
        Ok(())
    }
}

fn compare_size(path: &Path, expected: u64, actual: u64) -> Result<()> {
    if expected == actual {
        return Ok(());
    }
    Err(Error::WrongSize {
        path: path.to_owned(),
        expected,
        actual,
    })
}
