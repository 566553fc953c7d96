//! An image on its way into the engine: what was found, done, and went wrong.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use image_archive::{Image, Reference};
use state_files::ImportAction;

use crate::engine_inventory::Found;
use crate::interruption;

/// An image on its way into the engine.
pub struct Item {
    pub(crate) image: Image,
    /// The names that are to stand for it.
    pub(crate) names: Vec<Reference>,
    pub(crate) began: Instant,
    pub(crate) elapsed: Duration,
    pub(crate) found: Found,
    pub(crate) done: Done,
    pub(crate) error: Option<anyhow::Error>,
    pub(crate) wrong: bool,
}

/// What was done for an image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Of loading and tagging, the greater.
    pub action: Option<ImportAction>,
    /// Bytes sent to the engine, all tries together.
    pub bytes: u64,
    /// Layers sent with the last try.
    pub layers_sent: usize,
    /// Layers that the engine had or got with another image.
    pub layers_skipped: usize,
}

impl Item {
    /// Nothing is known yet of what the engine has.
    pub fn new(image: Image, names: Vec<Reference>) -> Self {
        Self {
            image,
            names,
            began: Instant::now(),
            elapsed: Duration::ZERO,
            found: Found::default(),
            done: Done::default(),
            error: None,
            wrong: false,
        }
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Whether the image itself was found wrong.
    pub fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// What became of it: what was done and found, or why it failed.
    pub fn into_outcome(self) -> (Image, Done, Duration, Result<Found>) {
        let outcome = match self.error {
            Some(error) => Err(error),
            None => Ok(self.found),
        };
        (self.image, self.done, self.elapsed, outcome)
    }

    /// Notes that nothing more will come of it.
    pub fn abort(&mut self) {
        if self.is_open() && !self.found.is_all() {
            self.fail(anyhow!("the import was broken off"));
        }
    }

    /// The names that the engine cannot resolve, with its digest of the image, if it has that.
    pub fn unresolvable(&self) -> impl Iterator<Item = (String, String)> {
        let names = self.found.unresolvable.iter();
        names
            .filter(|_| self.found.complete)
            .map(|name| (name.to_string(), self.found.digest.clone()))
    }

    /// The engine's digest of the image, there or not; nothing if it was never looked for.
    pub fn digest(&self) -> Option<String> {
        Some(self.found.digest.clone()).filter(|digest| !digest.is_empty())
    }

    /// Forgets an error that was the engine's, and no fault of the image.
    pub(crate) fn reopen(&mut self) {
        if self.error.as_ref().is_some_and(interruption::is_passing) {
            self.error = None;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.error.is_none()
    }

    pub(crate) fn fail(&mut self, error: anyhow::Error) {
        self.elapsed = self.began.elapsed();
        self.error = Some(error);
    }
}

/// Whether an image, or one of its names by digest, has to be sent.
pub fn lacks_image(item: &Item) -> bool {
    item.is_open() && !item.found.is_loaded()
}
