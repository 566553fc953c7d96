//! Where the layers of a tarball lie while they are pushed: a registry may want to have one a second time.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use image_archive::Digest;

use super::Error;
use crate::source::{self, Fetch, Layer, docker_archive::Archive};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A directory that is gone with this value.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
}

/// A tarball, and the layers that it has.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The tarball.
    pub archive: Archive,
    /// Its layers.
    pub layers: Vec<Layer>,
}

impl Temporary {
    /// In the directory that `TMPDIR` names, for this user alone.
    pub fn new() -> Result<Self, Error> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("image-packager-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(source::Error::file("making", &path))?;
        Ok(Self { path })
    }

    /// Unpacks these layers, and verifies them.
    pub fn unpack(
        &self,
        packed: &Packed,
        wanted: &[Digest],
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let parts: Vec<PathBuf> = wanted.iter().map(|digest| self.file(digest)).collect();
        let find = |digest: &Digest| {
            (packed.layers.iter()).find(|layer| layer.descriptor.digest == *digest)
        };
        let fetches: Vec<Fetch<'_>> = (wanted.iter().zip(&parts))
            .filter_map(|(digest, part)| {
                Some(Fetch {
                    layer: find(digest)?,
                    part,
                })
            })
            .collect();
        if fetches.is_empty() {
            return Ok(());
        }
        Ok(packed.archive.fetch(&fetches, &|_, _| (), stop)?)
    }

    /// The file of a layer.
    pub fn file(&self, digest: &Digest) -> PathBuf {
        self.path.join(digest.hex())
    }

    /// The directory.
    #[cfg(test)]
    fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing is lost if it stays, and nobody is left to be told.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_for_this_user_alone_and_goes() {
        let temporary = Temporary::new().unwrap();
        let path = temporary.path().to_owned();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(temporary);
        assert!(!path.exists());
    }
}
