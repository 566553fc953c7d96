//! An engine that goes away while images are imported, or loses its containerd: it is waited for, and the import begins again. What
//! it has by then is not sent again.

use std::time::{Duration, Instant};

use bosh_job::find_in;
use docker_engine::Engine;

use crate::sending;

/// So often an import begins again; an image that kills the engine each time is no interruption.
const MOST: u32 = 8;
/// So often it does when the engine was never seen to be away.
const MOST_IN_ITS_PRESENCE: u32 = 3;
/// Before it does; it doubles from one to the next.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Between two questions to the engine, and how long one may take.
const LOOK: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_secs(5);

/// How long an engine may be away.
#[derive(Clone, Copy)]
pub struct Patience {
    /// Until when one is waited for that answers and does not reach its containerd.
    pub deadline: Instant,
    /// How long one may be silent.
    pub silence: Duration,
}

/// The interruptions of one import.
pub struct Interruptions {
    patience: Patience,
    count: u32,
    in_its_presence: u32,
}

impl Interruptions {
    /// None so far.
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            count: 0,
            in_its_presence: 0,
        }
    }

    /// Waits until the engine answers and reaches its containerd; `false` if it does not in time, or was away too often.
    pub fn wait(&mut self, engine: &Engine, why: &str) -> bool {
        let pause = (SHORTEST_PAUSE * 2_u32.pow(self.count)).min(LONGEST_PAUSE);
        self.count += 1;
        if self.count > MOST
            || self.in_its_presence >= MOST_IN_ITS_PRESENCE
            || Instant::now() + pause >= self.patience.deadline
        {
            return false;
        }
        let times = self.count;
        tracing::warn!(
            times,
            why,
            "import interrupted; it begins again when the engine is back"
        );
        let began = Instant::now();
        let (mut heard, mut was_away) = (began, false);
        loop {
            match engine.info_within(ANSWER) {
                Ok(info) if info.reaches_containerd() => {
                    if !was_away {
                        self.in_its_presence += 1;
                    }
                    std::thread::sleep(pause.saturating_sub(began.elapsed()));
                    return true;
                }
                Ok(_) => heard = Instant::now(),
                Err(error) if heard.elapsed() >= self.patience.silence => {
                    tracing::error!(why = %error, "the engine is not back");
                    return false;
                }
                Err(_) => {}
            }
            was_away = true;
            if Instant::now() >= self.patience.deadline {
                tracing::error!(
                    "the engine did not reach its containerd again within `start_timeout`"
                );
                return false;
            }
            std::thread::sleep(LOOK);
        }
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
        || matches!(find_in(error), Some(sending::Error::DependencyFailed))
}
