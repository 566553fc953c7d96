//! Bringing one image into the engine: only what is missing, verified before and after.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use bosh_job::{Advise, ExitCode};
use docker_engine::{Engine, ImageStore};
use image_archive::{ArchiveStream, Digest, DockerArchive, Image, Plan, Reference, ZstdLayers};

use crate::report::{Action, Outcome};
use crate::stock::{self, Found, Stock};

/// Brings images into an engine, one after the other.
pub struct Importer<'a> {
    engine: &'a Engine,
    stock: Stock<'a>,
    claims: RefCell<HashMap<Reference, Digest>>,
}

impl<'a> Importer<'a> {
    /// An importer into `engine`, whose images `stock` knows.
    pub fn new(engine: &'a Engine, stock: Stock<'a>) -> Self {
        Self {
            engine,
            stock,
            claims: RefCell::default(),
        }
    }

    /// Sees to it that the engine has `image`, complete and with all its names.
    pub fn import(&self, image: &Image) -> Outcome {
        let began = Instant::now();
        self.claim(image);
        let done = self.bring(image);
        Outcome::new(image, done, began.elapsed())
    }

    /// Two releases may bring different images of one name; `docker load` in the order of the lists let the last win too.
    fn claim(&self, image: &Image) {
        for reference in image.references() {
            let before = self
                .claims
                .borrow_mut()
                .insert(reference.clone(), image.config_digest());
            if before.is_some_and(|before| before != image.config_digest()) {
                let path = image.path().display();
                tracing::warn!(%reference, %path, "several images are listed under this name; the last one gets it");
            }
        }
    }

    fn bring(&self, image: &Image) -> Result<Done> {
        let found = self
            .find(image)
            .context("asking the engine for the image")?;
        if found.is_all() {
            return Ok(Done {
                action: Action::Present,
                bytes: 0,
                found,
            });
        }
        let (action, bytes) = if found.lacks_only_tags() {
            self.tag(&found)?;
            (Action::Tagged, 0)
        } else {
            (Action::Loaded, self.load(image, &found)?)
        };
        self.stock.refresh();
        let mut now = self
            .find(image)
            .context("asking the engine for the image that was brought")?;
        if now.lacks_only_tags() && !now.missing_tags.is_empty() {
            self.tag(&now)?;
            now = self
                .find(image)
                .context("asking the engine for the image that was tagged")?;
        }
        if now.is_all() {
            return Ok(Done {
                action,
                bytes,
                found: now,
            });
        }
        Err(incomplete(&now))
            .context("the engine took the image, but does not have it")
            .hint("see dockerd.log; is the disk full?")
            .exits(ExitCode::VerificationFailed)
    }

    fn find(&self, image: &Image) -> Result<Found> {
        self.stock.find(image).or_else(|error| match error {
            stock::Error::Engine(error) => from_engine(Err(error)),
            stock::Error::Image(error) => from_image(Err(error)),
        })
    }

    fn tag(&self, found: &Found) -> Result<()> {
        for reference in &found.missing_tags {
            let tag = reference.tag().unwrap_or_default();
            from_engine(self.engine.tag(&found.digest, &reference.repository(), tag))
                .with_context(|| format!("tagging it {}", reference.familiar()))?;
        }
        Ok(())
    }

    /// Verifies the image and sends it. Returns the bytes that were sent.
    fn load(&self, image: &Image, found: &Found) -> Result<u64> {
        let verified = from_image(image.verify())?;
        let zstd = match self.stock.store() {
            ImageStore::GraphDriver => ZstdLayers::Unpack,
            ImageStore::Containerd => ZstdLayers::Keep,
        };
        // With the containerd store of engines before 28, loading over a name loses the image that had it, and with it
        // the way back; tagging keeps it as `<none>`.
        let mut leave_unnamed = BTreeSet::new();
        for tag in &found.missing_tags {
            if from_engine(self.engine.inspect_image(&tag.to_string()))?.is_some() {
                leave_unnamed.insert(tag.clone());
            }
        }
        let plan = Plan {
            zstd,
            leave_unnamed,
            ..Plan::default()
        };
        let archive = from_image(DockerArchive::new(verified, plan).into_stream())?;
        let bytes = ArchiveStream::length(&archive);
        from_engine(self.engine.load(archive)).context("sending it to the engine")?;
        Ok(bytes)
    }
}

/// What was done with an image.
pub struct Done {
    pub action: Action,
    /// Bytes sent to the engine.
    pub bytes: u64,
    pub found: Found,
}

/// What the image library gave, with its advice and exit code.
pub fn from_image<T>(result: image_archive::Result<T>) -> Result<T> {
    result.or_else(|error| {
        let hint = error.hint();
        let code = if error.is_verification() {
            ExitCode::VerificationFailed
        } else {
            ExitCode::Failed
        };
        advised(Err(error).exits(code), hint)
    })
}

/// What the engine gave, with its advice.
pub fn from_engine<T>(result: docker_engine::Result<T>) -> Result<T> {
    result.or_else(|error| {
        let hint = error.hint();
        let code = match &error {
            // The image changed between verifying and sending.
            docker_engine::Error::Upload { source, .. }
                if source.kind() == std::io::ErrorKind::InvalidData =>
            {
                ExitCode::VerificationFailed
            }
            _ => ExitCode::Failed,
        };
        advised(Err(error).exits(code), hint)
    })
}

fn advised<T>(result: Result<T>, hint: Option<&'static str>) -> Result<T> {
    match hint {
        Some(hint) => result.hint(hint),
        None => result,
    }
}

fn incomplete(found: &Found) -> anyhow::Error {
    if !found.complete {
        return match &found.why_not {
            Some(why) => anyhow!("{} is not complete: {why}", found.digest),
            None => anyhow!("{} is unknown to it", found.digest),
        };
    }
    let names: Vec<String> = found
        .missing_tags
        .iter()
        .chain(&found.missing_digests)
        .map(Reference::familiar)
        .collect();
    anyhow!("{} does not stand for {}", names.join(", "), found.digest)
}
