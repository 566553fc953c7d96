//! Work that comes back: when it is due, also over restarts.

use std::io;
use std::thread;
use std::time::{Duration, SystemTime};

use super::Upkeep;
use crate::storage::{LastRun, Work};

/// What was pushed or asked for within this time stays, as with `collect-garbage`.
const GRACE: Duration = Duration::from_hours(1);
/// How often the clock is looked at, which may be set.
const LOOK: Duration = Duration::from_mins(1);
/// A run that failed is tried again after this time.
const AGAIN: Duration = Duration::from_hours(1);

impl Upkeep {
    /// Begins what is configured to come back, in threads that end with the program.
    ///
    /// # Errors
    /// There is no room for a thread.
    pub fn start(&self) -> io::Result<()> {
        if let Some(every) = self.0.settings.collect_every {
            let upkeep = self.clone();
            let collect = move || upkeep.scheduled_collection();
            self.repeat("collection", Work::Collection, every, collect)?;
        }
        if let Some(every) = self.0.settings.scrub_every {
            let upkeep = self.clone();
            let rate = self.0.settings.scrub_rate;
            let scrub = move || upkeep.scrub(Some(rate), true).map(drop);
            self.repeat("scrub", Work::Scrub, every, scrub)?;
        }
        Ok(())
    }

    fn scheduled_collection(&self) -> io::Result<()> {
        if self.0.settings.retains {
            self.retain(GRACE, false)?;
        } else {
            self.collect(GRACE, false)?;
        }
        if let Err(error) = self.0.storage.note_run(Work::Collection, None) {
            tracing::warn!(why = %error, "not noted that the disk was freed");
        }
        Ok(())
    }

    /// Does something when it is due. What fails is logged where it fails.
    fn repeat(
        &self,
        name: &str,
        work: Work,
        every: Duration,
        run: impl Fn() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let storage = self.0.storage.clone();
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || {
            let mut last = storage.last_run(work).unwrap_or_else(|error| {
                tracing::warn!(why = %error, ?work, "it is not known when this was done last");
                None
            });
            loop {
                let wait = wait(last.as_ref(), every, SystemTime::now());
                if !wait.is_zero() {
                    thread::sleep(wait.min(LOOK));
                } else if run().is_ok() {
                    // kept here as well: a disk that takes nothing must not make it begin again at once
                    last = Some(LastRun {
                        noted: SystemTime::now(),
                        reached: None,
                    });
                } else {
                    thread::sleep(AGAIN);
                }
            }
        })?;
        Ok(())
    }
}

/// How long it is until something is due: at once if it never ran or was interrupted.
fn wait(last: Option<&LastRun>, every: Duration, now: SystemTime) -> Duration {
    let Some(last) = last.filter(|last| last.reached.is_none()) else {
        return Duration::ZERO;
    };
    match now.duration_since(last.noted) {
        Ok(ago) => every.saturating_sub(ago),
        // the clock was set back
        Err(_) => every,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_due_a_while_after_its_last_end_and_at_once_if_it_was_interrupted() {
        let (now, hour) = (SystemTime::now(), Duration::from_hours(1));
        let last = |ago, reached: Option<&str>| LastRun {
            noted: now - ago,
            reached: reached.map(str::to_owned),
        };
        assert_eq!(wait(None, hour, now), Duration::ZERO);
        assert_eq!(wait(Some(&last(hour, None)), hour, now), Duration::ZERO);
        assert_eq!(wait(Some(&last(hour * 9, None)), hour, now), Duration::ZERO);
        assert_eq!(wait(Some(&last(hour / 4, None)), hour, now), hour * 3 / 4);
        let interrupted = last(hour / 4, Some("sha256/7f"));
        assert_eq!(wait(Some(&interrupted), hour, now), Duration::ZERO);
        let ahead = last(Duration::ZERO, None);
        assert_eq!(wait(Some(&ahead), hour, now - hour), hour);
    }
}
