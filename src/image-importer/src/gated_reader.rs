//! A tarball whose last bytes wait for another image.
//!
//! No engine does anything with an archive before it has seen the two empty blocks at its end (moby,
//! `image/tarexport/load.go`; containerd, `core/images/archive/importer.go`). So an image may be sent while the layers
//! that it leaves out are still on their way with another one, if only its end comes later.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::track::Track;

/// Bytes of the two empty blocks.
const END_OF_ARCHIVE: u64 = 1024;
/// How often the log tells that it goes on.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Passes a tarball on, up to its end, which follows when another image is there.
pub struct GatedReader<R> {
    archive: R,
    reference: String,
    length: u64,
    sent: Arc<AtomicU64>,
    waits_for: Option<Arc<Track>>,
    told: Instant,
}

impl<R: Read> GatedReader<R> {
    /// Of `length` bytes; what has passed is added up in `sent`.
    pub fn new(
        archive: R,
        reference: String,
        length: u64,
        sent: Arc<AtomicU64>,
        waits_for: Option<Arc<Track>>,
    ) -> Self {
        Self {
            archive,
            reference,
            length,
            sent,
            waits_for,
            told: Instant::now(),
        }
    }

    fn tell(&mut self, sent: u64) {
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let (reference, bytes) = (&self.reference, self.length);
            tracing::info!(%reference, sent, bytes, "sending image goes on");
        }
    }
}

impl<R: Read> Read for GatedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let sent = self.sent.load(Ordering::SeqCst);
        self.tell(sent);
        let before_end = self
            .length
            .saturating_sub(END_OF_ARCHIVE)
            .saturating_sub(sent);
        let mut most = buffer.len();
        if let Some(other) = &self.waits_for {
            if before_end > 0 {
                most = most.min(usize::try_from(before_end).unwrap_or(usize::MAX));
            } else if other.wait() {
                self.waits_for = None;
            } else {
                return Err(io::Error::other(
                    "the image that brings the shared layers failed",
                ));
            }
        }
        let count = self.archive.read(&mut buffer[..most])?;
        self.sent.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use image_archive::{Layouts, Limits, Platform, Scope, Source};
    use image_fixture::{Files, Packing, TestImage};

    use super::*;

    fn track() -> Arc<Track> {
        let directory = tempfile::tempdir().unwrap();
        Files::layout(&TestImage::small(1), &["x:1"], Packing::Gzip, false).write(directory.path());
        let source = Source::open(
            directory.path(),
            &Layouts::default(),
            &Platform::host(),
            Limits::DEFAULT,
        );
        let image = source.unwrap().images()[0].as_ref().unwrap().clone();
        Arc::new(Track::new(&image, &Scope::default()))
    }

    fn archive(track: &Arc<Track>) -> GatedReader<&'static [u8]> {
        GatedReader::new(
            &[7; 3000],
            "x:1".into(),
            3000,
            Arc::default(),
            Some(track.clone()),
        )
    }

    #[test]
    fn the_end_comes_when_the_other_image_is_there() {
        let track = track();
        let mut archive = archive(&track);
        let mut buffer = [0; 4096];
        assert_eq!(archive.read(&mut buffer).unwrap(), 3000 - 1024);
        let other = track.clone();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            other.end(true);
        });
        let began = Instant::now();
        assert_eq!(archive.read(&mut buffer).unwrap(), 1024);
        assert!(began.elapsed() >= Duration::from_millis(150));
        assert_eq!(archive.read(&mut buffer).unwrap(), 0);
        ends.join().unwrap();
    }

    #[test]
    fn the_end_never_comes_when_the_other_image_failed() {
        let track = track();
        track.end(false);
        let mut archive = archive(&track);
        let mut whole = Vec::new();
        assert!(archive.read_to_end(&mut whole).is_err());
        assert_eq!(whole.len(), 3000 - 1024);
    }
}
