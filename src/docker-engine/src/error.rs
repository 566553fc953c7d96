//! What can go wrong between a call and its reply.

use std::{io, path::PathBuf, time::Duration};

use crate::{ApiVersion, request::Target};

/// The outcome of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. Its text names method, path and socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no socket: dockerd has not been started, or has ended in order.
    #[error("{target}: there is no socket")]
    NoSocket {
        /// The call.
        target: Target,
    },
    /// There is a socket that nobody listens on: dockerd died.
    #[error("{target}: nobody listens on the socket")]
    Refused {
        /// The call.
        target: Target,
    },
    /// The socket could not be connected to for another reason.
    #[error("{target}: cannot connect")]
    Connect {
        /// The call.
        target: Target,
        /// Why.
        source: io::Error,
    },
    /// No answer, or no further part of one, in time.
    #[error("{target}: no {what} within {} s", after.as_secs_f32())]
    Timeout {
        /// The call.
        target: Target,
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The engine answered with an error status (400 and above).
    #[error("{target}: status {status}: {message}")]
    Status {
        /// The call.
        target: Target,
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The connection ended before the reply did.
    #[error("{target}: the connection was cut")]
    Cut {
        /// The call.
        target: Target,
        /// What the HTTP layer says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The reply is not what the API describes.
    #[error("{target}: the reply cannot be understood")]
    Garbage {
        /// The call.
        target: Target,
        /// Where it breaks off.
        source: serde_json::Error,
    },
    /// The reply is larger than any that this call has.
    #[error("{target}: the reply is larger than {limit} bytes")]
    TooLarge {
        /// The call.
        target: Target,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The reply came with status 200 and then told of a failure inside its stream (moby#34416).
    #[error("{target}: {message}")]
    InStream {
        /// The call.
        target: Target,
        /// The engine's own words.
        message: String,
    },
    /// What was to be sent could not be read.
    #[error("{target}: cannot read what is to be sent")]
    Upload {
        /// The call.
        target: Target,
        /// Why.
        source: io::Error,
    },
    /// The engine speaks no version of the API that is known here.
    #[error(
        "{target}: the engine's API version is {found:?}, at least {} is needed",
        ApiVersion::OLDEST
    )]
    EngineTooOld {
        /// The call.
        target: Target,
        /// What the engine said.
        found: String,
    },
    /// The call itself could not be put together or its runtime not made.
    #[error("{target}: cannot make the call")]
    Call {
        /// The call.
        target: Target,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Whether dockerd is not there at all: no socket, or nobody behind it.
    #[must_use]
    pub fn is_engine_down(&self) -> bool {
        matches!(self, Self::NoSocket { .. } | Self::Refused { .. })
    }

    /// Whether the engine went away or did not answer; the call may succeed later. Such an error says nothing of the
    /// thing that was asked for.
    #[must_use]
    pub fn is_engine_trouble(&self) -> bool {
        self.is_engine_down()
            || matches!(
                self,
                Self::Connect { .. } | Self::Timeout { .. } | Self::Cut { .. }
            )
            || matches!(
                self,
                Self::Status {
                    status: 502..=504,
                    ..
                }
            )
    }

    /// Whether the engine says that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// The HTTP status, if the engine answered with an error status.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What the person who reads the error can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSocket { .. } | Self::Refused { .. } => {
                Some("dockerd is not running: see `monit summary` and dockerd.log")
            }
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("the socket belongs to root: become root")
            }
            Self::Timeout { .. } => {
                Some("dockerd hangs or the machine is overloaded: see dockerd.log")
            }
            Self::EngineTooOld { .. } => Some("bring the engine to 20.10 or later"),
            _ => None,
        }
    }

    /// The socket that was called.
    #[must_use]
    pub fn socket(&self) -> &PathBuf {
        &self.target().socket
    }

    /// The call that failed.
    #[must_use]
    pub fn target(&self) -> &Target {
        match self {
            Self::NoSocket { target }
            | Self::Refused { target }
            | Self::Connect { target, .. }
            | Self::Timeout { target, .. }
            | Self::Status { target, .. }
            | Self::Cut { target, .. }
            | Self::Garbage { target, .. }
            | Self::TooLarge { target, .. }
            | Self::InStream { target, .. }
            | Self::Upload { target, .. }
            | Self::EngineTooOld { target, .. }
            | Self::Call { target, .. } => target,
        }
    }
}
