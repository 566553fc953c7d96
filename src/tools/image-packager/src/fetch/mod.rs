//! Bringing the layers of many images into the release: each once, several at a time, every byte verified.

mod known;
mod recompress;
mod unit;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use image_archive::{Descriptor, Digest};

use crate::image::Frozen;
use crate::progress::Progress;
use crate::release::{self, Release};
use crate::source::{self, Found};

pub use known::Known;
pub use recompress::{Original, original};

/// Why a layer could not be brought into the release.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its source failed, or what came is not what should have come.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The release could not take it.
    #[error(transparent)]
    Release(#[from] release::Error),
}

impl Error {
    /// Whether what came is not what should have come.
    #[must_use]
    pub fn is_verification(&self) -> bool {
        match self {
            Self::Source(error) => error.is_verification(),
            Self::Release(error) => error.is_verification(),
        }
    }

    /// Whether what people write is at fault, rather than what a source has: settings, logins, names.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Source(source::Error::Registry(error)) => error.is_settings(),
            Self::Source(_) => false,
            Self::Release(error) => error.is_usage(),
        }
    }

    /// Whether this is the end that somebody wanted.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Source(error) if error.is_interruption())
    }

    /// What the reader of the message can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Release(error) => error.hint(),
        }
    }
}

/// An image whose layers are to be brought.
#[derive(Clone, Debug)]
pub struct Image {
    /// What was found.
    pub found: Found,
    /// Whether the layers are to be stored as Zstandard, whatever they are in the source.
    pub recompress: bool,
}

/// A layer as it lies in the release now.
#[derive(Clone, Debug)]
struct Stored {
    descriptor: Descriptor,
    diff_id: Digest,
}

/// One layer, stored one way.
type Key = (Digest, bool);
type Outcomes = BTreeMap<Key, Result<Stored, Arc<Error>>>;

/// What fetching needs to know.
#[derive(Debug)]
pub struct Fetcher<'a> {
    /// Where the layers go.
    pub release: &'a Release,
    /// How many layers at a time.
    pub jobs: usize,
    /// Who is told.
    pub progress: &'a Progress,
    /// Set when somebody wants it to end.
    pub stop: &'a AtomicBool,
}

impl Fetcher<'_> {
    /// Brings all layers of all images into the release. A failure stops nothing but the images that it concerns; the
    /// results are in the order of `images`.
    #[must_use]
    pub fn fetch(&self, images: &[Image]) -> Vec<Result<Frozen, Arc<Error>>> {
        let known = Known::read(self.release);
        let mut units = unit::units(images);
        // The longest first, or one core is left alone with it at the end.
        units.sort_by_key(|unit| std::cmp::Reverse(unit.size()));
        let outcomes = Mutex::new(Outcomes::new());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.threads(images).min(units.len()) {
                scope.spawn(|| {
                    while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let done = unit.run(self, &known);
                        outcomes
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .extend(done);
                    }
                });
            }
        });
        let outcomes = outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        images
            .iter()
            .map(|image| frozen(image, &outcomes))
            .collect()
    }

    /// An encoder takes about 16 MB, and this program is to stay within 64 MB.
    fn threads(&self, images: &[Image]) -> usize {
        let recompresses = images.iter().any(|image| image.recompress);
        if recompresses {
            self.jobs.min(2)
        } else {
            self.jobs
        }
    }

    fn check_stop(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(source::Error::Interrupted.into());
        }
        Ok(())
    }
}

/// The image, if all its layers are there and unpack to what its config names.
fn frozen(image: &Image, outcomes: &Outcomes) -> Result<Frozen, Arc<Error>> {
    let (found, described) = (&image.found, &image.found.described);
    let mut stored = Vec::new();
    for layer in &described.layers {
        let digest = layer.descriptor.digest;
        let outcome = outcomes.get(&(digest, image.recompress));
        let outcome = outcome.cloned().unwrap_or_else(|| {
            // Every layer is in a unit, and every unit is run.
            Err(Arc::new(source::Error::Interrupted.into()))
        })?;
        if outcome.diff_id != layer.diff_id {
            let error = source::Error::DiffId {
                image: found.reference.familiar(),
                digest,
                expected: layer.diff_id,
                actual: outcome.diff_id,
            };
            return Err(Arc::new(error.into()));
        }
        stored.push(outcome.descriptor);
    }
    let frozen = Frozen {
        reference: found.reference.clone(),
        digest: found.digest(),
        platform: described.platform.clone(),
        documents: described.documents.clone(),
        config: described.config.clone(),
        layers: stored,
        note: found.note.clone(),
    };
    if image.recompress {
        return recompress::rewrite(frozen, &described.layers)
            .map_err(|error| Arc::new(error.into()));
    }
    Ok(frozen)
}
