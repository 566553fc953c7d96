//! Giving up on request, also in the middle of a wait.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// Whether [`Client::cancel`](crate::Client::cancel) was called.
#[derive(Debug, Default)]
pub(crate) struct Cancel {
    called: Mutex<bool>,
    changed: Condvar,
}

impl Cancel {
    pub(crate) fn call(&self) {
        *self.called.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(crate) fn check(&self) -> Result<()> {
        if *self.called.lock().unwrap_or_else(PoisonError::into_inner) {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Sleeps, unless woken by a call.
    pub(crate) fn pause(&self, duration: Duration) -> Result<()> {
        let called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(called, duration, |called| !*called)
            .unwrap_or_else(PoisonError::into_inner);
        drop(waited);
        self.check()
    }
}
