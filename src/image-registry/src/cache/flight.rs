//! One piece of work for all who want its outcome at the same time. It goes on when they leave.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

type Waiting<K, V> = HashMap<K, watch::Receiver<Option<V>>>;

/// The work that is being done.
pub struct Flights<K, V>(Arc<Mutex<Waiting<K, V>>>);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

fn lock<K, V>(flights: &Mutex<Waiting<K, V>>) -> MutexGuard<'_, Waiting<K, V>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Clone + Eq + Hash + Send + 'static, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// Does the work, unless it is being done already, and gives what it comes to. None if the registry ends meanwhile.
    pub async fn run(&self, key: K, work: impl Future<Output = V> + Send + 'static) -> Option<V> {
        let mut outcome = {
            let mut flights = lock(&self.0);
            if let Some(outcome) = flights.get(&key) {
                outcome.clone()
            } else {
                let (told, outcome) = watch::channel(None);
                flights.insert(key.clone(), outcome.clone());
                let all = self.0.clone();
                tokio::spawn(async move {
                    let done = work.await;
                    lock(&all).remove(&key);
                    let _ = told.send(Some(done));
                });
                outcome
            }
        };
        outcome.wait_for(Option::is_some).await.ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_share_one_piece_of_work_that_goes_on_without_them() {
        let flights = Flights::default();
        let times = Arc::new(AtomicU32::new(0));
        let work = || {
            let times = times.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                times.fetch_add(1, Ordering::Relaxed) + 1
            }
        };
        let one = tokio::time::timeout(Duration::from_millis(1), flights.run("a", work()));
        assert!(one.await.is_err());
        let (two, three) = tokio::join!(flights.run("a", work()), flights.run("a", work()));
        assert_eq!((two, three), (Some(1), Some(1)));
        assert_eq!(flights.run("a", work()).await, Some(2));
    }
}
