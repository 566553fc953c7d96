//! Bodies of answers: bytes, or a part of a file.

use std::fs::File;
use std::future::Future as _;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// The body of an answer.
pub type Body = BoxBody<Bytes, io::Error>;

/// Bytes that are read from a file at a time: one piece on its way to the client, one read ahead.
const PIECE: usize = 128 << 10;

/// Bytes.
pub fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Nothing.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// So many bytes of a file from `offset` on.
pub fn part_of_file(file: File, offset: u64, length: u64) -> Body {
    BoxBody::new(FilePart {
        left: length,
        state: State::Waiting(Some((file, SeekFrom::Start(offset)))),
    })
}

struct FilePart {
    left: u64,
    state: State,
}

enum State {
    Waiting(Option<(File, SeekFrom)>),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
}

impl FilePart {
    fn read(&mut self, mut file: File, from: SeekFrom) {
        let length = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        self.state = State::Reading(spawn_blocking(move || {
            if !matches!(from, SeekFrom::Current(0)) {
                file.seek(from)?;
            }
            let mut bytes = BytesMut::zeroed(length);
            file.read_exact(&mut bytes)?;
            Ok((file, bytes.freeze()))
        }));
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
        loop {
            match &mut self.state {
                State::Waiting(file) => {
                    let Some((file, from)) = file.take() else {
                        return Poll::Ready(None);
                    };
                    self.read(file, from);
                }
                State::Reading(reading) => {
                    let read = match Pin::new(reading).poll(context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(read) => read.map_err(io::Error::other).flatten(),
                    };
                    let (file, bytes) = match read {
                        Ok(read) => read,
                        Err(error) => {
                            tracing::error!(why = %error, "reading a blob failed on the way");
                            self.state = State::Waiting(None);
                            return Poll::Ready(Some(Err(error)));
                        }
                    };
                    self.left -= bytes.len() as u64;
                    if self.left > 0 {
                        self.read(file, SeekFrom::Current(0));
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
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
