//! The room that the cache has: what its files take on the disk, what may go, and the cap, which is never passed: room is made
//! before a byte is written.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::counters::{Counters, add};
use crate::digest::{Algorithm, Digest};
use crate::storage::durable;

/// What file systems give to a file at least.
const BLOCK: u64 = 4096;
/// How exactly the files say when a blob was used.
const TOUCH: Duration = Duration::from_mins(1);

/// The room, and the blobs in it.
pub struct Room {
    directory: PathBuf,
    max: u64,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: u64,
    blobs: HashMap<Digest, Held>,
}

struct Held {
    size: u64,
    allocated: u64,
    used: SystemTime,
    touched: SystemTime,
    /// Another one is with each of those who read it.
    readers: Arc<()>,
}

/// A blob of the cache, which stays while this is there.
#[derive(Debug)]
pub struct Reading {
    /// Its file.
    pub file: File,
    /// Its bytes.
    pub size: u64,
    /// What keeps it.
    pub lease: Arc<()>,
}

/// Room that was made for a file; dropped, it is free again.
pub struct Reserved {
    room: Arc<Room>,
    bytes: u64,
}

impl Reserved {
    /// The file is there, and takes so much.
    pub fn settle(mut self, allocated: u64) {
        let mut state = self.room.lock();
        state.used = state.used.saturating_sub(self.bytes) + allocated;
        self.bytes = 0;
        self.room.tell(&state);
    }

    /// The file is there as a blob, which stays while others have the lease.
    pub fn settle_blob(mut self, digest: Digest, size: u64, allocated: u64, lease: Arc<()>) {
        let mut state = self.room.lock();
        state.used = state.used.saturating_sub(self.bytes) + allocated;
        self.bytes = 0;
        let now = SystemTime::now();
        let held = Held {
            size,
            allocated,
            used: now,
            touched: now,
            readers: lease,
        };
        if let Some(before) = state.blobs.insert(digest, held) {
            // its file was replaced
            state.used = state.used.saturating_sub(before.allocated);
        }
        self.room.tell(&state);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        state.used = state.used.saturating_sub(self.bytes);
        self.room.tell(&state);
    }
}

/// What a file of so many bytes takes at most: whole blocks, and those in which a file system notes where they are.
pub fn most_allocated(size: u64) -> u64 {
    size.next_multiple_of(BLOCK)
        .saturating_add(BLOCK)
        .saturating_add(size >> 12)
}

/// What a file takes on the disk.
pub fn allocated(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.blocks() * 512)
}

impl Room {
    /// What is there already in the cache's directory is found.
    pub fn open(directory: &Path, max: u64, counters: Arc<Counters>) -> io::Result<Arc<Self>> {
        let mut state = State::default();
        for algorithm in Algorithm::ALL {
            let blobs = directory.join("blobs").join(algorithm.as_str());
            durable::make_dir(&blobs)?;
            for entry in fs::read_dir(&blobs)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                let name = entry.file_name();
                let digest = Digest::from_parts(algorithm.as_str(), &name.to_string_lossy());
                if let Some(digest) = digest.filter(|_| metadata.is_file()) {
                    let used = metadata.modified()?;
                    let allocated = metadata.blocks() * 512;
                    let held = Held {
                        size: metadata.len(),
                        allocated,
                        used,
                        touched: used,
                        readers: Arc::new(()),
                    };
                    state.blobs.insert(digest, held);
                }
            }
        }
        state.used = taken_below(directory)?;
        counters.cap.store(max, Ordering::Relaxed);
        let room = Arc::new(Self {
            directory: directory.to_owned(),
            max,
            counters,
            state: Mutex::new(state),
        });
        // the cap may be less than it was
        let over = room.lock().used.saturating_sub(max);
        if over > 0 {
            drop(room.reserve_exactly(0)?);
        }
        room.tell(&room.lock());
        Ok(room)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &State) {
        self.counters.held.store(state.used, Ordering::Relaxed);
    }

    /// Where a blob lies.
    pub fn place(&self, digest: &Digest) -> PathBuf {
        let blobs = self.directory.join("blobs");
        blobs.join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// Makes room for a file of so many bytes. None if there is none: it is larger than the cap, or what is there must stay.
    pub fn reserve(self: &Arc<Self>, size: u64) -> io::Result<Option<Reserved>> {
        self.reserve_exactly(most_allocated(size))
    }

    fn reserve_exactly(self: &Arc<Self>, bytes: u64) -> io::Result<Option<Reserved>> {
        let mut state = self.lock();
        let wanted = state.used.saturating_add(bytes);
        let excess = wanted.saturating_sub(self.max);
        if excess > 0 {
            let mut idle: Vec<(SystemTime, u64, Digest)> = state
                .blobs
                .iter()
                .filter(|(_, held)| Arc::strong_count(&held.readers) == 1)
                .map(|(digest, held)| (held.used, held.allocated, digest.clone()))
                .collect();
            if bytes > 0 && idle.iter().map(|(_, allocated, _)| allocated).sum::<u64>() < excess {
                return Ok(None);
            }
            idle.sort_unstable();
            let mut freed = 0;
            for (_, allocated, digest) in idle {
                if freed >= excess {
                    break;
                }
                // those who read it are counted under the lock that is held, so that its blocks are free now
                durable::remove(&self.place(&digest))?;
                state.blobs.remove(&digest);
                state.used = state.used.saturating_sub(allocated);
                freed += allocated;
                add(&self.counters.evictions, 1);
                tracing::info!(%digest, bytes = allocated, "a blob of the cache made room");
            }
        }
        state.used = state.used.saturating_add(bytes);
        self.tell(&state);
        drop(state);
        Ok(Some(Reserved {
            room: self.clone(),
            bytes,
        }))
    }

    /// A file was removed that took so much.
    pub fn free(&self, bytes: u64) {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(bytes);
        self.tell(&state);
    }

    /// A blob's bytes, if it is there.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        self.lock().blobs.get(digest).map(|held| held.size)
    }

    /// A blob to be read, which counts as a use of it.
    pub fn read(&self, digest: &Digest) -> io::Result<Option<Reading>> {
        let mut state = self.lock();
        let Some(held) = state.blobs.get_mut(digest) else {
            return Ok(None);
        };
        let path = self.place(digest);
        let file = match File::open(&path) {
            Ok(file) if file.metadata()?.len() == held.size => file,
            Err(error) if !durable::is_missing(&error) => {
                return Err(durable::named(&error, "opening", &path));
            }
            // somebody else took it away or damaged it: it is fetched again
            _ => {
                let allocated = held.allocated;
                durable::remove(&path)?;
                state.blobs.remove(digest);
                state.used = state.used.saturating_sub(allocated);
                return Ok(None);
            }
        };
        let now = SystemTime::now();
        held.used = now;
        let age = now.duration_since(held.touched);
        if age.is_ok_and(|age| age >= TOUCH) {
            held.touched = now;
            file.set_modified(now)
                .map_err(|error| durable::named(&error, "touching", &path))?;
        }
        Ok(Some(Reading {
            file,
            size: held.size,
            lease: held.readers.clone(),
        }))
    }
}

/// What the files below a directory take on the disk.
fn taken_below(directory: &Path) -> io::Result<u64> {
    let mut taken = 0;
    let mut ahead = vec![directory.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(&directory)
            .map_err(|error| durable::named(&error, "listing", &directory))?
        {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                ahead.push(entry.path());
            } else {
                taken += metadata.blocks() * 512;
            }
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(room: &Arc<Room>, content: &[u8]) -> Option<Digest> {
        let digest = Digest::of(Algorithm::Sha256, content);
        let reserved = room.reserve(content.len() as u64).unwrap()?;
        fs::write(room.place(&digest), content).unwrap();
        let file = File::open(room.place(&digest)).unwrap();
        file.sync_all().unwrap();
        reserved.settle_blob(
            digest.clone(),
            content.len() as u64,
            allocated(&file).unwrap(),
            Arc::default(),
        );
        Some(digest)
    }

    #[test]
    #[expect(clippy::many_single_char_names, reason = "blobs, by their content")]
    fn the_least_recently_used_goes_first_and_what_is_read_stays() {
        let directory = tempfile::tempdir().unwrap();
        let open = |max| Room::open(directory.path(), max, Arc::default()).unwrap();
        let room = open(70_000);
        let [a, b, c] = [b'a', b'b', b'c'].map(|letter| put(&room, &vec![letter; 20_480]).unwrap());
        let lease = room.read(&a).unwrap().unwrap();
        drop(room.read(&b).unwrap());
        let d = put(&room, &vec![b'd'; 20_480]).unwrap();
        assert_eq!(
            [&a, &b, &c, &d].map(|blob| room.size(blob).is_some()),
            [true, true, false, true]
        );
        let e = put(&room, &vec![b'e'; 30_000]).unwrap();
        assert_eq!(
            [&a, &b, &d, &e].map(|blob| room.size(blob).is_some()),
            [true, false, false, true]
        );
        assert_eq!(put(&room, &vec![b'f'; 60_000]), None);
        assert!(room.size(&e).is_some(), "what does not help is not taken");
        drop(lease);
        assert_eq!(put(&room, &vec![b'g'; 70_000]), None);
        assert!(put(&room, &vec![b'f'; 60_000]).is_some());
        assert_eq!(taken_below(directory.path()).unwrap(), room.lock().used);
        assert_eq!(room.counters.evictions.load(Ordering::Relaxed), 5);
        drop(room);

        let again = open(70_000);
        assert_eq!(again.lock().used, taken_below(directory.path()).unwrap());
        assert_eq!(again.lock().blobs.len(), 1);
        let smaller = open(10_000);
        let state = smaller.lock();
        assert_eq!((state.used, state.blobs.len()), (0, 0));
    }

    #[test]
    fn room_that_is_given_back_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::open(directory.path(), 100_000, Arc::default()).unwrap();
        let reserved = room.reserve(80_000).unwrap().unwrap();
        assert!(room.reserve(50_000).unwrap().is_none());
        drop(reserved);
        assert!(room.reserve(50_000).unwrap().is_some());
        assert_eq!(room.lock().used, 0);
    }
}
