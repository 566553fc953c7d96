//! Failed logins: each from one address makes the next one wait longer, and many refuse that address for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Failures after which an address is refused.
const MOST: u32 = 20;
/// How long the last failure counts.
const WHILE: Duration = Duration::from_mins(1);
/// The wait after the first failure; it doubles.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

/// Who failed, how often, and when last.
#[derive(Default)]
pub struct Guessing(Mutex<HashMap<IpAddr, (u32, Option<Instant>)>>);

impl Guessing {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, (u32, Option<Instant>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an address may try a login.
    pub fn may_try(&self, address: IpAddr) -> bool {
        let mut failures = self.lock();
        let Some((count, Some(last))) = failures.get(&address).copied() else {
            return true;
        };
        if last.elapsed() >= WHILE {
            failures.remove(&address);
            return true;
        }
        count < MOST
    }

    /// Notes a failure, and waits.
    pub async fn failed(&self, address: IpAddr) {
        let count = {
            let mut failures = self.lock();
            if failures.len() >= ADDRESSES && !failures.contains_key(&address) {
                failures.retain(|_, (_, last)| last.is_some_and(|last| last.elapsed() < WHILE));
                if failures.len() >= ADDRESSES {
                    failures.clear();
                }
            }
            let entry = failures.entry(address).or_default();
            *entry = (entry.0 + 1, Some(Instant::now()));
            entry.0
        };
        if count == MOST {
            tracing::warn!(client = %address, "too many logins failed; this address is refused for a minute after its last one");
        }
        sleep(LONGEST.min(SHORTEST * 2_u32.saturating_pow(count - 1).min(1000))).await;
    }
}
