//! A registry that does what a test says, and remembers what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Registry, sha256};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// How often this path was asked for before.
    pub before: usize,
}

/// What comes of it.
pub enum Action {
    /// What it has, or the part that is asked for.
    Serve,
    /// All of it, whatever part is asked for.
    ServeWhole,
    /// The same, cut after so many bytes.
    Cut(usize),
    /// Half of it, and the rest when this is set.
    Hold(Arc<AtomicBool>),
    /// So many bytes at a time, with a pause after each.
    Slow(usize, Duration),
    /// Other bytes in its place.
    Other(Vec<u8>),
    /// A status with headers.
    Status(u16, Vec<(&'static str, String)>),
    /// The same with a document.
    Document(Value),
    /// Nothing, for so long.
    Silent(Duration),
}

type Script = Box<dyn Fn(&Asked) -> Action + Send>;

struct State {
    content: Mutex<HashMap<String, (String, Vec<u8>)>>,
    asked: Mutex<Vec<Asked>>,
    sent: AtomicU64,
    script: Mutex<Script>,
}

/// The registry.
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Upstream {
    /// With a script.
    pub fn start(script: impl Fn(&Asked) -> Action + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            content: Mutex::default(),
            asked: Mutex::default(),
            sent: AtomicU64::new(0),
            script: Mutex::new(Box::new(script)),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = shared.clone();
                // a client that leaves ends it
                std::thread::spawn(move || drop(answer(&state, stream.unwrap())));
            }
        });
        Self { address, state }
    }

    /// One that serves what it has.
    pub fn serving() -> Self {
        Self::start(|_| Action::Serve)
    }

    /// Does something else from now on.
    pub fn script(&self, script: impl Fn(&Asked) -> Action + Send + 'static) {
        *self.state.script.lock().unwrap() = Box::new(script);
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts something at a path.
    pub fn put(&self, path: &str, media_type: &str, content: &[u8]) {
        let content = (media_type.to_owned(), content.to_vec());
        self.state
            .content
            .lock()
            .unwrap()
            .insert(path.to_owned(), content);
    }

    /// Puts a blob there.
    pub fn blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.put(&path, "application/octet-stream", content);
        digest
    }

    /// Puts an image there, and gives the digests of its manifest and layers.
    pub fn image(&self, repository: &str, tag: &str, layers: &[Vec<u8>]) -> (String, Vec<String>) {
        let config = self.blob(repository, b"{}");
        let digests: Vec<String> = layers
            .iter()
            .map(|layer| self.blob(repository, layer))
            .collect();
        let sizes = layers.iter().zip(&digests);
        let entries: Vec<Value> = sizes
            .map(|(layer, digest)| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": layer.len()}))
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2}, "layers": entries, "annotations": {"tag": tag}});
        let bytes = manifest.to_string().into_bytes();
        let digest = sha256(&bytes);
        for reference in [tag, &digest] {
            self.put(
                &format!("/v2/{repository}/manifests/{reference}"),
                MANIFEST,
                &bytes,
            );
        }
        (digest, digests)
    }

    /// What it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// How often a path was asked for by `GET`.
    pub fn gets(&self, path: &str) -> usize {
        let asked = self.asked();
        let same = asked
            .iter()
            .filter(|asked| asked.method == "GET" && asked.path == path);
        same.count()
    }

    /// Bytes of content that it sent.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }
}

fn answer(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let mut asked = Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: BTreeMap::new(),
        before: 0,
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        asked.headers.insert(name.to_lowercase(), value.to_owned());
    }
    {
        let mut all = state.asked.lock().unwrap();
        asked.before = all
            .iter()
            .filter(|other| other.path == asked.path && other.method == asked.method)
            .count();
        all.push(asked.clone());
    }
    let action = (state.script.lock().unwrap())(&asked);
    let known = state.content.lock().unwrap().get(&asked.path).cloned();
    let (media_type, whole) = match &action {
        Action::Status(status, headers) => return head(&mut stream, *status, headers, 0),
        Action::Document(document) => {
            let text = document.to_string();
            head(&mut stream, 200, &[], text.len())?;
            return stream.write_all(text.as_bytes());
        }
        Action::Silent(time) => {
            std::thread::sleep(*time);
            return Ok(());
        }
        Action::Other(bytes) => (
            known.map_or(String::new(), |(media_type, _)| media_type),
            bytes.clone(),
        ),
        _ => match known {
            Some(known) => known,
            None => return head(&mut stream, 404, &[], 0),
        },
    };
    let from: usize = match asked.headers.get("range") {
        Some(range) if !matches!(action, Action::ServeWhole) => {
            let first = range.trim_start_matches("bytes=").trim_end_matches('-');
            first.parse().unwrap()
        }
        _ => 0,
    };
    let mut headers = vec![("Content-Type", media_type.clone())];
    if media_type == MANIFEST {
        headers.push(("Docker-Content-Digest", sha256(&whole)));
    }
    let status = if from > 0 {
        headers.push((
            "Content-Range",
            format!("bytes {from}-{}/{}", whole.len() - 1, whole.len()),
        ));
        206
    } else {
        200
    };
    let body = &whole[from..];
    head(&mut stream, status, &headers, body.len())?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    let mut send = |bytes: &[u8]| {
        state.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        stream.write_all(bytes)
    };
    match action {
        Action::Cut(at) => send(&body[..at.saturating_sub(from).min(body.len())]),
        Action::Hold(released) => {
            let (first, rest) = body.split_at(body.len() / 2);
            send(first)?;
            while !released.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            send(rest)
        }
        Action::Slow(length, pause) => {
            for piece in body.chunks(length) {
                send(piece)?;
                std::thread::sleep(pause);
            }
            Ok(())
        }
        _ => send(body),
    }
}

fn head(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
    length: usize,
) -> std::io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")
}

/// A registry with the upstream `docker.io` at this address, and more of a configuration.
pub fn mirror(url: &str, cache: Value, upstream: Value) -> Registry {
    let mut docker_hub = json!({"host": "docker.io", "addresses": [url], "timeout_seconds": 2});
    let Value::Object(more) = upstream else {
        panic!("{upstream} is no map");
    };
    docker_hub.as_object_mut().unwrap().extend(more);
    let mut config = json!({
        "users": [
            {"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "push", "delete"]}]},
            {"name": "docker", "password": "hunter2", "grants": [{"rights": ["pull"]}]},
        ],
        "upstreams": [docker_hub],
    });
    config["cache"] = cache;
    Registry::with(config)
}

/// The login `docker`, which may only pull.
pub const DOCKER: [(&str, &str); 1] = [("Authorization", "Basic ZG9ja2VyOmh1bnRlcjI=")];

/// A registry with enough room.
pub fn roomy(upstream: &Upstream) -> Registry {
    mirror(&upstream.url(), json!({"max_size": "100M"}), json!({}))
}

/// Bytes that are not alike.
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Waits until a blob is in the cache.
pub fn wait_for(registry: &Registry, digest: &str) -> std::path::PathBuf {
    let path = registry.store(&digest.replace("sha256:", "cache/blobs/sha256/"));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(
            std::time::Instant::now() < deadline,
            "{digest} is not kept: {}",
            registry.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    path
}
