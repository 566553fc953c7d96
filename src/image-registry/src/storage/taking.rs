//! What pushes and those who take content away tell each other, so that nothing goes that a push is about to refer to.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::Storage;
use crate::digest::Digest;

#[derive(Debug, Default)]
struct Inner {
    /// Held by anyone who links, and alone by anyone who takes away.
    linking: RwLock<()>,
    /// What was linked since the running collection began; nothing if none runs.
    linked: Mutex<Option<HashSet<Digest>>>,
}

/// The same, shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Pushes(Arc<Inner>);

impl Pushes {
    /// To be held from before content is looked for until it is linked.
    pub(super) fn linking<'a>(
        &self,
        digests: impl IntoIterator<Item = &'a Digest>,
    ) -> RwLockReadGuard<'_, ()> {
        let linking = &self.0.linking;
        let guard = linking.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(linked) = self.linked().as_mut() {
            linked.extend(digests.into_iter().cloned());
        }
        guard
    }

    /// Does what must not happen while anybody links.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        let linking = &self.0.linking;
        let _alone = linking.write().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    fn linked(&self) -> MutexGuard<'_, Option<HashSet<Digest>>> {
        self.0.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A collection or retention that runs: until this is dropped, what is linked is noted.
#[derive(Debug)]
pub struct Taking {
    pushes: Pushes,
    /// The store.
    pub(super) storage: Storage,
}

impl Storage {
    /// Begins to take away.
    ///
    /// # Errors
    /// A collection or retention runs already.
    pub fn begin_taking(&self) -> io::Result<Taking> {
        // anyone who is linking now has linked when this is got; anyone who comes later is noted
        self.pushes.alone(|| {
            let mut linked = self.pushes.linked();
            if linked.is_some() {
                let what = "a collection or retention runs already: try again when it has ended";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
            }
            *linked = Some(HashSet::new());
            Ok(Taking {
                pushes: self.pushes.clone(),
                storage: self.clone(),
            })
        })
    }
}

impl Taking {
    /// Takes something away while nobody links, unless it was linked or named since this began. Whether it was taken.
    pub(super) fn take(
        &self,
        digest: &Digest,
        work: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        self.pushes.alone(|| {
            let linked = self.pushes.linked();
            let is_linked = linked.as_ref().is_some_and(|it| it.contains(digest));
            drop(linked);
            if is_linked { Ok(false) } else { work() }
        })
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        *self.pushes.linked() = None;
    }
}
