//! Connections that wait for their client: for its handshake, for the head of a request. When there are as many connections as
//! may be, the one that has waited longest makes room for the next, so that idle ones shut nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All of them.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, ended: Arc<Notify>) -> u64 {
        let mut queue = self.queue();
        let place = queue.next;
        queue.next += 1;
        queue.waiting.insert(place, ended);
        place
    }

    /// A new connection, which waits.
    pub fn connection(&self) -> Connection {
        let connection = Connection {
            all: self.clone(),
            place: Mutex::default(),
            ended: Arc::default(),
        };
        connection.wait();
        connection
    }

    /// Ends the connection that has waited longest.
    pub fn end_longest(&self) {
        if let Some((_, connection)) = self.queue().waiting.pop_first() {
            connection.notify_one();
        }
    }
}

/// One connection; it waits unless a request of it is being answered.
pub struct Connection {
    all: Waiting,
    /// Its place in the queue, while it waits.
    place: Mutex<Option<u64>>,
    ended: Arc<Notify>,
}

impl Connection {
    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let place = self.all.join(self.ended.clone());
        *self.place() = Some(place);
    }

    fn leave(&self) {
        let place = self.place().take();
        if let Some(place) = place {
            self.all.queue().waiting.remove(&place);
        }
    }

    /// Waits until it has to make room.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// A request of it that is being answered until this is dropped.
    pub fn request(self: &Arc<Self>) -> Answering {
        self.leave();
        Answering(self.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A request that is being answered.
pub struct Answering(Arc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn has_ended(connection: &Connection) -> bool {
        let moment = Duration::from_millis(1);
        timeout(moment, connection.ended()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_longest_goes_and_who_is_answered_stays() {
        let all = Waiting::default();
        let connections: Vec<_> = (0..4).map(|_| Arc::new(all.connection())).collect();
        let [first, second, third, fourth] = &connections[..] else {
            unreachable!()
        };
        let answering = first.request();
        drop(third.request());
        all.end_longest();
        assert!(has_ended(second).await && !has_ended(first).await);
        all.end_longest();
        assert!(has_ended(fourth).await, "the third asked after it had come");
        drop(answering);
        all.end_longest();
        assert!(has_ended(third).await && !has_ended(first).await);
        let gone = first.clone();
        drop(connections);
        all.end_longest();
        assert!(has_ended(&gone).await);
        drop(gone);
        all.end_longest();
        assert!(all.queue().waiting.is_empty());
    }
}
