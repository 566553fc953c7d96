//! Where the layers of a tarball lie while they are pushed: a registry may want to have one a second time.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use image_archive::Digest;
use tempfile::{Builder, TempDir};

use super::Error;
use crate::source::{self, Fetch, Layer, docker_archive::Archive};

/// A directory for this user alone, which is gone with this value.
#[derive(Debug)]
pub struct Temporary(TempDir);

/// A tarball, and the layers that it has.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The tarball.
    pub archive: Archive,
    /// Its layers.
    pub layers: Vec<Layer>,
}

impl Temporary {
    /// In the directory that `TMPDIR` names.
    pub fn new() -> Result<Self, Error> {
        let made = Builder::new()
            .prefix("image-packager-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let place = std::path::Path::new("a temporary directory");
        Ok(Self(made.map_err(source::Error::file("making", place))?))
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
        self.0.path().join(digest.hex())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn is_for_this_user_alone_and_goes() {
        let temporary = Temporary::new().unwrap();
        let path = temporary.0.path().to_owned();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(temporary);
        assert!(!path.exists());
    }
}
