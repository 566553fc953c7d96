//! A registry that runs for a test, and a client of HTTP/1.1 that hides nothing of what it answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;

/// `ci:hunter2`, who may do everything.
pub const CI: &str = "Basic Y2k6aHVudGVyMg==";

/// A registry with a store of its own, gone when dropped.
pub struct Registry {
    directory: TempDir,
    config: Value,
    child: Child,
    pub address: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Registry {
    /// With the login `ci`.
    pub fn start() -> Self {
        let everything = json!([{"rights": ["pull", "push", "delete"]}]);
        Self::with(json!({"users": [{"name": "ci", "password": "hunter2", "grants": everything}]}))
    }

    /// With more of a configuration.
    pub fn with(mut config: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        config["listen"] = json!("127.0.0.1:0");
        config["admin_socket"] = json!(directory.path().join("admin.sock"));
        config["store"] = json!(directory.path().join("store"));
        let (child, address) = run(&directory, &config);
        Self {
            directory,
            config,
            child,
            address,
        }
    }

    /// Kills it and starts it again on the same store.
    pub fn die_and_start(&mut self) {
        self.kill();
        (self.child, self.address) = run(&self.directory, &self.config);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process().kill().unwrap();
        self.process().wait().unwrap();
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What `verify` exits with, and says.
    pub fn verify(&self) -> (i32, String) {
        self.command(&["verify"])
    }

    /// What a command of the program exits with, and says.
    pub fn command(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_image-registry"))
            .arg("--config")
            .arg(self.directory.path().join("config.json"))
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said)
    }

    /// A file of the store.
    pub fn store(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join("store").join(path)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Asks, as `ci`.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let login = [("Authorization", CI)];
        let headers: Vec<_> = login.iter().chain(headers).copied().collect();
        self.ask_as_it_is(method, path, &headers, body)
    }

    /// Asks, as `ci`, for what is there.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// Asks with these headers alone.
    pub fn ask_as_it_is(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let says_length = headers.iter().any(|(name, _)| *name == "Content-Length");
        if !says_length && method != "GET" && method != "HEAD" {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"\r\n").unwrap();
        // a registry that refuses reads no further
        let _ = stream.write_all(body);
        answer(stream, method == "HEAD")
    }

    /// Pushes a blob as a whole, and gives its digest.
    pub fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.ask("POST", &path, &[], content).assert(201);
        digest
    }

    /// Pushes a manifest, and gives its digest.
    pub fn push_manifest(&self, repository: &str, reference: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string();
        let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.ask(
            "PUT",
            &path,
            &[("Content-Type", &media_type)],
            bytes.as_bytes(),
        );
        answer.assert(201);
        sha256(bytes.as_bytes())
    }

    /// Begins an upload, and gives its address.
    pub fn begin(&self, repository: &str) -> String {
        let answer = self.ask(
            "POST",
            &format!("/v2/{repository}/blobs/uploads/"),
            &[],
            b"",
        );
        answer.assert(202);
        answer.header("location").to_owned()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(directory: &TempDir, config: &Value) -> (Child, SocketAddr) {
    let file = directory.path().join("config.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_image-registry"))
        .arg("--config")
        .arg(&file)
        .arg("serve")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = std::fs::File::create(directory.path().join("log")).unwrap();
    let mut said = String::new();
    let address = loop {
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("it ended: {said}"))
            .unwrap();
        said.push_str(&line);
        writeln!(log, "{line}").unwrap();
        if let Some((_, rest)) = line.split_once("address=") {
            break rest.split(' ').next().unwrap().parse().unwrap();
        }
    };
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            writeln!(log, "{line}").unwrap();
        }
    });
    (child, address)
}

fn answer(stream: TcpStream, is_head: bool) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no answer: {line:?}"));
    let status = status.parse().unwrap();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        let values = headers.entry(name.to_lowercase()).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(value);
    }
    let mut body = Vec::new();
    let _ = reader.read_to_end(&mut body);
    if !is_head && let Some(length) = headers.get("content-length") {
        assert_eq!(length.parse(), Ok(body.len()), "{headers:?}");
    }
    Answer {
        status,
        headers,
        body,
    }
}

impl Answer {
    /// Fails unless it has this status.
    pub fn assert(&self, status: u16) -> &Self {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{:?} {text}", self.headers);
        self
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The document in it.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of its error.
    pub fn code(&self) -> String {
        let document = self.json();
        document["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

/// The SHA-256 digest of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// The SHA-512 digest of bytes.
pub fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex::encode(sha2::Sha512::digest(bytes)))
}
