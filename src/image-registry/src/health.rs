//! Whether the registry works, for monit and load balancers, who have no login and learn nothing else: the runtime answers, and
//! the store can be read within a bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::storage::Storage;

/// How long the store may take: less than the 5 s that monit waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// The check.
#[derive(Debug)]
pub struct Health {
    storage: Storage,
    /// Held by the one check that runs: a disk that hangs holds one thread, and not one more for each time that somebody asks.
    turn: Arc<Mutex<()>>,
    was_good: AtomicBool,
}

impl Health {
    /// Of a registry with this store.
    pub fn new(storage: Storage) -> Self {
        Self {
            storage,
            turn: Arc::default(),
            was_good: AtomicBool::new(true),
        }
    }

    /// Whether the registry works. Changes are in the log.
    pub async fn is_good(&self) -> bool {
        let result = self.check().await;
        let was_good = self.was_good.swap(result.is_ok(), Ordering::Relaxed);
        match &result {
            Err(why) if was_good => tracing::error!(why, "the store does not answer"),
            Ok(()) if !was_good => tracing::info!("the store answers again"),
            _ => {}
        }
        result.is_ok()
    }

    async fn check(&self) -> Result<(), String> {
        let answered = async {
            let turn = self.turn.clone().lock_owned().await;
            let storage = self.storage.clone();
            let asked = spawn_blocking(move || {
                let answered = storage.answers();
                drop(turn);
                answered
            });
            asked.await.map_err(std::io::Error::other).flatten()
        };
        match timeout(PATIENCE, answered).await {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it took longer than {} s", PATIENCE.as_secs())),
        }
    }
}
