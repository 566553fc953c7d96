//! One call over one connection, blocking.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Uri,
    body::{Bytes, Incoming},
    header,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::runtime::Runtime;

use crate::{
    connector::Connector,
    error::{Error, Result},
    request::{Payload, Request, Target},
    upload::{Progress, Upload},
    wait::Wait,
};

/// Bound of a reply that is read whole.
pub(crate) const WHOLE_REPLY: usize = 64 << 20;
/// Bound of an error's text.
const ERROR_TEXT: usize = 64 << 10;

/// Makes calls on one socket.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    socket: PathBuf,
}

impl Transport {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What errors of this call name.
    pub(crate) fn target(&self, request: &Request) -> Target {
        Target {
            method: request.method.clone(),
            path: request.path.clone(),
            socket: self.socket.clone(),
        }
    }

    /// Makes the call, the path preceded by `prefix`, and returns when the reply has begun. An error status is
    /// [`Error::Status`].
    pub(crate) fn call(&self, request: Request, prefix: &str) -> Result<Reply> {
        let target = self.target(&request);
        let timeouts = request.timeouts;
        let deadline = timeouts.whole.map(|whole| (Instant::now() + whole, whole));
        let cannot = |source| Error::Call {
            target: target.clone(),
            source,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot)?;
        let uri: Uri = hyperlocal::Uri::new(&self.socket, &request.path_and_query(prefix)).into();
        let builder = hyper::Request::builder().method(request.method).uri(uri);
        let (builder, (upload, progress)) = match request.payload {
            Payload::Empty => (builder, Upload::whole(Bytes::new())),
            Payload::Json(json) => (
                builder.header(header::CONTENT_TYPE, "application/json"),
                Upload::whole(json.to_string()),
            ),
            Payload::Stream {
                content_type,
                reader,
            } => (
                builder.header(header::CONTENT_TYPE, content_type),
                Upload::stream(reader).map_err(cannot)?,
            ),
        };
        let http = builder
            .body(upload)
            .map_err(|error| cannot(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build::<_, Upload>(Connector {
                within: timeouts.connect,
            });
        let mut wait = Wait {
            idle: timeouts.idle,
            deadline,
            progress,
            what: "answer",
        };
        let outcome = runtime.block_on(wait.bound(client.request(http), None));
        let response = match outcome {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(request_failed(target, error, &wait.progress)),
            Err(after) => {
                return Err(Error::Timeout {
                    target,
                    what: wait.what,
                    after,
                });
            }
        };
        wait.what = "further part of the answer";
        let (head, incoming) = response.into_parts();
        let mut reply = Reply {
            headers: head.headers,
            body: ReplyBody {
                runtime,
                incoming,
                target,
                wait,
            },
        };
        let status = head.status.as_u16();
        if status < 400 {
            return Ok(reply);
        }
        let text = reply.body.read_at_most(ERROR_TEXT);
        Err(Error::Status {
            target: reply.body.target,
            status,
            message: error_message(&text),
        })
    }
}

/// The engine's message in an error's body, which is `{"message": …}`.
pub(crate) fn error_message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    match serde_json::from_slice::<Message>(body) {
        Ok(Message { message }) => message.trim().to_owned(),
        Err(_) => String::from_utf8_lossy(body)
            .trim()
            .chars()
            .take(1000)
            .collect(),
    }
}

fn request_failed(
    target: Target,
    error: hyper_util::client::legacy::Error,
    progress: &Progress,
) -> Error {
    if let Some(source) = progress.take_failure() {
        return Error::Upload { target, source };
    }
    if !error.is_connect() {
        return Error::Cut {
            target,
            source: error.into(),
        };
    }
    match io_cause(&error) {
        None => Error::Connect {
            target,
            source: io::Error::other(error),
        },
        Some(io) => match io.kind() {
            io::ErrorKind::NotFound => Error::NoSocket { target },
            io::ErrorKind::ConnectionRefused => Error::Refused { target },
            kind => Error::Connect {
                target,
                source: io.raw_os_error().map_or_else(
                    || io::Error::new(kind, io.to_string()),
                    io::Error::from_raw_os_error,
                ),
            },
        },
    }
}

fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// The reply's head, and its body to be read.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
}

impl Reply {
    /// A header's value, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole body as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(mut self) -> Result<T> {
        let bytes = self.body.read_whole(WHOLE_REPLY)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Garbage {
            target: self.body.target,
            source,
        })
    }
}

/// A reply's body; reading drives the connection. Dropping it ends the call.
pub(crate) struct ReplyBody {
    runtime: Runtime,
    incoming: Incoming,
    target: Target,
    wait: Wait,
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the reply to {}", self.target)
    }
}

/// What a limited wait for the next part brought.
pub(crate) enum Part {
    Bytes(Bytes),
    End,
    /// The reader's own bound passed; the stream goes on.
    NotYet,
}

impl ReplyBody {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// From here on silence is no error: the reader bounds its waits itself.
    pub(crate) fn allow_silence(&mut self) {
        self.wait.idle = None;
    }

    /// The next part, or nothing at the end.
    pub(crate) fn next_part(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.next_part_within(None)? {
                Part::Bytes(bytes) => return Ok(Some(bytes)),
                Part::End => return Ok(None),
                Part::NotYet => {}
            }
        }
    }

    /// The next part, if it comes within `patience`.
    pub(crate) fn next_part_within(&mut self, patience: Option<Duration>) -> Result<Part> {
        let until = patience.map(|patience| Instant::now() + patience);
        loop {
            let next = self
                .runtime
                .block_on(self.wait.bound(self.incoming.frame(), until));
            match next {
                Ok(None) => return Ok(Part::End),
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        return Ok(Part::Bytes(bytes));
                    }
                }
                Ok(Some(Err(error))) => {
                    let target = self.target.clone();
                    return Err(match self.wait.progress.take_failure() {
                        Some(source) => Error::Upload { target, source },
                        None => Error::Cut {
                            target,
                            source: error.into(),
                        },
                    });
                }
                Err(Duration::ZERO) => return Ok(Part::NotYet),
                Err(after) => {
                    return Err(Error::Timeout {
                        target: self.target.clone(),
                        what: self.wait.what,
                        after,
                    });
                }
            }
        }
    }

    /// The whole body; more than `limit` bytes are an error, and are not kept.
    pub(crate) fn read_whole(&mut self, limit: usize) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(part) = self.next_part()? {
            if whole.len() + part.len() > limit {
                return Err(Error::TooLarge {
                    target: self.target.clone(),
                    limit,
                });
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    }

    /// What there is of the body, up to `limit` bytes; trouble on the way ends it early.
    fn read_at_most(&mut self, limit: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < limit
            && let Ok(Some(part)) = self.next_part()
        {
            text.extend_from_slice(&part[..part.len().min(limit - text.len())]);
        }
        text
    }
}
