//! An HTTP server that does whatever a test wants it to, also what no server should.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte that is wanted.
    pub fn from(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// How a body comes.
#[derive(Clone, Debug)]
pub enum Body {
    /// As it should.
    Whole(Vec<u8>),
    /// Announced as a whole, but only this many bytes come.
    Cut(Vec<u8>, usize),
    /// This many bytes at a time, with a pause after each.
    Trickle(Vec<u8>, usize, Duration),
    /// Chunk after chunk, without an end.
    Endless,
    /// Announced, but nothing comes for as long as the client waits.
    Silence,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Whole(Vec::new()),
        }
    }

    pub fn ok(body: &[u8]) -> Self {
        Self::new(200).body(Body::Whole(body.to_vec()))
    }

    /// What a good registry answers to the request for a blob.
    pub fn blob(asked: &Asked, blob: &[u8]) -> Self {
        match asked.from() {
            Some(from) if from < blob.len() => Self::part(blob, from),
            Some(_) => Self::new(416),
            None => Self::ok(blob),
        }
    }

    pub fn part(blob: &[u8], from: usize) -> Self {
        let range = format!("bytes {from}-{}/{}", blob.len() - 1, blob.len());
        Self::new(206)
            .header("Content-Range", &range)
            .body(Body::Whole(blob[from..].to_vec()))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The same answer, whose body breaks off after this many bytes.
    pub fn cut(mut self, after: usize) -> Self {
        if let Body::Whole(bytes) = self.body {
            self.body = Body::Cut(bytes, after);
        }
        self
    }
}

/// A running server; it ends when dropped.
pub struct Server {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    sent: AtomicU64,
    ended: AtomicBool,
}

impl Server {
    /// Answers with what `reply` says, on a thread a connection.
    pub fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            sent: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let reply = Arc::new(reply);
        let inside = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if inside.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (reply, inside) = (Arc::clone(&reply), Arc::clone(&inside));
                thread::spawn(move || serve(stream, reply.as_ref(), &inside));
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests, but for those that only find out whether the server speaks TLS.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.shared.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| asked.path != "/v2/")
            .cloned()
            .collect()
    }

    /// Bytes of bodies that were sent.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

fn serve(mut stream: TcpStream, reply: &dyn Fn(&Asked) -> Reply, shared: &Shared) -> Option<()> {
    let asked = read(&mut stream)?;
    if asked.path == "/v2/" {
        shared.asked.lock().unwrap().push(asked);
        return write(&mut stream, Reply::ok(b"{}"), false, &AtomicU64::new(0));
    }
    // Before the answer, so that a test that has its answer finds the request here.
    shared.asked.lock().unwrap().push(asked.clone());
    let is_head = asked.method == "HEAD";
    let written = write(&mut stream, reply(&asked), is_head, &shared.sent);
    let _ = stream.shutdown(Shutdown::Write);
    // A socket that is closed over unread input resets the connection, and the answer is lost.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let _ = stream.read(&mut [0; 64]);
    written
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        // The beginning of TLS.
        if head[0] == 0x16 {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

fn write(stream: &mut TcpStream, reply: Reply, is_head: bool, count: &AtomicU64) -> Option<()> {
    let mut head = format!(
        "HTTP/1.1 {} Whatever\r\nConnection: close\r\n",
        reply.status
    );
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let announced = match &reply.body {
        Body::Whole(bytes) | Body::Cut(bytes, _) | Body::Trickle(bytes, _, _) => {
            format!("Content-Length: {}", bytes.len())
        }
        Body::Endless => "Transfer-Encoding: chunked".to_owned(),
        Body::Silence => "Content-Length: 1000".to_owned(),
    };
    if !reply
        .headers
        .iter()
        .any(|(name, _)| name == "Content-Length")
    {
        let _ = write!(head, "{announced}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if is_head {
        return Some(());
    }
    let mut send = |bytes: &[u8]| {
        // Before they go, so that a test that has them finds them counted.
        for piece in bytes.chunks(64 << 10) {
            count.fetch_add(piece.len() as u64, Ordering::SeqCst);
            stream.write_all(piece).ok()?;
        }
        Some(())
    };
    match reply.body {
        Body::Whole(bytes) => send(&bytes),
        Body::Cut(bytes, after) => send(&bytes[..after.min(bytes.len())]),
        Body::Trickle(bytes, step, pause) => {
            for piece in bytes.chunks(step) {
                send(piece)?;
                thread::sleep(pause);
            }
            Some(())
        }
        Body::Endless => loop {
            send(format!("10000\r\n{}\r\n", "x".repeat(0x10000)).as_bytes())?;
        },
        Body::Silence => {
            thread::sleep(Duration::from_secs(30));
            Some(())
        }
    }
}
