//! Being told to end: one flag that every wait looks at.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Set once, by SIGTERM; looked at by whatever waits.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    bell: Arc<(Mutex<()>, Condvar)>,
    children: Arc<AtomicUsize>,
}

/// A child process is about to be started, or runs.
#[derive(Debug)]
pub struct Child(Arc<AtomicUsize>);

impl Drop for Child {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Cancel {
    /// Tells everybody to end.
    pub fn set(&self) {
        self.flag.store(true, Ordering::SeqCst);
        let _held = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.1.notify_all();
    }

    /// Whether it is time to end.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// The flag, for [`bosh_job::command::Checked::cancelled_by`].
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Announces a child process, unless it is time to end; it must be gone when what is returned is dropped.
    pub fn child(&self) -> Option<Child> {
        self.children.fetch_add(1, Ordering::SeqCst);
        let child = Child(Arc::clone(&self.children));
        // Counted first and asked then: who sets the flag and then looks at the count misses no child.
        (!self.is_set()).then_some(child)
    }

    /// Whether a child process may be running.
    pub fn has_children(&self) -> bool {
        self.children.load(Ordering::SeqCst) > 0
    }

    /// Sleeps for `time`, or until it is time to end; then `true`.
    pub fn sleep(&self, time: Duration) -> bool {
        let held = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who sets the flag rings under the same lock, so that no ring is missed.
        drop(
            self.bell
                .1
                .wait_timeout_while(held, time, |()| !self.is_set()),
        );
        self.is_set()
    }

    /// Sleeps until it is time to end.
    pub fn park(&self) {
        while !self.sleep(Duration::from_hours(1)) {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn wakes_who_sleeps() {
        let cancel = Cancel::default();
        assert!(!cancel.sleep(Duration::from_millis(10)));
        let other = cancel.clone();
        let began = Instant::now();
        let sleeper = std::thread::spawn(move || other.park());
        std::thread::sleep(Duration::from_millis(50));
        cancel.set();
        sleeper.join().unwrap();
        assert!(cancel.is_set() && began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn no_child_is_started_after_the_word_to_end() {
        let cancel = Cancel::default();
        let child = cancel.child().unwrap();
        assert!(cancel.has_children());
        drop(child);
        assert!(!cancel.has_children());
        cancel.set();
        assert!(cancel.child().is_none() && !cancel.has_children());
    }
}
