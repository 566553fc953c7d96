//! What the tests of the release share: where the repository and the built programs lie, how to run them, and a deployment
//! of the release through bosh-solo that is removed when the test ends, however it ends.

#![expect(
    clippy::panic,
    reason = "this library exists for tests, which fail by panicking"
)]

mod deployment;
mod instance;
mod outcome;
mod recipes;
mod repository;

pub use deployment::Deployment;
pub use outcome::Outcome;
pub use recipes::{sleeper, sleepers};
pub use repository::{program, repository};

use std::time::{Duration, Instant};

/// Waits until `condition` holds, looking four times a second.
///
/// # Panics
/// When it does not hold within `limit`; the message names `what` was awaited.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < limit,
            "{what}: not within {} s",
            limit.as_secs()
        );
        std::thread::sleep(Duration::from_millis(250));
    }
    start.elapsed()
}
