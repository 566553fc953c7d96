//! Which images a release cannot take, and why: each by itself, so that the others can be put.

use super::Release;
use super::error::{Error, Result};
use super::put::PutOptions;
use crate::image::Frozen;

impl Release {
    /// Images that cannot be put together with those before them, by their place in `images`, in order: nothing is written
    /// to find out, and their layers need not be there. Of two that would have one name, the release's own has it, else the
    /// first.
    ///
    /// # Errors
    /// When no image could be put.
    pub fn refused(
        &mut self,
        images: &[Frozen],
        options: &PutOptions,
    ) -> Result<Vec<(usize, Error)>> {
        let options = PutOptions {
            dry_run: true,
            ..options.clone()
        };
        match self.put(images, &options) {
            Ok(_) => return Ok(Vec::new()),
            Err(error) if !error.is_about_an_image() => return Err(error),
            Err(_) => {}
        }
        let mut refused = Vec::new();
        let mut taken = Vec::new();
        for (place, image) in images.iter().enumerate() {
            taken.push(image.clone());
            match self.put(&taken, &options) {
                Ok(_) => {}
                Err(error) if error.is_about_an_image() => {
                    taken.pop();
                    refused.push((place, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }
}

impl Error {
    /// Whether others could be put without the image that it is about.
    fn is_about_an_image(&self) -> bool {
        matches!(
            self,
            Self::BadName { .. }
                | Self::NameTaken { .. }
                | Self::Twice { .. }
                | Self::Contradiction { .. }
                | Self::MissingLayer { .. }
                | Self::Image(_)
        )
    }
}
