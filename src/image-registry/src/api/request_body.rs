//! Bodies of requests, which come at the client's pace.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::http::ApiError;

/// Bytes of a request that are written to the store at a time.
const WRITTEN: usize = 128 << 10;
/// Bytes that come at a time at most.
const FRAME: usize = 64 << 10;
/// A client has to send so much …
const LEAST: usize = 64 << 10;
/// … or all that is left within this time, or it is given up.
const WITHIN: Duration = Duration::from_mins(1);

/// The whole body of a request, if it is no longer than this.
pub async fn read_short(body: Incoming, longest: usize) -> Result<Bytes, ApiError> {
    let mut pieces = Pieces::new(body);
    let mut bytes = BytesMut::new();
    while let Some(piece) = pieces.next().await? {
        if bytes.len() + piece.len() > longest {
            return Err(ApiError::manifest_too_long(format!(
                "a manifest may have {longest} bytes, and this one has more"
            )));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// The body of a request in pieces that are worth writing.
pub struct Pieces<B = Incoming> {
    body: B,
    ended: bool,
}

impl<B: Body<Data = Bytes, Error: fmt::Display> + Unpin> Pieces<B> {
    /// From its start.
    pub fn new(body: B) -> Self {
        Self { body, ended: false }
    }

    /// The next piece; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let left = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut piece = BytesMut::with_capacity(left.min(WRITTEN + FRAME));
        let (mut deadline, mut wanted) = (Instant::now() + WITHIN, LEAST);
        while !self.ended && piece.len() < WRITTEN {
            let frame = timeout_at(deadline, self.body.frame());
            let frame = frame.await.map_err(|_| {
                let within = WITHIN.as_secs();
                ApiError::too_slow(format!("less than {LEAST} bytes came within {within} s"))
            })?;
            match frame {
                None => self.ended = true,
                Some(Err(error)) => {
                    return Err(ApiError::broken_request(format!(
                        "the request broke off: {error}"
                    )));
                }
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        piece.extend_from_slice(bytes);
                    }
                }
            }
            if piece.len() >= wanted {
                (deadline, wanted) = (Instant::now() + WITHIN, piece.len() + LEAST);
            }
        }
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::time::{Interval, interval};

    /// So many bytes at a time, one time after the other.
    struct Slow {
        bytes: usize,
        left: usize,
        pace: Interval,
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            if self.pace.poll_tick(context).is_pending() {
                return Poll::Pending;
            }
            self.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(vec![7; self.bytes].into()))))
        }
    }

    async fn came(bytes: usize, every: u64, left: usize) -> (usize, Option<ApiError>) {
        let pace = interval(Duration::from_secs(every));
        let mut pieces = Pieces::new(Slow { bytes, left, pace });
        let mut came = 0;
        loop {
            match pieces.next().await {
                Ok(Some(piece)) => came += piece.len(),
                Ok(None) => return (came, None),
                Err(error) => return (came, Some(error)),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_trickles_is_given_up_and_a_slow_line_is_not() {
        let (bytes, error) = came(40 << 10, 25, 100).await;
        assert_eq!((bytes, error.is_none()), (4000 << 10, true));
        let (bytes, error) = came(100, 50, 1).await;
        assert_eq!((bytes, error.is_none()), (100, true), "all that there was");
        for (bytes, every) in [(1, 1), (10 << 10, 20), (1 << 20, 90)] {
            let began = Instant::now();
            let (_, error) = came(bytes, every, 100).await;
            assert_eq!(error.unwrap().status(), 408, "{bytes} bytes");
            assert!(began.elapsed() < 2 * WITHIN, "{:?}", began.elapsed());
        }
    }
}
