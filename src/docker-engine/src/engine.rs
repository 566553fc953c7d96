//! The engine behind a socket.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    ApiVersion, Timeouts,
    error::{Error, Result},
    request::Request,
    transport::{Reply, Transport},
};

/// Longest pause between two tries of [`Engine::wait_ready`].
const READY_PAUSE: Duration = Duration::from_millis(250);

/// An engine, known by its socket. Clones share the negotiated API version.
#[derive(Clone, Debug)]
pub struct Engine {
    transport: Transport,
    version: Arc<Mutex<Option<ApiVersion>>>,
}

impl Engine {
    /// The engine that listens on `socket`; nothing is called yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            transport: Transport::new(socket.into()),
            version: Arc::default(),
        }
    }

    /// The engine's socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.transport.socket()
    }

    /// Whether the engine answers within `timeout`. Returns the API version that will be spoken with it.
    ///
    /// Fails too if the engine is older than 20.10.
    pub fn ping(&self, timeout: Duration) -> Result<ApiVersion> {
        let request = Request::get("/_ping").timeouts(Timeouts::within(timeout));
        let target = self.transport.target(&request);
        let mut reply = self.transport.call(request, "")?;
        let found = reply.header("Api-Version").unwrap_or_default().to_owned();
        // The body is `OK`; an engine that dies in the middle of it is not up.
        reply.body.read_whole(1 << 10)?;
        let version = found.parse().ok().and_then(ApiVersion::negotiate);
        let version = version.ok_or(Error::EngineTooOld { target, found })?;
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        Ok(version)
    }

    /// Waits until the engine answers, at most until `deadline`; the error is that of the last try. An error that time
    /// does not heal (an engine too old, a socket that may not be opened) is returned at once.
    pub fn wait_ready(&self, deadline: Instant) -> Result<ApiVersion> {
        let mut pause = Duration::from_millis(10);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let tried = self.ping(left.clamp(Duration::from_millis(100), Duration::from_secs(10)));
            match tried {
                Err(error) if error.is_engine_trouble() || error.status().is_some() => {
                    if Instant::now() + pause >= deadline {
                        return Err(error);
                    }
                }
                settled => return settled,
            }
            thread::sleep(pause);
            pause = (pause * 2).min(READY_PAUSE);
        }
    }

    /// The API version that is spoken, negotiated at the first call and again after the engine went away.
    pub fn api_version(&self) -> Result<ApiVersion> {
        let known = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
        known.map_or_else(|| self.ping(Duration::from_secs(10)), Ok)
    }

    /// Makes a call under the negotiated version.
    pub(crate) fn call(&self, request: Request) -> Result<Reply> {
        let prefix = format!("/v{}", self.api_version()?);
        let outcome = self.transport.call(request, &prefix);
        if matches!(&outcome, Err(error) if error.is_engine_trouble()) {
            // Another engine may come back on this socket.
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        outcome
    }

    /// Makes a call whose reply is a JSON document.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, request: Request) -> Result<T> {
        self.call(request)?.json()
    }

    /// Makes a call whose reply says nothing beyond its status.
    pub(crate) fn done(&self, request: Request) -> Result<()> {
        self.call(request)?.body.read_whole(1 << 20).map(drop)
    }
}
