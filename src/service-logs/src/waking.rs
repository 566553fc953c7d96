//! Sleeping until something is to be done, without looking at files that rest.
//!
//! A directory is watched for one event only, and again once its container has nothing more to say: a container that writes costs no
//! event a line, and one that rests costs nothing.

use std::{
    collections::HashMap, io, mem::MaybeUninit, os::fd::OwnedFd, path::Path, sync::Arc,
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};

/// Woken by other threads.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
        )?))
    }

    pub(crate) fn ring(&self) {
        // It fails only when it was rung 2^64 times and nobody came.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Waits for it, at most so long.
    pub(crate) fn wait(&self, timeout: Duration) {
        ready(&self.0, None, Some(timeout));
        self.reset();
    }

    fn reset(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

/// Directories that are watched.
#[derive(Debug)]
pub(crate) struct Watches {
    inotify: OwnedFd,
    watched: HashMap<i32, Arc<str>>,
}

impl Watches {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            watched: HashMap::new(),
        })
    }

    /// Wakes once when something happens in a directory.
    pub(crate) fn watch(&mut self, directory: &Path, id: &Arc<str>) -> io::Result<()> {
        let events = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONESHOT;
        let number = inotify::add_watch(&self.inotify, directory, events)?;
        self.watched.insert(number, Arc::clone(id));
        Ok(())
    }

    /// Waits for the waker, for something in a directory, or for the time to be over.
    pub(crate) fn wait(&self, waker: &Waker, timeout: Duration) {
        ready(&waker.0, Some(&self.inotify), Some(timeout));
        waker.reset();
    }

    /// Calls `woken` for each directory in which something has happened.
    pub(crate) fn woken(&mut self, mut woken: impl FnMut(&Arc<str>)) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            match events.next() {
                // Of what follows the one event, that the watch is gone, the number is known no more.
                Ok(event) => {
                    if let Some(id) = self.watched.remove(&event.wd()) {
                        woken(&id);
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
    }
}

fn ready(waker: &OwnedFd, other: Option<&OwnedFd>, timeout: Option<Duration>) {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut all = [
        PollFd::new(waker, PollFlags::IN),
        PollFd::new(other.unwrap_or(waker), PollFlags::IN),
    ];
    // A signal ends the wait early, which does no harm.
    let _ = poll(&mut all, timeout.as_ref());
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn wakes_once_for_a_directory_and_each_time_for_the_bell() {
        let dir = tempfile::tempdir().unwrap();
        let (waker, mut watches) = (Waker::new().unwrap(), Watches::new().unwrap());
        let id: Arc<str> = "id".into();
        watches.watch(dir.path(), &id).unwrap();
        let mut woken = Vec::new();
        for text in ["a", "b"] {
            std::fs::write(dir.path().join("x"), text).unwrap();
            watches.wait(&waker, Duration::from_millis(20));
            watches.woken(|id| woken.push(Arc::clone(id)));
        }
        assert_eq!(woken, [id]);
        for _ in 0..2 {
            waker.ring();
            let began = Instant::now();
            watches.wait(&waker, Duration::from_mins(1));
            assert!(began.elapsed() < Duration::from_secs(30));
        }
        let began = Instant::now();
        waker.wait(Duration::from_millis(20));
        assert!(began.elapsed() >= Duration::from_millis(20), "it was reset");
    }
}
