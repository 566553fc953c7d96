//! One request that changes a registry, with its authorization, and its answer. It goes nowhere else: what it holds is not
//! sent on to wherever a redirect leads.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::time::Duration;

use ureq::SendBody;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use ureq::http::{self, Method, Uri};

use super::Content;
use crate::answer::Answer;
use crate::cancel::Cancel;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::location::{is_same_origin, shown};
use crate::registry_session::RegistrySession;
use crate::request::Request;
use crate::retry::Failure;
use crate::transport::Transport;

/// Anyone who takes fewer bytes a second than this has stalled.
const SLOWEST: u64 = 64 << 10;
/// Anyone who reads what it was sent again, to compute its digest, reads at least this many bytes a second.
const SLOWEST_DISK: u64 = 16 << 20;

/// What to change.
pub(crate) struct Change<'a> {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) content_type: Option<&'a str>,
    /// The first and the last byte of the body within the blob.
    pub(crate) range: Option<(u64, u64)>,
    pub(crate) body: Body<'a>,
}

/// What to send.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Piece(Piece<'a>),
    /// The end of an upload of this many bytes.
    Last(u64),
}

/// A part of a blob.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) from: u64,
    pub(crate) length: u64,
    /// Told how many bytes of the blob are sent.
    pub(crate) progress: &'a dyn Fn(u64),
}

impl RegistrySession {
    /// The URL of something of a repository.
    pub(crate) fn url(&self, endpoint: &Endpoint, path: &str, rest: &str) -> Result<Uri, Failure> {
        endpoint.url(&self.transport, &endpoint.repository(path), rest)
    }

    /// Sends it once; if the server wants to know who asks, twice.
    pub(crate) fn change(
        &self,
        endpoint: &Endpoint,
        path: &str,
        change: &Change<'_>,
    ) -> Result<Answer, Failure> {
        let repository = endpoint.repository(path);
        let authorization = self
            .auth
            .authorization(&self.transport, endpoint, &repository)?;
        let mut request = Request {
            method: change.method.clone(),
            // Whose credentials these are; an upload may have its place on another server, which does not get them.
            url: self.url(endpoint, path, "")?,
            accept: "*/*",
            hidden: self.auth.secrets(endpoint, authorization.as_ref()),
            authorization,
            from: None,
            form: None,
        };
        let answer = self.transport.change(&request, change)?;
        if answer.status != 401 || !answer.is_first_hand {
            return Ok(answer);
        }
        let used = request.authorization.take();
        let (transport, used) = (&self.transport, used.as_ref());
        let authorization =
            (self.auth).after_refusal(transport, endpoint, &repository, used, &answer)?;
        if authorization.is_none() {
            return Ok(answer);
        }
        answer.drain();
        request.authorization = authorization;
        request.hidden = self.auth.secrets(endpoint, request.authorization.as_ref());
        self.transport.change(&request, change)
    }
}

impl Transport {
    fn change(&self, request: &Request<'_>, change: &Change<'_>) -> Result<Answer, Failure> {
        self.cancel.check()?;
        let url = &change.url;
        let mut builder = http::Request::builder()
            .method(change.method.clone())
            .uri(url.clone());
        if let Some(authorization) = &request.authorization
            && is_same_origin(&request.url, url)
        {
            builder = builder.header(AUTHORIZATION, authorization.reveal());
        }
        if let Some(content_type) = change.content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        if let Some((first, last)) = change.range {
            builder = builder.header(CONTENT_RANGE, format!("{first}-{last}"));
        }
        let agent = self.agent(url);
        let timeouts = &self.settings.timeouts;
        let failed = |error| Self::failure(&change.method, url, error);
        let bad = |error: http::Error| failed(error.into());
        let response = match &change.body {
            Body::Nothing if change.method == Method::DELETE || change.method == Method::GET => {
                agent.run(builder.body(()).map_err(bad)?)
            }
            Body::Nothing => agent.run(builder.body(&[][..]).map_err(bad)?),
            Body::Bytes(bytes) => agent.run(builder.body(*bytes).map_err(bad)?),
            Body::Last(size) => {
                let request = builder.body(&[][..]).map_err(bad)?;
                let time = timeouts.response + Duration::from_secs(size / SLOWEST_DISK);
                let configured = agent.configure_request(request);
                agent.run(configured.timeout_recv_response(Some(time)).build())
            }
            Body::Piece(piece) => {
                let mut reader = piece.open(&self.cancel)?;
                let request = builder
                    .header(CONTENT_LENGTH, piece.length)
                    .body(SendBody::from_reader(&mut reader))
                    .map_err(bad)?;
                let sending = timeouts.response + Duration::from_secs(piece.length / SLOWEST);
                let hashing = timeouts.response + Duration::from_secs(piece.length / SLOWEST_DISK);
                let configured = (agent.configure_request(request))
                    .timeout_send_body(Some(sending))
                    .timeout_recv_response(Some(hashing));
                agent.run(configured.build())
            }
        };
        // Its own test: after a cancel, an agent fails in any of several ways.
        self.cancel.check()?;
        let answer = Answer::new(request, url, response.map_err(failed)?);
        if answer.is_redirect() {
            return Err(Error::Redirect {
                url: shown(url),
                why: "a push is not sent on to another place".into(),
            }
            .into());
        }
        Ok(answer)
    }
}

impl<'a> Piece<'a> {
    fn open(&self, cancel: &'a Cancel) -> Result<PieceReader<'a>, Error> {
        let source: Box<dyn Read + 'a> = match self.content {
            Content::Bytes(bytes) => {
                let from = usize::try_from(self.from)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                Box::new(&bytes[from..])
            }
            Content::File(path) => {
                let failed = |source| Error::File {
                    doing: "reading",
                    path: path.to_owned(),
                    source,
                };
                let mut file = File::open(path).map_err(failed)?;
                file.seek(SeekFrom::Start(self.from)).map_err(failed)?;
                Box::new(file)
            }
        };
        Ok(PieceReader {
            source: source.take(self.length),
            cancel,
            sent: self.from,
            progress: self.progress,
        })
    }
}

/// Reads a piece, and tells how far it is.
struct PieceReader<'a> {
    source: io::Take<Box<dyn Read + 'a>>,
    cancel: &'a Cancel,
    sent: u64,
    progress: &'a dyn Fn(u64),
}

impl Read for PieceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        let count = self.source.read(buffer)?;
        if count == 0 && self.source.limit() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than the blob that it should hold",
            ));
        }
        self.sent += count as u64;
        (self.progress)(self.sent);
        Ok(count)
    }
}
