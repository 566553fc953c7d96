//! A request's body.
//!
//! A stream is read on a thread of its own, so that a reader that blocks cannot hold up timeouts or an early reply, and
//! so that reading and sending overlap. At most [`AHEAD`] parts of [`PART`] bytes wait between the two.

use std::{
    convert::Infallible,
    io::{self, Read},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

const PART: usize = 256 * 1024;
const AHEAD: usize = 4;

/// What sender and caller both look at: when the last part was taken, and whether reading failed.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<State>>);

struct State {
    last: Instant,
    failure: Option<io::Error>,
}

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            last: Instant::now(),
            failure: None,
        })))
    }

    /// When the last part was handed to the socket.
    pub(crate) fn last(&self) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// Why the reader failed, if it did; told once.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failure
            .take()
    }

    fn touch(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last = Instant::now();
    }

    fn fail(&self, failure: io::Error) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failure = Some(failure);
    }
}

/// The body of a request.
pub(crate) struct Upload {
    progress: Progress,
    source: Source,
}

enum Source {
    Whole(Option<Bytes>),
    Parts(mpsc::Receiver<io::Result<Bytes>>),
}

/// The reader failed; the reason is in [`Progress`].
#[derive(Debug, thiserror::Error)]
#[error("the source of the body failed")]
pub(crate) struct SourceFailed;

impl From<Infallible> for SourceFailed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Upload {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> (Self, Progress) {
        let bytes = bytes.into();
        let progress = Progress::new();
        (
            Self {
                progress: progress.clone(),
                source: Source::Whole((!bytes.is_empty()).then_some(bytes)),
            },
            progress,
        )
    }

    pub(crate) fn stream(reader: Box<dyn Read + Send>) -> io::Result<(Self, Progress)> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        std::thread::Builder::new()
            .name("upload".into())
            .spawn(move || read_ahead(reader, &sender))?;
        let progress = Progress::new();
        Ok((
            Self {
                progress: progress.clone(),
                source: Source::Parts(receiver),
            },
            progress,
        ))
    }
}

fn read_ahead(mut reader: Box<dyn Read + Send>, sender: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut part = vec![0; PART];
        let read = match reader.read(&mut part) {
            Ok(0) => return,
            Ok(read) => {
                part.truncate(read);
                Ok(Bytes::from(part))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let ended = read.is_err();
        // The receiver is gone when the call is over: nobody wants the rest.
        if sender.blocking_send(read).is_err() || ended {
            return;
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = SourceFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceFailed>>> {
        let this = &mut *self;
        let next = match &mut this.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Source::Parts(receiver) => receiver.poll_recv(cx),
        };
        next.map(|part| {
            part.map(|part| {
                this.progress.touch();
                part.map(Frame::data).map_err(|failure| {
                    this.progress.fail(failure);
                    SourceFailed
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Source::Parts(_) => SizeHint::default(),
        }
    }
}
