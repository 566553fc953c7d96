//! Scrub: all blobs are read again, no faster than is allowed.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::Upkeep;
use crate::digest::Digest;
use crate::storage::{Reread, Work};

/// What a scrub came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that were damaged and set aside.
    pub damaged: Vec<Digest>,
    /// Those that could not be read.
    pub unreadable: Vec<Digest>,
}

/// Reads so many bytes a second on average.
struct Pace {
    rate: Option<u64>,
    began: Instant,
    read: u64,
}

impl Pace {
    fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            began: Instant::now(),
            read: 0,
        }
    }

    /// Waits as long as what was read should have taken.
    fn read(&mut self, count: usize) {
        self.read += count as u64;
        let Some(rate) = self.rate else {
            return;
        };
        let due = due(self.read, rate);
        thread::sleep(due.saturating_sub(self.began.elapsed()));
    }
}

/// How long so many bytes take.
fn due(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Upkeep {
    /// Reads all blobs again, from where a scrub that was interrupted came to if `resumes`; each that is damaged is logged and
    /// set aside. Without a rate it is as fast as it can.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub fn scrub(&self, rate: Option<u64>, resumes: bool) -> io::Result<Scrubbed> {
        let scrubbed = self.scrub_parts(rate, resumes);
        self.0.counters.lock().scrubs.count(&scrubbed);
        let scrubbed =
            scrubbed.inspect_err(|error| tracing::error!(why = %error, "the scrub failed"))?;
        let (blobs, bytes) = (scrubbed.blobs, scrubbed.bytes);
        let faults = scrubbed.damaged.len() + scrubbed.unreadable.len();
        tracing::info!(blobs, bytes, faults, "all blobs were read again");
        Ok(scrubbed)
    }

    fn scrub_parts(&self, rate: Option<u64>, resumes: bool) -> io::Result<Scrubbed> {
        let storage = &self.0.storage;
        let last = storage.last_run(Work::Scrub)?;
        let reached = last.and_then(|last| last.reached).filter(|_| resumes);
        let mut pace = Pace::new(rate);
        let mut scrubbed = Scrubbed::default();
        let mut is_noted = true;
        for part in storage.parts()? {
            let here = part.to_string();
            if reached.as_ref().is_some_and(|reached| here < *reached) {
                continue;
            }
            // what fails once is not said of every place
            is_noted = is_noted && self.note(Some(&here));
            for digest in storage.blobs_of(&part)? {
                self.scrub_blob(digest, &mut pace, &mut scrubbed);
            }
        }
        if is_noted {
            self.note(None);
        }
        Ok(scrubbed)
    }

    fn scrub_blob(&self, digest: Digest, pace: &mut Pace, scrubbed: &mut Scrubbed) {
        let counters = || self.0.counters.lock();
        match self.0.storage.reread(&digest, |count| pace.read(count)) {
            Ok(None) => {}
            Ok(Some(Reread { bytes, damaged })) => {
                scrubbed.blobs += 1;
                scrubbed.bytes += bytes;
                counters().scrubbed_blobs += 1;
                counters().scrubbed_bytes += bytes;
                if let Some(found) = damaged {
                    tracing::error!(%digest, %found, "a damaged blob was set aside: push an image that has it again");
                    counters().scrub_faults += 1;
                    scrubbed.damaged.push(digest);
                }
            }
            Err(error) => {
                tracing::error!(%digest, why = %error, "a blob cannot be read");
                counters().scrub_faults += 1;
                scrubbed.unreadable.push(digest);
            }
        }
    }

    /// Notes how far it came, and says whether that worked: on a disk that takes nothing, a restart begins from the start.
    fn note(&self, place: Option<&str>) -> bool {
        let noted = self.0.storage.note_run(Work::Scrub, place);
        if let Err(error) = &noted {
            tracing::warn!(why = %error, "not noted how far the scrub came");
        }
        noted.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_takes_as_long_as_its_rate_says() {
        assert_eq!(due(10_000_000, 10_000_000), Duration::from_secs(1));
        assert_eq!(due(1, 3), Duration::from_nanos(333_333_333));
        assert_eq!(due(1 << 50, 1_000_000), Duration::from_micros(1 << 50));
        assert_eq!(due(u64::MAX, 1), Duration::from_nanos(u64::MAX));
        let mut pace = Pace::new(Some(1_000_000));
        let began = Instant::now();
        for _ in 0..10 {
            pace.read(10_000);
        }
        assert!(began.elapsed() >= Duration::from_millis(99), "{began:?}");
    }
}
