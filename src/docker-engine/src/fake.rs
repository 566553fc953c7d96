//! A fake engine on a temporary socket, for tests: every fault that a real one is hard to talk into.
//!
//! [`FakeEngine::start`] answers `/_ping` itself, as an engine of API 1.45, and everything else as its handler says;
//! [`FakeEngine::start_with_ping`] leaves `/_ping` to the handler too.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct FakeRequest {
    /// `GET`, ….
    pub method: String,
    /// The path without version and query, such as `/containers/json`.
    pub path: String,
    /// The version in the path, such as `1.45`; empty if there is none.
    pub version: String,
    /// The query, as sent.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
}

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    /// These bytes.
    Send(Vec<u8>),
    /// Nothing for a while.
    Pause(Duration),
    /// The same bytes again and again, until the other side goes away or this many are sent.
    Repeat(Vec<u8>, usize),
    /// Nothing more, but the connection stays open until the other side goes away.
    Hang,
}

/// How to answer.
#[derive(Clone, Debug)]
pub struct FakeReply {
    steps: Vec<Step>,
    early: bool,
}

impl FakeReply {
    /// Status and a body of known length.
    #[must_use]
    pub fn new(status: u16, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nApi-Version: 1.45\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Self {
            steps: vec![
                Step::Send(head.into_bytes()),
                Step::Send(body.as_bytes().to_vec()),
            ],
            early: false,
        }
    }

    /// Status 200 and a JSON document.
    #[must_use]
    pub fn json(body: &str) -> Self {
        Self::new(200, body)
    }

    /// An error status with the engine's form of message.
    #[must_use]
    pub fn error(status: u16, message: &str) -> Self {
        Self::new(
            status,
            &serde_json::json!({ "message": message }).to_string(),
        )
    }

    /// Status 200 and chunks, one a piece; the stream ends in order.
    #[must_use]
    pub fn stream(pieces: &[&str]) -> Self {
        let mut reply = Self::cut_stream(pieces);
        reply.steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
        reply
    }

    /// Status 200 and chunks; then the connection is cut.
    #[must_use]
    pub fn cut_stream(pieces: &[&str]) -> Self {
        let head = "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\nApi-Version: 1.45\r\n\r\n";
        let chunks = pieces
            .iter()
            .map(|piece| Step::Send(chunk(piece.as_bytes())));
        Self {
            steps: std::iter::once(Step::Send(head.into()))
                .chain(chunks)
                .collect(),
            early: false,
        }
    }

    /// Status 200 and chunks; then silence on an open connection.
    #[must_use]
    pub fn hanging_stream(pieces: &[&str]) -> Self {
        let mut reply = Self::cut_stream(pieces);
        reply.steps.push(Step::Hang);
        reply
    }

    /// Status 200 and about `bytes` bytes of `filler` in chunks.
    #[must_use]
    pub fn huge(filler: &str, bytes: usize) -> Self {
        let mut reply = Self::cut_stream(&[]);
        reply.steps.push(Step::Repeat(
            chunk(filler.repeat(65536 / filler.len().max(1)).as_bytes()),
            bytes,
        ));
        reply.steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
        reply
    }

    /// These bytes and no more.
    #[must_use]
    pub fn raw(bytes: &[u8]) -> Self {
        Self {
            steps: vec![Step::Send(bytes.to_vec())],
            early: false,
        }
    }

    /// The same, but sent before the request's body is read, which is then left unread.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// The same, after a pause.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.steps.insert(0, Step::Pause(pause));
        self
    }

    /// One more step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// A chunk of HTTP's chunked encoding.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// The fake engine; it listens until it is dropped.
#[derive(Debug)]
pub struct FakeEngine {
    socket: PathBuf,
    seen: Arc<Mutex<Vec<FakeRequest>>>,
}

impl FakeEngine {
    /// Listens on `socket` and answers each request but `/_ping` as `handler` says.
    ///
    /// # Panics
    /// If the socket cannot be made.
    #[must_use]
    pub fn start(
        socket: &Path,
        handler: impl Fn(&FakeRequest) -> FakeReply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_ping(socket, move |request| {
            if request.path == "/_ping" {
                FakeReply::new(200, "OK")
            } else {
                handler(request)
            }
        })
    }

    /// Listens on `socket` and answers each request as `handler` says. It is asked once, when the request is whole;
    /// for a request with a body it is asked before that too, in case the reply is an [`FakeReply::early`] one.
    ///
    /// # Panics
    /// If the socket cannot be made.
    #[must_use]
    #[expect(clippy::panic, reason = "it serves tests only")]
    pub fn start_with_ping(
        socket: &Path,
        handler: impl Fn(&FakeRequest) -> FakeReply + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(socket)
            .unwrap_or_else(|error| panic!("binding {}: {error}", socket.display()));
        let seen: Arc<Mutex<Vec<FakeRequest>>> = Arc::default();
        let handler = Arc::new(handler);
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
                thread::spawn(move || {
                    // What the other side cuts off is its own affair.
                    let _ = serve(&stream, &*handler, &log);
                });
            }
        });
        Self {
            socket: socket.to_owned(),
            seen,
        }
    }

    /// The requests so far, `/_ping` among them.
    #[must_use]
    pub fn seen(&self) -> Vec<FakeRequest> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        // The listening thread keeps its descriptor; without the file nobody finds it.
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn serve(
    stream: &UnixStream,
    handler: &dyn Fn(&FakeRequest) -> FakeReply,
    log: &Mutex<Vec<FakeRequest>>,
) -> std::io::Result<()> {
    let mut input = BufReader::new(stream);
    let Some((mut request, framing)) = read_head(&mut input)? else {
        return Ok(());
    };
    let early = if matches!(framing, Framing::Length(0)) {
        None
    } else {
        Some(handler(&request))
    };
    let reply = match early {
        Some(reply) if reply.early => reply,
        _ => {
            request.body = read_body(&mut input, &framing)?;
            handler(&request)
        }
    };
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let mut output = stream;
    for step in reply.steps {
        match step {
            Step::Send(bytes) => output.write_all(&bytes)?,
            Step::Pause(pause) => thread::sleep(pause),
            Step::Repeat(bytes, total) => {
                for _ in 0..total.div_ceil(bytes.len().max(1)) {
                    output.write_all(&bytes)?;
                }
            }
            Step::Hang => {
                let _ = input.read(&mut [0])?;
            }
        }
    }
    Ok(())
}

enum Framing {
    Length(u64),
    Chunked,
}

fn read_head(input: &mut impl BufRead) -> std::io::Result<Option<(FakeRequest, Framing)>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default().to_owned(),
        words.next().unwrap_or_default().to_owned(),
    );
    let mut framing = Framing::Length(0);
    loop {
        let mut header = String::new();
        if input.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let header = header.to_ascii_lowercase();
        if let Some(length) = header.strip_prefix("content-length:") {
            framing = Framing::Length(length.trim().parse().unwrap_or(0));
        } else if header.starts_with("transfer-encoding:") && header.contains("chunked") {
            framing = Framing::Chunked;
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (version, path) = match path
        .strip_prefix("/v")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((version, rest)) if version.starts_with(|first: char| first.is_ascii_digit()) => {
            (version, format!("/{rest}"))
        }
        _ => ("", path.to_owned()),
    };
    let request = FakeRequest {
        method,
        path,
        version: version.to_owned(),
        query: query.to_owned(),
        body: Vec::new(),
    };
    Ok(Some((request, framing)))
}

fn read_body(input: &mut impl BufRead, framing: &Framing) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => {
            input.take(*length).read_to_end(&mut body)?;
        }
        Framing::Chunked => loop {
            let mut size = String::new();
            input.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
            input.take(size).read_to_end(&mut body)?;
            input.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        },
    }
    Ok(body)
}
