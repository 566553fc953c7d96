//! Carrying out a plan: images are verified by a few threads and sent by others, all at once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use docker_engine::Engine;
use image_archive::{ArchiveStream, DockerArchive, Image, Plan, Scope};

use crate::budget::Budget;
use crate::gated_reader::GatedReader;
use crate::plan::Load;
use crate::track::Track;

/// An image with how it is to be sent.
pub struct Job {
    /// The image.
    pub image: Image,
    /// What of it, and when.
    pub load: Load,
    /// What is checked before.
    pub scope: Scope,
    /// How the tarball is written.
    pub archive: Plan,
}

/// What came of a job.
#[derive(Debug)]
pub struct Sent {
    /// Bytes that went to the engine.
    pub bytes: u64,
    /// From the beginning of its verification.
    pub elapsed: Duration,
    /// Whether the engine took it without complaint.
    pub outcome: Result<(), Error>,
}

/// Why an image was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image.
    #[error(transparent)]
    Image(#[from] image_archive::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] docker_engine::Error),
    /// Not the image's fault.
    #[error("the image that brings the layers it shares failed")]
    DependencyFailed,
}

/// Verifies and sends all images of a plan. The results are in its order.
pub fn send(engine: &Engine, jobs: &[Job], budget: Budget) -> Vec<Sent> {
    let tracks: Vec<Arc<Track>> = jobs
        .iter()
        .map(|job| Arc::new(Track::new(&job.image, &job.scope)))
        .collect();
    let pieces: Vec<(&Track, usize)> = tracks
        .iter()
        .flat_map(|track| (0..track.pieces()).map(|piece| (&**track, piece)))
        .collect();
    let results: Vec<Mutex<Option<Sent>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let (next_piece, next_job) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..budget.readers.min(pieces.len()) {
            scope.spawn(|| {
                while let Some((track, piece)) =
                    pieces.get(next_piece.fetch_add(1, Ordering::SeqCst))
                {
                    track.verify(*piece);
                }
            });
        }
        for _ in 0..budget.uploads.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let place = next_job.fetch_add(1, Ordering::SeqCst);
                    let Some((job, track)) = jobs.get(place).zip(tracks.get(place)) else {
                        return;
                    };
                    // A plan's loads wait for earlier ones alone, which have begun by now.
                    let waits_for = job.load.after.and_then(|after| tracks.get(after));
                    let sent = send_one(engine, job, track, waits_for);
                    track.end(sent.outcome.is_ok());
                    if let Some(result) = results.get(place) {
                        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
                    }
                }
            });
        }
    });
    results
        .into_iter()
        .filter_map(|sent| sent.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

fn send_one(engine: &Engine, job: &Job, track: &Track, waits_for: Option<&Arc<Track>>) -> Sent {
    let began = Instant::now();
    let sent = Arc::new(AtomicU64::new(0));
    let outcome = upload(engine, job, track, waits_for, &sent);
    let (bytes, elapsed) = (sent.load(Ordering::SeqCst), began.elapsed());
    let (reference, elapsed_ms) = (job.image.name(), elapsed.as_millis());
    tracing::debug!(%reference, bytes, elapsed_ms, ok = outcome.is_ok(), "image sent");
    Sent {
        bytes,
        elapsed,
        outcome,
    }
}

fn upload(
    engine: &Engine,
    job: &Job,
    track: &Track,
    waits_for: Option<&Arc<Track>>,
    sent: &Arc<AtomicU64>,
) -> Result<(), Error> {
    let verified = track.verified()?;
    let archive = DockerArchive::new(verified, job.archive.clone()).into_stream()?;
    let (bytes, layers, skipped) = (
        ArchiveStream::length(&archive),
        job.load.sent,
        job.load.skipped,
    );
    let reference = job.image.name();
    tracing::info!(%reference, bytes, layers, skipped, "sending image");
    let archive = GatedReader::new(
        archive,
        reference,
        bytes,
        sent.clone(),
        waits_for.map(Arc::clone),
    );
    match engine.load(archive) {
        Ok(_) => Ok(()),
        Err(_) if waits_for.is_some_and(|other| other.failed()) => Err(Error::DependencyFailed),
        Err(error) => Err(error.into()),
    }
}
