//! What pushes and those who take content away tell each other, so that nothing goes that a push is about to refer to.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Storage;
use crate::digest::Digest;

#[derive(Debug, Default)]
struct State {
    /// What is being linked, and by how many.
    linking: HashMap<Digest, usize>,
    /// What was linked since the running collection or retention began; nothing if none runs.
    linked: Option<HashSet<Digest>>,
}

/// The same, shared. It is locked for moments: no push waits for the disk of another one.
#[derive(Clone, Debug, Default)]
pub(super) struct Pushes(Arc<Mutex<State>>);

impl Pushes {
    /// To be held from before content is looked for until it is linked.
    pub(super) fn linking<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Linking {
        let digests: Vec<Digest> = digests.into_iter().cloned().collect();
        let mut state = self.state();
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// moment's work. Whether it was taken.
    pub(super) fn take(
        &self,
        digest: &Digest,
        work: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let state = self.pushes.state();
        let is_linked = state.linked.as_ref().is_some_and(|it| it.contains(digest));
        if is_linked { Ok(false) } else { work() }
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.pushes.state().linked = None;
    }
}
