//! From what is asked for to what the release holds: ask the sources, leave alone what is unchanged, fetch the rest, and
//! change the release once at the end.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use image_archive::{Digest, Platform, Reference};
use registry_client::Client;

use crate::fetch::{Error, Fetcher, Image, original};
use crate::image::Frozen;
use crate::progress::Progress;
use crate::release::{self, LockedImage, PutOptions, Release};
use crate::source::{self, Location, Wanted, daemon, docker_archive, layout, registry};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the image is, and what recipes call it.
    pub wanted: Wanted,
    /// The platform that it should be for.
    pub platform: Platform,
    /// Whether its layers are to be stored as Zstandard.
    pub recompress: bool,
}

/// An image that could not be frozen, and why.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The image, as it was asked for.
    pub image: String,
    /// What went wrong; several images may have failed of the same thing.
    pub error: Arc<Error>,
}

/// What came of the requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Images whose layers are all in the release now. In a dry run they need not be.
    pub frozen: Vec<Frozen>,
    /// Images that failed.
    pub failures: Vec<Failure>,
    /// Layers that had to be fetched, or would have to be, each once, and their bytes.
    pub fetched: (usize, u64),
}

impl Outcome {
    /// Makes failures of images that the release cannot take, by their place among the frozen.
    pub fn take_out(&mut self, refused: Vec<(usize, release::Error)>) {
        // From the end, so that the places hold.
        for (place, error) in refused.into_iter().rev() {
            let frozen = self.frozen.remove(place);
            self.failures.push(Failure {
                image: frozen.reference.familiar(),
                error: Arc::new(error.into()),
            });
        }
    }
}

/// What freezing needs.
pub struct Freezing<'a> {
    /// Where the images go.
    pub release: &'a Release,
    /// The way to the registries.
    pub client: &'a Client,
    /// The value of `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// How images are going to be put.
    pub options: &'a PutOptions,
    /// How many things are done at a time.
    pub jobs: usize,
    /// Who is told.
    pub progress: &'a Progress,
    /// Set when somebody wants it to end.
    pub stop: &'a AtomicBool,
}

enum Step {
    Unchanged(Box<Frozen>),
    Image(Box<Image>),
}

impl Freezing<'_> {
    /// Finds the images and brings their layers into the release, which itself is not changed. The order of what comes
    /// is that of the requests.
    #[must_use]
    pub fn run(&self, requests: &[Request]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut places = Vec::new();
        let mut images = Vec::new();
        for (request, found) in requests.iter().zip(self.find_all(requests)) {
            match found {
                Ok(Step::Unchanged(frozen)) => places.push((request, Some(*frozen))),
                Ok(Step::Image(image)) => {
                    places.push((request, None));
                    images.push(*image);
                }
                Err(error) => outcome.failures.push(failure(request, Arc::new(error))),
            }
        }
        let mut fetched = if self.options.dry_run {
            outcome.fetched = self.missing(&images);
            images.iter().map(|image| Ok(as_found(image))).collect()
        } else {
            let fetcher = Fetcher {
                release: self.release,
                jobs: self.jobs,
                progress: self.progress,
                stop: self.stop,
            };
            fetcher.fetch(&images)
        }
        .into_iter();
        if !self.options.dry_run {
            outcome.fetched = self.progress.fetched();
        }
        for (request, unchanged) in places {
            match unchanged.map(Ok).or_else(|| fetched.next()) {
                Some(Ok(frozen)) => outcome.frozen.push(frozen),
                Some(Err(error)) => outcome.failures.push(failure(request, error)),
                None => {}
            }
        }
        // Two services may name one image in two ways.
        let mut seen = BTreeSet::new();
        outcome
            .frozen
            .retain(|frozen| seen.insert((frozen.reference.clone(), frozen.digest)));
        // A pin has the tag as well: `app:1@sha256:…` stands for `app:1` too, where that is the same image.
        let pinned: BTreeSet<(Option<Reference>, Digest)> = (outcome.frozen.iter())
            .filter(|frozen| frozen.reference.digest().is_some())
            .map(|frozen| (frozen.reference.tagged(), frozen.digest))
            .collect();
        outcome.frozen.retain(|frozen| {
            frozen.reference.digest().is_some()
                || !pinned.contains(&(frozen.reference.tagged(), frozen.digest))
        });
        outcome
    }

    /// Asks all sources, several at a time.
    fn find_all(&self, requests: &[Request]) -> Vec<Result<Step, Error>> {
        let found = Mutex::new(Vec::new());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.min(requests.len()) {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(request) = requests.get(place) else {
                            break;
                        };
                        let step = self.find(request);
                        found
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((place, step));
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, step)| step).collect()
    }

    fn find(&self, request: &Request) -> Result<Step, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(source::Error::Interrupted.into());
        }
        if let Some(frozen) = self.unchanged(request)? {
            return Ok(Step::Unchanged(Box::new(frozen)));
        }
        let named = request.wanted.named.as_ref();
        let platform = &request.platform;
        let found = match &request.wanted.location {
            Location::Registry(reference) => {
                registry::find(self.client, reference, named, platform)?
            }
            Location::DockerArchive(path, name) => {
                docker_archive::find(path, name.as_deref(), named, platform)?
            }
            Location::Layout(path, name) => layout::find(path, name.as_deref(), named, platform)?,
            Location::Daemon(reference) => {
                let socket = daemon::socket(self.docker_host.as_deref())?;
                let scratch = self.scratch()?;
                daemon::find(&socket, reference, named, platform, &scratch, self.stop)?
            }
        };
        Ok(Step::Image(Box::new(Image {
            found,
            recompress: request.recompress,
        })))
    }

    /// The image as it is frozen, if its registry still has the same: that costs one question, or none if it is asked for
    /// by digest.
    fn unchanged(&self, request: &Request) -> Result<Option<Frozen>, Error> {
        let Location::Registry(reference) = &request.wanted.location else {
            return Ok(None);
        };
        let named = request.wanted.named.as_ref().unwrap_or(reference);
        let Some(locked) = self
            .release
            .lock()
            .find(named)
            .filter(|locked| fits(locked, request))
        else {
            return Ok(None);
        };
        let Some(frozen) = self.release.whole_image(locked) else {
            return Ok(None);
        };
        let now = match reference.digest() {
            Some(digest) => Some(digest),
            None => self.client.head(reference).map_err(source::Error::from)?,
        };
        Ok(Some(frozen).filter(|_| now == Some(original_digest(locked))))
    }

    /// Layers that are not in the release yet.
    fn missing(&self, images: &[Image]) -> (usize, u64) {
        let mut seen = BTreeSet::new();
        let layers = images
            .iter()
            .flat_map(|image| &image.found.described.layers);
        let missing: Vec<u64> = layers
            .map(|layer| &layer.descriptor)
            .filter(|layer| {
                seen.insert(layer.digest) && !self.release.has_layer(&layer.digest, layer.size)
            })
            .map(|layer| layer.size)
            .collect();
        (
            missing.len(),
            missing.iter().fold(0, |sum, size| size.saturating_add(sum)),
        )
    }

    /// Where tarballs of the daemon lie while they are read.
    fn scratch(&self) -> Result<PathBuf, Error> {
        let part = self.release.part_path(&Digest::of(b"docker-daemon"))?;
        Ok(part.parent().map(PathBuf::from).unwrap_or(part))
    }
}

/// Whether what is frozen was frozen the way that is asked for now.
fn fits(locked: &LockedImage, request: &Request) -> bool {
    let recompressed = original(locked.source.as_deref()).is_some();
    let note = request
        .wanted
        .named
        .as_ref()
        .map(|_| note_of(&request.wanted.location));
    // Of another platform than asked for, it may be the best that there was: then there may be a better one now.
    locked.platform.normalized() == request.platform.normalized()
        // An image all of whose layers were zstd already is not noted as recompressed.
        && (recompressed == request.recompress || (request.recompress && is_all_zstd(locked)))
        && locked.source.as_deref().is_none_or(|source| {
            source.starts_with("recompressed") || note.as_deref().is_some_and(|note| source.starts_with(note))
        })
}

/// What the registry had when an image was frozen.
#[must_use]
pub fn original_digest(locked: &LockedImage) -> Digest {
    original(locked.source.as_deref()).map_or(locked.digest, |original| original.digest)
}

/// The reference that a locked image is asked for by, if it came from a registry.
#[must_use]
pub fn registry_reference(locked: &LockedImage) -> Option<Reference> {
    match locked.source.as_deref() {
        None => Some(locked.reference.clone()),
        Some(source) if source.starts_with("recompressed") => Some(locked.reference.clone()),
        Some(source) => {
            let reference = source.strip_prefix("docker://")?;
            reference.split(',').next()?.parse().ok()
        }
    }
}

fn note_of(location: &Location) -> String {
    match location {
        Location::Registry(reference) => format!("docker://{reference}"),
        other => other.to_string(),
    }
}

fn is_all_zstd(locked: &LockedImage) -> bool {
    locked
        .layers
        .iter()
        .all(|layer| layer.media_type.ends_with("+zstd"))
}

fn failure(request: &Request, error: Arc<Error>) -> Failure {
    Failure {
        image: request.wanted.location.to_string(),
        error,
    }
}

/// What an image would be in the release if it is stored as its source has it.
fn as_found(image: &Image) -> Frozen {
    let (found, described) = (&image.found, &image.found.described);
    Frozen {
        reference: found.reference.clone(),
        digest: described.digest(),
        platform: described.platform.clone(),
        documents: described.documents.clone(),
        config: described.config.clone(),
        layers: described
            .layers
            .iter()
            .map(|layer| layer.descriptor.clone())
            .collect(),
        note: found.note.clone(),
    }
}
