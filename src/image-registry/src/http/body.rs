//! Bodies of answers: bytes, or a part of a file.

use std::fs::File;
use std::future::Future as _;
use std::io::{self, IoSliceMut};
use std::mem;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use rustix::fs::Advice;
use rustix::io::ReadWriteFlags;
use tokio::task::{JoinHandle, spawn_blocking};

/// The body of an answer.
pub type Body = BoxBody<Bytes, io::Error>;

/// Bytes that are read from a file at a time.
const PIECE: usize = 128 << 10;

/// Bytes.
pub fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Nothing.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// A response that keeps something until its body has been given out, or the client is gone.
pub fn while_answered<T: Send + Sync + Unpin + 'static>(
    response: Response<Body>,
    kept: T,
) -> Response<Body> {
    response.map(|body| BoxBody::new(Keeping { body, _kept: kept }))
}

struct Keeping<T> {
    body: Body,
    _kept: T,
}

impl<T: Unpin> HttpBody for Keeping<T> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// So many bytes of a file from `offset` on.
pub fn part_of_file(file: File, offset: u64, length: u64) -> Body {
    // the kernel reads further ahead then; without it nothing is wrong
    let _ = rustix::fs::fadvise(&file, offset, NonZeroU64::new(length), Advice::Sequential);
    BoxBody::new(FilePart {
        file: Arc::new(file),
        offset,
        left: length,
        given: Bytes::new(),
        reading: None,
    })
}

struct FilePart {
    file: Arc<File>,
    offset: u64,
    left: u64,
    /// The last piece: when it has left, its memory takes the next one.
    given: Bytes,
    reading: Option<JoinHandle<io::Result<BytesMut>>>,
}

impl FilePart {
    /// Memory for the next piece.
    fn memory(&mut self) -> BytesMut {
        let length = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        let mut bytes = mem::take(&mut self.given)
            .try_into_mut()
            .unwrap_or_default();
        bytes.resize(length, 0);
        bytes
    }

    /// Gives a piece out.
    fn give(&mut self, bytes: BytesMut) -> Bytes {
        self.offset += bytes.len() as u64;
        self.left -= bytes.len() as u64;
        self.given = bytes.freeze();
        self.given.clone()
    }
}

/// Reads as much of this as the page cache has; nothing if it has none.
fn read_cached(file: &File, bytes: &mut BytesMut, offset: u64) -> bool {
    let mut pieces = [IoSliceMut::new(bytes)];
    match rustix::io::preadv2(file, &mut pieces, offset, ReadWriteFlags::NOWAIT) {
        Ok(count) if count > 0 => {
            bytes.truncate(count);
            true
        }
        _ => false,
    }
}

impl HttpBody for FilePart {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let offset = self.offset;
        if self.reading.is_none() {
            let mut bytes = self.memory();
            if read_cached(&self.file, &mut bytes, offset) {
                return Poll::Ready(Some(Ok(Frame::data(self.give(bytes)))));
            }
            let file = self.file.clone();
            self.reading = Some(spawn_blocking(move || {
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = match Pin::new(reading).poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(read) => read.map_err(io::Error::other).flatten(),
        };
        self.reading = None;
        match read {
            Ok(bytes) => Poll::Ready(Some(Ok(Frame::data(self.give(bytes))))),
            Err(error) => {
                tracing::error!(why = %error, "reading a blob failed on the way");
                self.left = 0;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
