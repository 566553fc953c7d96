//! What pushes and those who take content away tell each other, so that nothing goes that a push is about to refer to.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Storage;
use crate::digest::Digest;

/// How many times as long as it takes something away a collection rests, so that pushes hardly notice it.
const REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct State {
    /// What is being linked, and by how many.
    linking: HashMap<Digest, usize>,
    /// What was linked since the running collection or retention began; nothing if none runs.
    linked: Option<HashSet<Digest>>,
    /// Whether nobody may link.
    is_alone: bool,
}

/// The same, shared. It is locked for moments: no push waits for the disk of another one.
#[derive(Clone, Debug, Default)]
pub(super) struct Pushes(Arc<(Mutex<State>, Condvar)>);

impl Pushes {
    /// To be held from before content is looked for until it is linked.
    pub(super) fn linking<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Linking {
        let digests: Vec<Digest> = digests.into_iter().cloned().collect();
        let mut state = self.state_unless(|state| state.is_alone);
        for digest in &digests {
            *state.linking.entry(digest.clone()).or_default() += 1;
        }
        if let Some(linked) = &mut state.linked {
            linked.extend(digests.iter().cloned());
        }
        drop(state);
        Linking {
            pushes: self.clone(),
            digests,
        }
    }

    /// Does what must not happen while this content is being linked, unless it is. Whether it was done.
    pub(super) fn unless_linking(
        &self,
        digest: &Digest,
        work: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let state = self.state();
        let is_linking = state.linking.contains_key(digest);
        if is_linking { Ok(false) } else { work() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, as soon as it is not so any more.
    fn state_unless(&self, waits: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let changed = self.0.1.wait_while(self.state(), waits);
        changed.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody links, and lets nobody begin before this is dropped.
    pub(super) fn alone(&self) -> Alone<'_> {
        self.state_unless(|state| state.is_alone).is_alone = true;
        let alone = Alone(self);
        drop(self.state_unless(|state| !state.linking.is_empty()));
        alone
    }
}

/// Nobody links until this is dropped.
pub(super) struct Alone<'a>(&'a Pushes);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.state().is_alone = false;
        self.0.0.1.notify_all();
    }
}

/// Content that is being linked until this is dropped.
pub(super) struct Linking {
    pushes: Pushes,
    digests: Vec<Digest>,
}

impl Drop for Linking {
    fn drop(&mut self) {
        let mut state = self.pushes.state();
        for digest in &self.digests {
            if let Some(count) = state.linking.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    state.linking.remove(digest);
                }
            }
        }
        drop(state);
        self.pushes.0.1.notify_all();
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
    /// Begins to take away: what is being linked is noted.
    ///
    /// # Errors
    /// A collection or retention runs already.
    pub fn begin_taking(&self) -> io::Result<Taking> {
        let mut state = self.pushes.state();
        if state.linked.is_some() {
            let what = "a collection or retention runs already: try again when it has ended";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        state.linked = Some(state.linking.keys().cloned().collect());
        drop(state);
        Ok(Taking {
            pushes: self.pushes.clone(),
            storage: self.clone(),
        })
    }
}

impl Taking {
    /// Takes something away, unless it was linked or named since this began. Nobody begins to link meanwhile, so it has to be a
    /// moment's work; then the disk is others' for a while. Whether it was taken.
    pub(super) fn take(
        &self,
        digest: &Digest,
        work: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let state = self.pushes.state();
        if is_linked(&state, digest) {
            return Ok(false);
        }
        let began = Instant::now();
        let taken = work();
        drop(state);
        thread::sleep(LONGEST_REST.min(began.elapsed() * REST));
        taken
    }

    /// The same when nobody links anything: what is pushed with another digest could be in the way, too.
    pub(super) fn take_alone(
        &self,
        digest: &Digest,
        work: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let alone = self.pushes.alone();
        let is_linked = is_linked(&self.pushes.state(), digest);
        let taken = if is_linked { Ok(false) } else { work() };
        drop(alone);
        taken
    }
}

fn is_linked(state: &State, digest: &Digest) -> bool {
    let linked = state.linked.as_ref();
    linked.is_some_and(|linked| linked.contains(digest))
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.pushes.state().linked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn nobody_links_while_a_tag_is_taken_and_what_was_linked_stays() {
        let store = tempfile::tempdir().unwrap();
        let storage = Storage::open(store.path()).unwrap();
        let digest = |text: &str| Digest::of(Algorithm::Sha256, text.as_bytes());
        let early = storage.pushes.linking([&digest("early")]);
        let taking = storage.begin_taking().unwrap();
        assert!(storage.begin_taking().is_err());
        assert!(
            !taking
                .take(&digest("early"), || panic!("it is linked"))
                .unwrap()
        );
        assert!(taking.take(&digest("idle"), || Ok(true)).unwrap());

        let linking = AtomicUsize::new(0);
        let link = |number: usize| {
            for round in 0..50 {
                let linked = storage
                    .pushes
                    .linking([&digest(&format!("{number} {round}"))]);
                linking.fetch_add(1, Ordering::SeqCst);
                thread::yield_now();
                linking.fetch_sub(1, Ordering::SeqCst);
                drop(linked);
            }
        };
        drop(early);
        thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || link(number));
            }
            for _ in 0..50 {
                let is_alone = || {
                    assert_eq!(linking.load(Ordering::SeqCst), 0);
                    thread::yield_now();
                    Ok(linking.load(Ordering::SeqCst) == 0)
                };
                assert!(taking.take_alone(&digest("a tag's"), is_alone).unwrap());
            }
        });
        let late = digest("3 49");
        assert!(
            !taking
                .take_alone(&late, || panic!("it was linked"))
                .unwrap()
        );
        drop(taking);
        assert!(storage.pushes.state().linking.is_empty());
        assert!(
            storage
                .begin_taking()
                .unwrap()
                .take(&late, || Ok(true))
                .unwrap()
        );
    }
}
