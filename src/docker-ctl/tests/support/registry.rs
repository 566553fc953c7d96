//! Real registries of a test's own, in the test's network namespace, on an address that dockerd does not take for the
//! loopback: with that it is never strict.

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The address of all registries; their certificate is for it.
pub const HOST: &str = "10.99.0.1";
pub const USER: &str = "puller";
pub const PASSWORD: &str = "hunter2-$x";
/// `htpasswd -nbB` of them.
const ACCOUNT: &str = "puller:$2y$04$VSgdLGvTpZ9hGr/KV/09yeQ.5bRQXdj3Z6YrRw7q9IX5EGH5ul5Yu\n";
pub const CA: &str = include_str!("../data/registry-ca.pem");

/// What a registry shows to those who connect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// It speaks plain HTTP.
    None,
    /// One of its own.
    SelfSigned,
    /// One of [`CA`].
    Signed,
}

/// A registry that runs.
pub struct Registry {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Registry {
    pub fn start(port: u16, certificate: Certificate, with_account: bool) -> Self {
        Self::start_for(port, certificate, with_account, None)
    }

    /// One that lets in those alone who show this certificate.
    #[allow(dead_code, reason = "not every test has such a registry")]
    pub fn start_for_client(port: u16, client: &str) -> Self {
        Self::start_for(port, Certificate::Signed, false, Some(client))
    }

    fn start_for(
        port: u16,
        certificate: Certificate,
        with_account: bool,
        client: Option<&str>,
    ) -> Self {
        let Some(program) = std::env::var_os("CONTAINERS_TEST_REGISTRY").map(PathBuf::from) else {
            panic!(
                "CONTAINERS_TEST_REGISTRY is not set: it must name the program docker-registry to test with"
            )
        };
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {HOST}:{port}\n  secret: test\n",
            path("storage").display()
        );
        let pair = match certificate {
            Certificate::None => None,
            Certificate::SelfSigned => Some((
                include_str!("../data/cert.pem"),
                include_str!("../data/key.pem"),
            )),
            Certificate::Signed => Some((
                include_str!("../data/registry-cert.pem"),
                include_str!("../data/registry-key.pem"),
            )),
        };
        if let Some((cert, key)) = pair {
            std::fs::write(path("cert.pem"), cert).unwrap();
            std::fs::write(path("key.pem"), key).unwrap();
            let (cert, key) = (path("cert.pem"), path("key.pem"));
            let (cert, key) = (cert.display(), key.display());
            write!(text, "  tls:\n    certificate: {cert}\n    key: {key}\n").unwrap();
            if let Some(client) = client {
                std::fs::write(path("client.pem"), client).unwrap();
                let file = path("client.pem");
                write!(text, "    clientcas:\n      - {}\n", file.display()).unwrap();
            }
        }
        if with_account {
            std::fs::write(path("htpasswd"), ACCOUNT).unwrap();
            let file = path("htpasswd");
            let file = file.display();
            write!(
                text,
                "auth:\n  htpasswd:\n    realm: test\n    path: {file}\n"
            )
            .unwrap();
        }
        std::fs::write(path("config.yml"), text).unwrap();
        let log = File::create(path("log")).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(path("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect((HOST, port)).is_err() {
            let log = std::fs::read_to_string(path("log")).unwrap();
            assert!(begun.elapsed() < Duration::from_secs(30), "{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            child,
            port,
            _directory: directory,
        }
    }

    pub fn address(&self) -> String {
        format!("{HOST}:{}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
