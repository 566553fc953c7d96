//! How far one image of several that are under way has come.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use image_archive::{Error, Image, Result, Scope, Verification, VerifiedImage};

/// How far an image has come.
pub struct Track {
    image: Image,
    scope: Scope,
    verification: Option<Verification>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    unverified: usize,
    wrong: Option<Error>,
    over: Option<bool>,
}

impl Track {
    /// Nothing is read yet but what is small.
    pub fn new(image: &Image, scope: &Scope) -> Self {
        let (verification, wrong) = match image.verification(scope.clone()) {
            Ok(verification) => (Some(verification), None),
            Err(error) => (None, Some(error)),
        };
        let unverified = verification.as_ref().map_or(0, Verification::pieces);
        let state = State {
            unverified,
            wrong,
            over: None,
        };
        Self {
            image: image.clone(),
            scope: scope.clone(),
            verification,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Pieces to be verified.
    pub fn pieces(&self) -> usize {
        self.verification.as_ref().map_or(0, Verification::pieces)
    }

    /// Verifies a piece, unless the image was found wrong meanwhile.
    pub fn verify(&self, piece: usize) {
        let done = match &self.verification {
            Some(verification) if self.lock().wrong.is_none() => verification.run(piece),
            _ => Ok(()),
        };
        let mut state = self.lock();
        state.unverified = state.unverified.saturating_sub(1);
        if let Err(error) = done {
            state.wrong.get_or_insert(error);
        }
        self.changed.notify_all();
    }

    /// Waits until all pieces are verified.
    pub fn verified(&self) -> Result<VerifiedImage> {
        let mut state = self.lock();
        while state.unverified > 0 && state.wrong.is_none() {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let wrong = state.wrong.take();
        drop(state);
        match (wrong, &self.verification) {
            (Some(error), _) => Err(error),
            (None, Some(verification)) => verification.finish(),
            // What was wrong is told once; anyone who asks again begins again.
            (None, None) => self.image.verification(self.scope.clone())?.finish(),
        }
    }

    /// Says that the engine has answered.
    pub fn end(&self, well: bool) {
        self.lock().over = Some(well);
        self.changed.notify_all();
    }

    /// Waits until the engine has answered. Returns whether it took the image.
    pub fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if let Some(well) = state.over {
                return well;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether it is over and went wrong.
    pub fn failed(&self) -> bool {
        self.lock().over == Some(false)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
