//! Bodies of requests, which come at the client's pace.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::error::ApiError;

/// Bytes of a request that are written to the store at a time.
const WRITTEN: usize = 1 << 20;
/// How long a client may send nothing.
const SILENCE: Duration = Duration::from_mins(1);

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
pub struct Pieces {
    body: Incoming,
    ended: bool,
}

impl Pieces {
    /// From its start.
    pub fn new(body: Incoming) -> Self {
        Self { body, ended: false }
    }

    /// The next piece; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let mut piece = BytesMut::new();
        while !self.ended && piece.len() < WRITTEN {
            let frame = tokio::time::timeout(SILENCE, self.body.frame());
            let frame = frame.await.map_err(|_| {
                ApiError::too_slow(format!("nothing came for {} s", SILENCE.as_secs()))
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
        }
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }
}
