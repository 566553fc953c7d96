//! Whether an image of the lock is all there, so that it need not be fetched again.

use super::images_lock::LockedImage;
use super::{Release, remake, stored};
use crate::image::Frozen;

impl Release {
    /// An image of the lock as it was frozen, if its documents are right and its bytes are there
    /// ([`Release::has_layer`]).
    #[must_use]
    pub fn whole_image(&self, image: &LockedImage) -> Option<Frozen> {
        let there = remake::has_archive(self, image)
            || image
                .unique_layers()
                .iter()
                .all(|layer| self.has_layer(&layer.digest, layer.size));
        there
            .then(|| stored::read_documents(self, image).ok())
            .flatten()
    }
}
