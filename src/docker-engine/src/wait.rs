//! How long each wait of a call may be.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use crate::upload::Progress;

/// The bounds of a call, applied to each of its waits.
pub(crate) struct Wait {
    /// Longest silence.
    pub(crate) idle: Option<Duration>,
    /// When the call must be over, and how long that was.
    pub(crate) deadline: Option<(Instant, Duration)>,
    /// When something was last sent.
    pub(crate) progress: Progress,
    /// What is waited for.
    pub(crate) what: &'static str,
}

impl Wait {
    /// `future`'s outcome; or how long was waited in vain; or zero if `until`, the caller's own bound, passed first.
    pub(crate) async fn bound<F: Future>(
        &self,
        future: F,
        until: Option<Instant>,
    ) -> std::result::Result<F::Output, Duration> {
        let began = Instant::now();
        let mut future = std::pin::pin!(future);
        loop {
            // Each part that goes out shows that the engine still takes something.
            let idle_end = self
                .idle
                .map(|idle| (began.max(self.progress.last()) + idle, idle));
            let ends = [
                until.map(|until| (until, Duration::ZERO)),
                idle_end,
                self.deadline,
            ];
            let Some((end, after)) = ends.into_iter().flatten().min() else {
                return Ok(future.await);
            };
            if let Ok(outcome) = tokio::time::timeout_at(end.into(), &mut future).await {
                return Ok(outcome);
            }
            let moved = self
                .idle
                .is_some_and(|idle| self.progress.last() + idle > Instant::now());
            if Some((end, after)) != idle_end || !moved {
                return Err(after);
            }
        }
    }
}
