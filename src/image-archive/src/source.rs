//! What a line of an import list names: a tarball or a layout, with the images in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive_index::ArchiveIndexes;
use crate::docker_archive;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::layout::{Layout, Layouts};
use crate::limits::Limits;
use crate::oci;
use crate::pieces::Pieces;
use crate::platform::Platform;
use crate::tar_archive::TarArchive;

/// A docker-archive tarball or an OCI image layout, opened.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    images: Vec<Result<Image>>,
}

impl Source {
    /// Opens what lies at `path` and finds its images for `platform`.
    ///
    /// Only what is needed to know the images is read: index, manifests, configs of old tarballs. A compressed tarball
    /// has to be read through for that. `layouts` may hold the blobs that a layout lacks.
    ///
    /// # Errors
    /// When nothing can be said about any image. What is wrong with a single one is in [`Source::images`].
    pub fn open(
        path: &Path,
        layouts: &Layouts,
        platform: &Platform,
        limits: Limits,
    ) -> Result<Self> {
        Self::open_with(path, layouts, platform, limits, None)
    }

    /// Opens a layout that is no directory.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn of_pieces(pieces: Pieces, platform: &Platform, limits: Limits) -> Result<Self> {
        Ok(Self {
            path: pieces.path.clone(),
            images: oci::images_of_layout(&Arc::new(pieces), platform, limits)?,
        })
    }

    /// As [`Source::open`], but what is in a compressed tarball is remembered in the directory `indexes`, so that it has
    /// to be read through only once.
    pub fn open_indexed(
        path: &Path,
        layouts: &Layouts,
        platform: &Platform,
        limits: Limits,
        indexes: &Path,
    ) -> Result<Self> {
        let indexes = ArchiveIndexes { directory: indexes };
        Self::open_with(path, layouts, platform, limits, Some(indexes))
    }

    fn open_with(
        path: &Path,
        layouts: &Layouts,
        platform: &Platform,
        limits: Limits,
        indexes: Option<ArchiveIndexes<'_>>,
    ) -> Result<Self> {
        let metadata = path.metadata().map_err(Error::read(path))?;
        let images = if metadata.is_dir() {
            let layout = Layout::open(path, layouts.clone())?;
            oci::images_of_layout(&Arc::new(layout), platform, limits)?
        } else if metadata.is_file() {
            let tarball = TarArchive::open(path, limits, indexes)?;
            docker_archive::images(&Arc::new(tarball), platform, limits)?
        } else {
            return Err(Error::NotAnImage {
                path: path.to_owned(),
                why: "it is neither a file nor a directory",
            });
        };
        // A layout without images of its own may lend its blobs to others; a tarball without any is a mistake.
        if images.is_empty() && !metadata.is_dir() {
            return Err(Error::NoImages {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            images,
        })
    }

    /// What was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The images, or what is wrong with them.
    pub fn images(&self) -> &[Result<Image>] {
        &self.images
    }

    /// The images, or what is wrong with them.
    #[must_use]
    pub fn into_images(self) -> Vec<Result<Image>> {
        self.images
    }
}
