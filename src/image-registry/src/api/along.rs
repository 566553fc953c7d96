//! Bodies of answers that come while they are given: along a file that grows, or straight from another registry. A body that
//! cannot come to its end cuts the connection, so that no client takes it for whole.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::cache::Along;
use crate::http::Body;
use crate::upstream::Download;

/// Pieces that wait for a slow client.
const AHEAD: usize = 2;

/// A part of a blob of the cache.
pub fn part(mut blob: Along, range: Range<u64>) -> Body {
    let (given, body) = body(range.end - range.start);
    tokio::spawn(async move {
        let mut at = range.start;
        while at < range.end {
            let read = blob.read(at, range.end).await;
            let length = read.as_ref().map_or(0, |piece| piece.len() as u64);
            let is_last = read.is_err();
            if given.send(read).await.is_err() || is_last {
                return;
            }
            at += length;
        }
    });
    body
}

/// What comes from another registry.
pub fn through(mut download: Download) -> Body {
    let (given, body) = body(download.size());
    tokio::spawn(async move {
        loop {
            let next = match download.next().await {
                Ok(None) => return,
                Ok(Some(piece)) => Ok(piece),
                Err(failure) => {
                    tracing::warn!(why = %failure, "a blob that goes past the cache was cut");
                    Err(io::Error::other(failure.to_string()))
                }
            };
            let is_last = next.is_err();
            // the client may be gone
            if given.send(next).await.is_err() || is_last {
                return;
            }
        }
    });
    body
}

fn body(length: u64) -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (given, pieces) = mpsc::channel(AHEAD);
    let body = Pieces {
        pieces,
        left: length,
    };
    (given, BoxBody::new(body))
}

struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let Poll::Ready(piece) = self.pieces.poll_recv(context) else {
            return Poll::Pending;
        };
        let cut = || Err(io::Error::other("the blob did not come to its end"));
        let piece = piece.unwrap_or_else(cut);
        Poll::Ready(Some(piece.map(|piece| {
            self.left = self.left.saturating_sub(piece.len() as u64);
            Frame::data(piece)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
