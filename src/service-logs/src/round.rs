//! What the collecting thread does over and over: copy what was written, note how far it is, rest.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Settings, Source,
    container_log::{ContainerLog, Found},
    copying::{Buffers, Copied, copy},
    positions::Positions,
    service_logs::ServiceLogs,
    waking::{Waker, Watches},
};

/// Between two rounds while containers write: their lines are copied in batches.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two commits. A kill makes the next runner copy that much again.
const COMMIT: Duration = Duration::from_secs(5);
/// Or so many bytes: at 100,000 lines a second a container's own files last for 20 s, and a kill costs a part of them.
const COMMIT_BYTES: u64 = 16 << 20;
/// Before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks at files that rest, should the kernel have kept silent about one.
const LOOK: Duration = Duration::from_mins(1);

/// What comes after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rest {
    UntilWoken,
    Retry,
    Pause,
    AtOnce,
}

/// What is followed.
pub(crate) struct Round {
    positions: PathBuf,
    containers: BTreeMap<Arc<str>, ContainerLog>,
    services: ServiceLogs,
    /// Containers that may have written.
    active: BTreeSet<Arc<str>>,
    watches: Option<Watches>,
    buffers: Buffers,
    dirty: bool,
    committed: Instant,
    looked: Instant,
    /// What went wrong, and still does, so that it is told once.
    troubles: BTreeMap<String, String>,
}

impl Round {
    /// Goes on where the last one ended.
    pub(crate) fn begin(settings: &Settings) -> Self {
        let watches = Watches::new()
            .inspect_err(|error| {
                tracing::warn!("containers that rest are looked at all the same: {error}");
            })
            .ok();
        let mut round = Self {
            positions: settings.state.join("positions.json"),
            containers: BTreeMap::new(),
            services: ServiceLogs::new(&settings.logs, settings.cap),
            active: BTreeSet::new(),
            watches,
            buffers: Buffers::new(),
            dirty: false,
            committed: Instant::now(),
            looked: Instant::now(),
            troubles: BTreeMap::new(),
        };
        match Positions::read(&round.positions) {
            Ok(positions) => round.resume(&positions),
            Err(error) => tracing::warn!(
                "{} cannot be read, so that output may be copied a second time: {error}",
                round.positions.display()
            ),
        }
        round
    }

    pub(crate) fn follow(&mut self, source: Source) {
        let id: Arc<str> = source.id.as_str().into();
        self.active.insert(Arc::clone(&id));
        match self.containers.entry(id) {
            Entry::Occupied(mut known) => known.get_mut().source.name = source.name,
            Entry::Vacant(entry) => {
                entry.insert(ContainerLog::new(source));
            }
        }
    }

    /// Copies what active containers have written.
    pub(crate) fn copy_all(&mut self) -> Rest {
        let mut rest = self.note_new();
        for id in std::mem::take(&mut self.active) {
            let Some(mut container) = self.containers.remove(&id) else {
                continue;
            };
            if !container.is_noted {
                self.active.insert(Arc::clone(&id));
                self.containers.insert(id, container);
                continue;
            }
            let key = container.source.name.clone();
            let next = match self.copy(&mut container) {
                Ok(next) => {
                    if self.troubles.remove(&key).is_some() {
                        tracing::info!(container = key, "its output is copied again");
                    }
                    next
                }
                Err(error) => {
                    self.trouble(&key, &error);
                    Some(Rest::Retry)
                }
            };
            let Some(next) = next else {
                // It was removed, and everything is copied. Who is killed after this must not look for it.
                tracing::debug!(container = key, "removed");
                self.dirty = true;
                self.commit();
                continue;
            };
            rest = rest.max(next);
            if next > Rest::UntilWoken {
                self.active.insert(Arc::clone(&id));
            }
            self.containers.insert(id, container);
        }
        rest
    }

    /// Notes containers that are new, and the length of their services' files, before anything is copied: or who is killed then would leave
    /// lines that nobody knows of.
    fn note_new(&mut self) -> Rest {
        let active = self.active.iter();
        let new: Vec<_> = active
            .filter(|id| {
                self.containers
                    .get(*id)
                    .is_some_and(|container| !container.is_noted)
            })
            .cloned()
            .collect();
        if new.is_empty() {
            return Rest::UntilWoken;
        }
        for id in &new {
            let Some(container) = self.containers.get(id) else {
                continue;
            };
            if let Err(error) = self.services.open(&container.source.service) {
                let name = container.source.name.clone();
                self.trouble(&name, &error);
                return Rest::Retry;
            }
        }
        if !self.commit() {
            return Rest::Retry;
        }
        for id in &new {
            if let Some(container) = self.containers.get_mut(id) {
                container.is_noted = true;
            }
        }
        Rest::UntilWoken
    }

    /// Copies what one container has written; nothing if it was removed and all is copied.
    fn copy(&mut self, container: &mut ContainerLog) -> io::Result<Option<Rest>> {
        let found = container.look()?;
        loop {
            let service = self.services.open(&container.source.service)?;
            let copied = copy(container, service, &mut self.buffers);
            if !matches!(copied, Ok(Copied::Nothing)) {
                self.dirty = true;
            }
            match copied? {
                Copied::Nothing if found == Found::Removed => return Ok(None),
                Copied::Nothing => return self.watch(container).map(Some),
                Copied::All if found == Found::Removed => {}
                Copied::All => return Ok(Some(Rest::Pause)),
                Copied::Part => return Ok(Some(Rest::AtOnce)),
                Copied::Full => {
                    service.rotate()?;
                    // With this container, which is out of the map for now.
                    self.commit_with(Some(container));
                }
            }
        }
    }

    /// Has the kernel tell when a container that rests writes again.
    fn watch(&mut self, container: &ContainerLog) -> io::Result<Rest> {
        let Some(watches) = &mut self.watches else {
            return Ok(Rest::Pause);
        };
        match watches.watch(container.directory(), &container.id) {
            Ok(()) => {}
            // It is being removed: the next look knows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Rest::Pause),
            Err(error) => {
                tracing::warn!("containers that rest are looked at all the same: {error}");
                self.watches = None;
                return Ok(Rest::Pause);
            }
        }
        // What was written before the watch was there wakes nobody.
        Ok(if container.is_read()? {
            Rest::UntilWoken
        } else {
            Rest::Pause
        })
    }

    pub(crate) fn commit_when_due(&mut self) {
        if self.dirty && (self.committed.elapsed() >= COMMIT || self.buffers.copied >= COMMIT_BYTES)
        {
            self.commit();
        }
    }

    /// Copies what there is, until then at most. What comes later is for who comes next.
    pub(crate) fn end(mut self, end: Instant) {
        self.active.extend(self.containers.keys().cloned());
        while self.copy_all() == Rest::AtOnce && Instant::now() < end {}
        self.commit();
    }

    fn commit(&mut self) -> bool {
        self.commit_with(None)
    }

    /// Notes how far everything is; `false` if it cannot.
    fn commit_with(&mut self, one_more: Option<&ContainerLog>) -> bool {
        self.committed = Instant::now();
        let positions = Positions {
            containers: self
                .containers
                .values()
                .chain(one_more)
                .map(|container| (container.source.id.clone(), container.position()))
                .collect(),
            services: self.services.positions(),
        };
        // What the positions speak of is on the disk before them.
        let synced = self.services.sync();
        match synced.and_then(|()| positions.write(&self.positions)) {
            Ok(()) => {
                self.dirty = false;
                self.buffers.copied = 0;
                self.troubles.remove("positions");
                true
            }
            Err(error) => {
                self.dirty = true;
                self.trouble("positions", &error);
                false
            }
        }
    }

    /// Waits for what comes next.
    pub(crate) fn rest(&mut self, waker: &Waker, rest: Rest) {
        match rest {
            Rest::AtOnce => {}
            Rest::Pause => waker.wait(PAUSE),
            Rest::Retry => waker.wait(RETRY),
            Rest::UntilWoken => self.sleep(waker),
        }
        if let Some(watches) = &mut self.watches {
            watches.woken(|id| {
                self.active.insert(Arc::clone(id));
            });
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.active.extend(self.containers.keys().cloned());
        }
        if rest == Rest::UntilWoken && !self.active.is_empty() {
            // More lines come with the first one.
            waker.wait(PAUSE);
        }
    }

    /// Sleeps until something happens.
    fn sleep(&self, waker: &Waker) {
        let mut timeout = LOOK.saturating_sub(self.looked.elapsed());
        if self.dirty {
            timeout = timeout.min(COMMIT.saturating_sub(self.committed.elapsed()));
        }
        match &self.watches {
            Some(watches) => watches.wait(waker, timeout),
            None => waker.wait(timeout),
        }
    }

    fn trouble(&mut self, whose: &str, error: &io::Error) {
        let error = error.to_string();
        if self.troubles.get(whose) != Some(&error) {
            tracing::warn!(of = whose, "output is not copied, trying again: {error}");
            self.troubles.insert(whose.to_owned(), error);
        }
    }
}

mod resume;
#[cfg(test)]
mod tests;
