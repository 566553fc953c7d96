//! Content of an answer that is counted as it leaves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::Started;
use super::labels::OfKind;
use crate::http::Body;

/// Content, and the request that it answers: what has left of it, and how long it took, is noted when it ends or breaks off.
pub(super) struct Measured {
    body: Body,
    request: Started,
    bytes: u64,
}

impl Measured {
    pub(super) fn new(body: Body, request: Started) -> Self {
        Self {
            body,
            request,
            bytes: 0,
        }
    }
}

impl HttpBody for Measured {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let data = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.data_ref());
        self.bytes += data.map_or(0, |data| data.len() as u64);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let metrics = &self.request.metrics.0;
        let labels = OfKind {
            kind: self.request.kind,
        };
        metrics
            .answered_bytes
            .get_or_create(&labels)
            .inc_by(self.bytes);
        let elapsed = self.request.began.elapsed().as_secs_f64();
        metrics.durations.get_or_create(&labels).observe(elapsed);
    }
}
