//! Taking images out of a release.

use image_archive::Reference;

use super::change::{Change, Changes, ImageChange};
use super::error::{Error, Result};
use super::images_lock::ImagesLock;
use super::{Release, remake, tree};

impl Release {
    /// Takes images out, with the packages and blobs that no other image needs.
    ///
    /// # Errors
    /// When one of them is not there, or the file system refuses. The release is then as it was.
    pub fn remove(&mut self, references: &[Reference], dry_run: bool) -> Result<Changes> {
        let mut changes = Changes {
            dry_run,
            ..Changes::default()
        };
        let mut left = self.lock.images().to_vec();
        for reference in references {
            let place = left.iter().position(|image| image.reference == *reference);
            let Some(place) = place else {
                return Err(Error::NotFrozen {
                    reference: reference.familiar(),
                    root: self.root.clone(),
                });
            };
            let image = left.remove(place);
            changes
                .images
                .push(ImageChange::new(&image, Change::Removed));
        }
        tree::assign_packages(&mut left);
        remake::remake(self, ImagesLock::new(left), &[], changes)
    }
}
