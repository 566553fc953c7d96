//! An engine that goes away while images are imported, or loses its containerd: it is waited for, and the import begins again. What
//! it has by then is not sent again.

use std::time::{Duration, Instant};

use bosh_job::find_in;
use docker_engine::Engine;

use crate::sending;

/// So often an import begins again: an image that kills the engine each time is no interruption.
const MOST: u32 = 8;
/// Before it does; it doubles from one to the next.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The interruptions of one import.
pub struct Interruptions {
    deadline: Instant,
    count: u32,
}

impl Interruptions {
    /// None so far; the last wait ends at `deadline`.
    pub fn new(deadline: Instant) -> Self {
        Self { deadline, count: 0 }
    }

    /// Waits until the engine answers and reaches its containerd; `false` if it does not in time, or was away too often.
    pub fn wait(&mut self, engine: &Engine, why: &str) -> bool {
        self.count += 1;
        let times = self.count;
        let pause = (SHORTEST_PAUSE * 2_u32.pow(times - 1)).min(LONGEST_PAUSE);
        if times > MOST || Instant::now() + pause >= self.deadline {
            return false;
        }
        tracing::warn!(times, why, "the import was interrupted; waiting for the engine, and beginning it again");
        std::thread::sleep(pause);
        let back = engine.wait_for_containerd(self.deadline, || false);
        if !back {
            tracing::error!("the engine does not answer, or does not reach its containerd, within `start_timeout`");
        }
        back
    }
}

/// Why an import was interrupted, if it was.
pub fn first<'a>(errors: impl Iterator<Item = &'a anyhow::Error>) -> Option<String> {
    let mut interruptions = errors.filter_map(|error| {
        let error = find_in::<docker_engine::Error>(error)?;
        error.is_interruption().then(|| error.to_string())
    });
    interruptions.next()
}

/// Whether an error is the engine's alone, or that of an image that another one waited for.
pub fn is_passing(error: &anyhow::Error) -> bool {
    find_in::<docker_engine::Error>(error).is_some_and(docker_engine::Error::is_interruption)
        || matches!(find_in(error), Some(sending::Error::Forsaken))
}
