//! A blob that is being fetched into a file, along which everybody reads who wants it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::room::{Reserved, Room, allocated};
use crate::digest::Digest;
use crate::storage::durable::Temporary;
use crate::upstream::{Download, Failure, Kind};

/// Bytes that are read at a time.
const PIECE: usize = 128 << 10;

/// How far the file is. The last bytes are in it only when all of them have been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    At(u64),
    Failed,
}

/// A file, and what keeps it from being removed: it is closed before it may be.
#[derive(Debug)]
struct Content {
    file: File,
    _lease: Arc<()>,
}

/// A blob of the cache that is read: all of it is there, or it grows meanwhile.
#[derive(Clone, Debug)]
pub struct Along {
    content: Arc<Content>,
    size: u64,
    progress: watch::Receiver<Progress>,
}

impl Along {
    /// One that is there.
    pub fn whole(file: File, size: u64, lease: Arc<()>) -> Self {
        let content = Content {
            file,
            _lease: lease,
        };
        let (_, progress) = watch::channel(Progress::At(size));
        Self {
            content: Arc::new(content),
            size,
            progress,
        }
    }

    /// Bytes of all of it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes from `at` on, before `end`, when there are any.
    pub async fn read(&mut self, at: u64, end: u64) -> io::Result<Bytes> {
        let is_there = |progress: &Progress| match progress {
            Progress::At(written) => *written > at,
            Progress::Failed => true,
        };
        let cut = || io::Error::other("the blob could not be fetched to its end");
        let progress = *self.progress.wait_for(is_there).await.map_err(|_| cut())?;
        let Progress::At(written) = progress else {
            return Err(cut());
        };
        let length = usize::try_from(end.min(written) - at).map_or(PIECE, |left| left.min(PIECE));
        let content = self.content.clone();
        let read = spawn_blocking(move || {
            let mut bytes = BytesMut::zeroed(length);
            content.file.read_exact_at(&mut bytes, at)?;
            Ok(bytes.freeze())
        });
        read.await.map_err(io::Error::other)?
    }
}

/// A file for a blob, with the room that it needs.
pub struct Growing {
    // removed before its room is free
    temporary: Temporary,
    reserved: Reserved,
    along: Along,
    lease: Arc<()>,
    told: watch::Sender<Progress>,
}

impl Growing {
    /// Takes the room on the disk. An error is that of a full disk, as a rule.
    pub fn new(temporary: Temporary, reserved: Reserved, size: u64) -> io::Result<Self> {
        if size > 0 {
            let all = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&temporary.file, all, 0, size) {
                // some file systems have no such thing: the disk may then be full on the way
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let lease = Arc::new(());
        let content = Content {
            file: temporary.file.try_clone()?,
            _lease: lease.clone(),
        };
        let (told, progress) = watch::channel(Progress::At(0));
        let along = Along {
            content: Arc::new(content),
            size,
            progress,
        };
        Ok(Self {
            temporary,
            reserved,
            along,
            lease,
            told,
        })
    }

    /// For those who read along.
    pub fn along(&self) -> Along {
        self.along.clone()
    }

    /// Fetches all of it, and makes it a blob of the cache. `count` is told of the bytes that come.
    pub async fn fetch(
        self,
        mut download: Download,
        digest: Digest,
        room: Arc<Room>,
        count: impl Fn(u64),
    ) -> Result<(), Failure> {
        let outcome = self.fill(&mut download, count).await;
        if let Err(failure) = outcome {
            let _ = self.told.send(Progress::Failed);
            return Err(failure);
        }
        let size = self.along.size;
        let kept = spawn_blocking(move || {
            let Self {
                temporary,
                reserved,
                along,
                lease,
                ..
            } = self;
            let place = room.place(&digest);
            if room.size(&digest).is_some() {
                drop(temporary);
                return Ok(());
            }
            let file = along.content.file.try_clone()?;
            temporary.move_to(&place)?;
            reserved.settle_blob(digest, size, allocated(&file)?, lease);
            Ok(())
        });
        let kept = kept.await.map_err(io::Error::other).flatten();
        kept.map_err(|error| {
            Failure::new(
                Kind::Wrong,
                format!("the cache could not keep a blob: {error}"),
            )
        })
    }

    async fn fill(&self, download: &mut Download, count: impl Fn(u64)) -> Result<(), Failure> {
        let mut at = 0;
        while let Some(piece) = download.next().await? {
            let length = piece.len() as u64;
            count(length);
            let content = self.along.content.clone();
            let written = spawn_blocking(move || content.file.write_all_at(&piece, at)).await;
            let written = written.map_err(io::Error::other).flatten();
            written
                .map_err(|error| Failure::new(Kind::Wrong, format!("the cache's disk: {error}")))?;
            at += length;
            let _ = self.told.send(Progress::At(at));
        }
        Ok(())
    }
}
